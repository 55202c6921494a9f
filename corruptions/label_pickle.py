"""Integer arrays out of a pickle that is never executed: its opcodes are walked, and globals are only names."""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from corruptions.pickle_stack import MARK, PickleStack

MAX_OPCODES = 10_000
"""A dict of six arrays takes under 500."""

_MAX_STACK = 1_000


class _Name(Enum):
    """The globals that are understood. Each stands for something written below; none is ever imported."""

    RECONSTRUCT = "numpy._core.multiarray _reconstruct"
    NDARRAY = "numpy ndarray"
    DTYPE = "numpy dtype"
    ENCODE = "_codecs encode"
    ORDERED_DICT = "collections OrderedDict"


_NAMES = {name.value: name for name in _Name} | {"numpy.core.multiarray _reconstruct": _Name.RECONSTRUCT}


@dataclass(eq=False)
class _Dtype:
    code: str
    order: str | None = None


@dataclass(eq=False)
class PickledArray:
    """What the pickle calls a NumPy array; ``values`` is None until its state has come."""

    values: NDArray[np.integer] | None = None


def read_pickle(stream: BinaryIO, *, max_bytes: int) -> object:
    """The value of the next pickle of a stream: plain values, dicts of them, and ``PickledArray``.

    A stack machine for the few opcodes that ``torch.save`` needs for a dict of NumPy arrays, protocols 2 to 4. Arrays
    are one-dimensional, of integers of 1 to 8 bytes in either byte order.

    Args:
        stream: read up to the end of the pickle.
        max_bytes: all text that is turned into bytes together may not be longer.

    Raises:
        ValueError: anything else: another opcode or global, wrong sizes, a missing end; in one sentence.
    """
    machine = _Machine(max_bytes)
    opcodes = pickletools.genops(stream)
    for _ in range(MAX_OPCODES):
        try:
            opcode, argument, _ = next(opcodes)
        except (ValueError, OverflowError, Warning) as error:  # what it says of a file cut short or of no pickle at all
            raise ValueError(f"must be whole pickles; {str(error)[:100]}") from None
        if opcode.name == "STOP":
            return machine.result()
        machine.step(opcode.name, argument)
    raise ValueError(f"pickles must have at most {MAX_OPCODES:,} opcodes; got more")


def integers(content: bytes, dtype: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[np.integer]:
    """A view of bytes as integers, shape (n,), n >= 1.

    Raises:
        ValueError: not integers, not one-dimensional, or not as many bytes as it takes.
    """
    if dtype.kind not in "iu":
        raise ValueError(f"labels must be integers; got dtype {dtype}")
    if len(shape) != 1 or shape[0] < 1:
        raise ValueError(f"labels must be one-dimensional, at least one; got shape {shape}")
    if len(content) != shape[0] * dtype.itemsize:
        raise ValueError(f"{shape[0]} labels of {dtype.itemsize} bytes must be as many bytes; got {len(content)}")
    return np.frombuffer(content, dtype=dtype)


class _Machine(PickleStack):
    def __init__(self, max_bytes: int) -> None:
        super().__init__()
        self.bytes_left = max_bytes

    def step(self, name: str, argument: Any) -> None:
        if name in _LITERALS:
            self.push(_LITERALS[name](argument))
        elif name in _MEMO:
            self.memoise(len(self.memo) if argument is None else argument)
        elif name in _ACTIONS:
            _ACTIONS[name](self, argument)
        elif name not in _NOTHING_TO_DO:
            raise ValueError(f"must hold NumPy arrays only{_advice(name)}; got the pickle opcode {name}")

    def require_room(self) -> None:
        if len(self.stack) >= _MAX_STACK:
            raise ValueError(f"a pickle's stack must be at most {_MAX_STACK:,} deep; got more")

    def push_tuple(self, values: list[Any]) -> None:
        if any(isinstance(v, tuple) and any(isinstance(w, tuple) for w in v) for v in values):
            raise ValueError("tuples must be nested at most twice; got three")
        self.push(tuple(values))

    def push_global(self, name: str) -> None:
        if name not in _NAMES:
            raise ValueError(f"must hold NumPy arrays only{_advice(name)}; got {_shown(name.replace(' ', '.'))}")
        self.push(_NAMES[name])

    def set_items(self, values: list[Any]) -> None:
        target = self.pop()
        keys = values[::2]
        if not isinstance(target, dict) or len(values) % 2 or not all(isinstance(key, str) for key in keys):
            raise ValueError("items must be set in a dict, by a text each; got something else")
        for key, value in zip(keys, values[1::2], strict=True):
            if key in target:
                raise ValueError(f"a key must be set once; got {_shown(key)} again")
            target[key] = value
        self.push(target)

    def reduce(self, _: Any) -> None:
        callee, arguments = self.pop_many(2)
        match callee, arguments:
            case _Name.RECONSTRUCT, (_Name.NDARRAY, (0,), b"b"):
                self.push(PickledArray())
            case _Name.DTYPE, (str(code), bool(), bool()):
                if code not in _DTYPE_CODES:
                    raise ValueError(f"labels must be integers; got dtype {_shown(code)}")
                self.push(_Dtype(code))
            case _Name.ENCODE, (str(text), "latin1"):
                self.push(self.latin1(text))
            case _Name.ORDERED_DICT, ():
                self.push({})
            case _:
                called = _shown(callee.value) if isinstance(callee, _Name) else "no name"
                raise ValueError(f"must hold NumPy arrays only; got a call of {called} with other arguments")

    def latin1(self, text: str) -> bytes:
        self.bytes_left -= len(text)
        if self.bytes_left < 0:
            raise ValueError("the arrays' bytes must not exceed the size limit; got more")
        try:
            return text.encode("latin1")
        except UnicodeEncodeError:
            raise ValueError("the arrays' bytes must be latin1 text; got other letters") from None

    def build(self, _: Any) -> None:
        target, state = self.pop_many(2)
        match target, state:
            case _Dtype(order=None), (3, "<" | ">" | "|" as order, None, None, None, -1, -1, 0) if (
                (order == "|") == (target.code[1] == "1")  # on several bytes "|" would be the machine's own order
            ):
                target.order = order
            case PickledArray(values=None), (1, (int(size),), _Dtype(code, str(order)), bool(), bytes(content)):
                target.values = integers(content, np.dtype(order + code), (size,))
            case _:
                raise ValueError("an array must be built once, of a shape (n,), an integer dtype and bytes; got not so")
        self.push(target)


_DTYPE_CODES = {kind + size for kind in "iu" for size in "1248"}
_NOTHING_TO_DO = {"PROTO", "FRAME"}
_MEMO = {"BINPUT", "LONG_BINPUT", "MEMOIZE"}

_LITERALS: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"), str),
    **dict.fromkeys(("BINBYTES", "SHORT_BINBYTES", "BINBYTES8"), bytes),
    **dict.fromkeys(("BININT", "BININT1", "BININT2", "LONG1"), int),
    "EMPTY_DICT": lambda _: {},
    "EMPTY_LIST": lambda _: [],
    "EMPTY_TUPLE": lambda _: (),
    "MARK": lambda _: MARK,
    "NEWFALSE": lambda _: False,
    "NEWTRUE": lambda _: True,
    "NONE": lambda _: None,
}
_ACTIONS: dict[str, Callable[[_Machine, Any], None]] = {
    "BINGET": _Machine.recall,
    "BUILD": _Machine.build,
    "GLOBAL": _Machine.push_global,
    "LONG_BINGET": _Machine.recall,
    "REDUCE": _Machine.reduce,
    "SETITEM": lambda machine, _: machine.set_items(machine.pop_many(2)),
    "SETITEMS": lambda machine, _: machine.set_items(machine.pop_to_mark()),
    "STACK_GLOBAL": _Machine.push_stack_global,
    "TUPLE": lambda machine, _: machine.push_tuple(machine.pop_to_mark()),
    "TUPLE1": lambda machine, _: machine.push_tuple(machine.pop_many(1)),
    "TUPLE2": lambda machine, _: machine.push_tuple(machine.pop_many(2)),
    "TUPLE3": lambda machine, _: machine.push_tuple(machine.pop_many(3)),
}


def _advice(name: str) -> str:
    is_tensor = name.startswith("torch") or name == "BINPERSID"
    return " (save tensors as torch.save({name: tensor.numpy(), ...}, file))" if is_tensor else ""


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")
