"""The opcodes of a pickle, one by one, for whoever reads without executing."""

from __future__ import annotations

import codecs
import io
import pickletools
from collections.abc import Iterator
from typing import IO, Any

_OPCODES = {opcode.code: opcode for opcode in pickletools.opcodes}


def opcodes(content: bytes) -> Iterator[tuple[str, Any]]:
    """Name and argument of each opcode up to the end, nothing followed.

    As ``pickletools.genops``, which however takes no string of protocol 0 with bytes above 127.

    Raises:
        ValueError: a byte is no opcode, or an argument is cut short; in one sentence.
    """
    stream = io.BytesIO(content)
    while code := stream.read(1):
        opcode = _OPCODES.get(code.decode("latin-1"))
        if opcode is None:
            raise ValueError(f"must be a pickle; got the byte {code!r} at {stream.tell() - 1}")
        try:
            reader = _quoted if opcode.name == "STRING" else opcode.arg and opcode.arg.reader
            argument = reader(stream) if reader else None
        except (ValueError, OverflowError, MemoryError, Warning) as error:  # what it says of a file cut short
            raise ValueError(f"must be a whole pickle; {str(error)[:100]}") from None
        yield opcode.name, argument


def _quoted(stream: IO[bytes]) -> bytes:
    """A string of protocol 0: Python's own notation in quotes, one a line."""
    line = stream.readline()
    text = line.strip()
    if not line.endswith(b"\n") or len(text) < 2 or text[:1] not in b"'\"" or text[-1:] != text[:1]:
        raise ValueError("a string must be in quotes")
    return bytes(codecs.escape_decode(text[1:-1])[0])
