"""Texts that may leave this machine: none of its places in them."""

from __future__ import annotations

import re

PLACE = re.compile(r"""(?<![\w/.:])(?:~|[A-Za-z]:)?[/\\](?:[^\s/\\"',;:()\[\]]+[/\\])+""")
"""The folders of an absolute path, up to its last part."""


def without_places(text: str) -> str:
    """The text with absolute paths cut down to their last part.

    >>> without_places('folder:path=/home/me/faces,per_class=5')
    'folder:path=faces,per_class=5'
    >>> without_places("/home/me/runs/x.json cannot be written (1/2 done, test/accuracy)")
    'x.json cannot be written (1/2 done, test/accuracy)'
    """
    return PLACE.sub("", text)
