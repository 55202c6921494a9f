"""Stack, marks and memo of a pickle that is walked and never executed; what its opcodes mean is for others to say."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

MARK = object()
"""What a mark is on the stack; no value of a pickle is this one."""


class PickleStack(ABC):
    """Where a walk over a pickle's opcodes keeps its values.

    A walk over untrusted bytes must end: ``push`` sets the limit, and each place of the memo is filled once, so that no
    value ever contains itself.
    """

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    @abstractmethod
    def require_room(self) -> None:
        """Raise ``ValueError`` if one more value would be too many."""

    @abstractmethod
    def push_global(self, name: str) -> None:
        """Push what stands for the global ``"module name"``; raise ``ValueError`` for any that is not understood."""

    def result(self) -> object:
        """The pickle's value.

        Raises:
            ValueError: it leaves none, or more than one.
        """
        value = self.pop()
        if self.stack:
            raise ValueError(f"a pickle must leave one value; got {len(self.stack) + 1}")
        return value

    def push(self, value: Any) -> None:
        """Put a value on the stack. Raises ``ValueError`` where there is no room."""
        self.require_room()
        self.stack.append(value)

    def pop(self) -> Any:
        """Take the topmost value. Raises ``ValueError`` where there is none above the last mark."""
        if not self.stack or self.stack[-1] is MARK:
            raise ValueError("a pickle must not take more values than it has; got an opcode that does")
        return self.stack.pop()

    def pop_many(self, count: int) -> list[Any]:
        """Take so many values, in the order in which they were put."""
        return [self.pop() for _ in range(count)][::-1]

    def pop_to_mark(self, _: Any = None) -> list[Any]:
        """Take all values above the last mark, and the mark. Raises ``ValueError`` where there is no mark."""
        values = []
        while self.stack and self.stack[-1] is not MARK:
            values.append(self.stack.pop())
        if not self.stack:
            raise ValueError("a pickle must set a mark before it uses it; got none")
        self.stack.pop()
        return values[::-1]

    def memoise(self, place: int) -> None:
        """Note the topmost value. Raises ``ValueError`` where the place is filled already."""
        if place in self.memo:
            raise ValueError(f"a pickle must use each place of its memo once; got {place} again")
        value = self.pop()
        self.memo[place] = value
        self.stack.append(value)

    def recall(self, place: Any) -> None:
        """Push a noted value. Raises ``ValueError`` where nothing was noted."""
        if int(place) not in self.memo:
            raise ValueError(f"a pickle must fill its memo before it reads it; got place {place}")
        self.push(self.memo[int(place)])

    def push_stack_global(self, _: Any) -> None:
        """Push the global whose module and name are on the stack."""
        module, name = self.pop_many(2)
        if not (isinstance(module, str) and isinstance(name, str)):
            raise ValueError("a global must be two names; got other values")
        self.push_global(f"{module} {name}")
