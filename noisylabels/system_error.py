"""What the operating system refused, in one sentence: which file, how much room there is, what to do."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

REMEDIES = {
    errno.ENOSPC: "make room and run it again: it goes on from what is kept",
    errno.EDQUOT: "make room and run it again: it goes on from what is kept",
    errno.EFBIG: "raise the limit on a file's size (ulimit -f) and run it again: it goes on from what is kept",
    errno.EMFILE: "raise the limit on open files (ulimit -n 4096), or take fewer --workers",
    errno.ENFILE: "the whole machine has too many files open: close some, or take fewer --workers",
    errno.EAGAIN: "if no further process could be started, raise that limit (ulimit -u), or take fewer --workers",
    errno.EROFS: "name a folder that can be written to: --runs, --out or $NOISYLABELS_RUNS",
    errno.EACCES: "name a folder that you may use: --runs, --out, --data or $NOISYLABELS_RUNS",
}


def system_error(error: OSError) -> str:
    """The error in one sentence: the system's words, the file's name, the bytes free on its disk where those are short.

    >>> system_error(OSError(errno.EMFILE, "Too many open files", "digits.npz"))
    'Too many open files: digits.npz; raise the limit on open files (ulimit -n 4096), or take fewer --workers'
    """
    sentence = error.strerror or str(error) or type(error).__name__
    if error.filename is not None:
        sentence += f": {error.filename}"
    if error.errno in NO_ROOM and isinstance(error.filename, str):
        sentence += f"; {_bytes_free(Path(error.filename)):,} bytes are free on its disk"
    return "; ".join(part for part in (sentence, REMEDIES.get(error.errno or 0, "")) if part)


def _bytes_free(path: Path) -> int:
    there = next(folder for folder in (path.absolute(), *path.absolute().parents) if folder.exists())
    return shutil.disk_usage(there).free
