"""Links that lead out of ``docs/`` into the repository: the site takes along what they point at.

In the repository ``../studies/x/report.md`` is right; on the site the file lies at ``repository/studies/x/``. Of a
report the site has the page that was committed beside it. A link to nothing is left alone, and fails the build.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

LINK = re.compile(r"(?<=\]\()(?P<path>(?:\.\./)+[^)\s#]+)")


def on_files(files: Any, *, config: Any) -> Any:
    """Add what the pages point at."""
    for page in list(files.documentation_pages()):
        for found in LINK.finditer(page.content_string):
            target = _target(found["path"], page.src_uri, config)
            if target is not None and files.get_file_from_path(_copied(target)) is None:
                source = Path(config.config_file_path).parent / target
                files.append(File.generated(config, _copied(target), abs_src_path=str(source)))
    return files


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Any) -> str:
    """Point at the copies."""

    def copied(found: re.Match[str]) -> str:
        target = _target(found["path"], page.file.src_uri, config)
        here = posixpath.dirname(page.file.src_uri)
        return found["path"] if target is None else posixpath.relpath(_copied(target), here or ".")

    return LINK.sub(copied, markdown)


def _target(link: str, page: str, config: Any) -> str | None:
    """The file's path in the repository; None inside ``docs/``, outside the repository, or where no file is."""
    root, docs = Path(config.config_file_path).parent, posixpath.basename(config.docs_dir)
    path = posixpath.normpath(posixpath.join(docs, posixpath.dirname(page), link))
    if path.startswith(("..", f"{docs}/")) or not (root / path).is_file():
        return None
    page_of_report = posixpath.splitext(path)[0] + ".html"
    return page_of_report if path.endswith("report.md") and (root / page_of_report).is_file() else path


def _copied(target: str) -> str:
    return f"repository/{target}"
