"""Encoded images and truth values out of a pickle that is never executed: its opcodes are walked, and globals are only
names.

The pickles are those of verification sets: a pair of lists. Python 2 and 3 wrote them, in protocols 0 to 5, images as
strings, bytes or uint8 arrays, truth values as booleans, NumPy booleans or a boolean array.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from corruptions.pickle_stack import MARK, PickleStack
from noisylabels.data.pickle_opcodes import opcodes

MAX_ITEMS = 2_000_000
"""Values in all lists together: thirty times the largest published set."""


class _Name(Enum):
    """The globals that are understood. Each stands for something written below; none is ever imported."""

    RECONSTRUCT = "multiarray _reconstruct"
    SCALAR = "multiarray scalar"
    FROM_BUFFER = "numeric _frombuffer"
    NDARRAY = "numpy ndarray"
    DTYPE = "numpy dtype"
    ENCODE = "_codecs encode"
    BYTES = "builtins bytes"


_NAMES = {f"numpy.{core}.{name.value}": name for core in ("core", "_core") for name in list(_Name)[:3]}
_NAMES |= {name.value: name for name in list(_Name)[3:]} | {"__builtin__ bytes": _Name.BYTES}


class _Array:
    """What the pickle calls a NumPy array; ``values`` is None until its state has come."""

    values: NDArray[Any] | None = None


class _Dtype:
    """What it calls a NumPy dtype: of one byte, so of no byte order."""

    def __init__(self, code: str) -> None:
        self.code = code


def read_lists(content: bytes) -> object:
    """The value of a pickle of plain values, lists and tuples, and of one-dimensional uint8 and boolean arrays.

    Text is returned as it was pickled: Python 2's strings as bytes, arrays as NumPy arrays that share the content.

    Raises:
        ValueError: anything else: another opcode or global, wrong sizes, a missing end; in one sentence.
    """
    machine = _Machine(len(content))
    for name, argument in opcodes(content):
        if name == "STOP":
            return machine.result()
        machine.step(name, argument)
    raise ValueError("must be a whole pickle; it has no end")


class _Machine(PickleStack):
    def __init__(self, bytes_left: int) -> None:
        super().__init__()
        self.bytes_left = bytes_left
        self.items_left = MAX_ITEMS

    def step(self, name: str, argument: Any) -> None:
        if name in _LITERALS:
            self.push(_LITERALS[name](argument))
        elif name in _MEMO:
            self.memoise(len(self.memo) if argument is None else int(argument))
        elif name in _ACTIONS:
            _ACTIONS[name](self, argument)
        elif name not in _NOTHING_TO_DO:
            raise ValueError(f"must hold images and truth values only; got the pickle opcode {name}")

    def require_room(self) -> None:
        self.items_left -= 1
        if self.items_left < 0:
            raise ValueError(f"a pickle must have at most {MAX_ITEMS:,} values; got more")

    def extend(self, values: list[Any]) -> None:
        target = self.pop()
        if not isinstance(target, list):
            raise ValueError("values must be added to a list; got something else")
        target += _plain(values)
        self.stack.append(target)

    def push_global(self, name: str) -> None:
        if name not in _NAMES:
            raise ValueError(f"must hold images and truth values only; got {_shown(name.replace(' ', '.'))}")
        self.push(_NAMES[name])

    def reduce(self, _: Any) -> None:
        callee, arguments = self.pop_many(2)
        match callee, arguments:
            case _Name.RECONSTRUCT, (_Name.NDARRAY, (0,), b"b"):
                self.push(_Array())
            case _Name.DTYPE, (("u1" | "b1" | b"u1" | b"b1") as code, bool() | int(), bool() | int()):
                self.push(_Dtype(code.decode() if isinstance(code, bytes) else code))
            case _Name.ENCODE, (str(text), "latin1" | b"latin1"):
                self.push(self.latin1(text))
            case _Name.BYTES, ():
                self.push(b"")
            case _Name.SCALAR, (_Dtype(code="b1"), (b"\x00" | b"\x01") as value):
                self.push(value == b"\x01")
            case _Name.FROM_BUFFER, (bytes() | bytearray() as buffer, _Dtype(code=code), (int(size),), "C" | "F"):
                array = _Array()
                array.values = _one_dimensional(buffer, code, size)
                self.push(array)
            case _:
                called = _shown(callee.value) if isinstance(callee, _Name) else "no name"
                raise ValueError(f"must hold images and truth values; got a call of {called} with other arguments")

    def latin1(self, text: str) -> bytes:
        self.bytes_left -= len(text)  # a text may be recalled, so a small file could ask for any number of copies
        if self.bytes_left < 0:
            raise ValueError("text must turn into no more bytes than the file has; got more")
        try:
            return text.encode("latin1")
        except UnicodeEncodeError:
            raise ValueError("bytes must be latin1 text; got other letters") from None

    def build(self, _: Any) -> None:
        target, state = self.pop_many(2)
        match target, state:
            case _Dtype(), (3, "|" | b"|", None, None, None, -1, -1, 0):
                pass
            case _Array(values=None), (1, (int(size),), _Dtype(code=code), bool() | int(), bytes(content)):
                target.values = _one_dimensional(content, code, size)
            case _:
                raise ValueError("an array must be built once, of a shape (n,), type u1 or b1 and bytes; got not so")
        self.stack.append(target)


def _plain(values: list[Any]) -> list[Any]:
    return [value.values if isinstance(value, _Array) else value for value in values]


def _one_dimensional(content: bytes | bytearray, code: str, size: int) -> NDArray[Any]:
    if len(content) != size:
        raise ValueError(f"an array of {size} values of one byte must have as many bytes; got {len(content)}")
    values = np.frombuffer(content, dtype=np.uint8)
    if code == "b1":
        if (values > 1).any():
            raise ValueError(f"truth values must be 0 or 1; got {values.max()}")
        return values.view(np.bool_)
    return values


_NOTHING_TO_DO = {"PROTO", "FRAME"}
_MEMO = {"PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"}

_LITERALS: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"), str),
    **dict.fromkeys(("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "STRING"), bytes),
    **dict.fromkeys(("BINSTRING", "SHORT_BINSTRING"), lambda text: text.encode("latin-1")),
    **dict.fromkeys(("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1"), lambda number: number),
    "BYTEARRAY8": bytes,
    "EMPTY_LIST": lambda _: [],
    "EMPTY_TUPLE": lambda _: (),
    "MARK": lambda _: MARK,
    "NEWFALSE": lambda _: False,
    "NEWTRUE": lambda _: True,
    "NONE": lambda _: None,
}
_ACTIONS: dict[str, Callable[[_Machine, Any], None]] = {
    "APPEND": lambda machine, _: machine.extend(machine.pop_many(1)),
    "APPENDS": lambda machine, _: machine.extend(machine.pop_to_mark()),
    "BINGET": _Machine.recall,
    "BUILD": _Machine.build,
    "GET": _Machine.recall,
    "GLOBAL": _Machine.push_global,
    "LIST": lambda machine, _: machine.push(_plain(machine.pop_to_mark())),
    "LONG_BINGET": _Machine.recall,
    "REDUCE": _Machine.reduce,
    "STACK_GLOBAL": _Machine.push_stack_global,
    "TUPLE": lambda machine, _: machine.push(tuple(_plain(machine.pop_to_mark()))),
    "TUPLE1": lambda machine, _: machine.push(tuple(_plain(machine.pop_many(1)))),
    "TUPLE2": lambda machine, _: machine.push(tuple(_plain(machine.pop_many(2)))),
    "TUPLE3": lambda machine, _: machine.push(tuple(_plain(machine.pop_many(3)))),
}


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")
