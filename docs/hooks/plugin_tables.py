"""``::: plug-ins PACKAGE TABLE`` in a page: every entry of a plug-in table, from its source. Nothing is imported.

A new plug-in is one file and one line in its table; with that it is in the reference, too.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

DIRECTIVE = re.compile(r"^::: plug-ins (?P<package>[\w.]+) (?P<table>\w+)$", re.MULTILINE)


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Any) -> str:
    """Write the table's entries in its place: what mkdocstrings makes of each class."""
    root = Path(config.config_file_path).parent

    def entries(found: re.Match[str]) -> str:
        classes = plugin_classes(root, found["package"], found["table"])
        return "\n".join(_entry(name, path) for name, path in classes.items())

    return DIRECTIVE.sub(entries, markdown)


def plugin_classes(root: Path, package: str, table: str) -> dict[str, str]:
    """Printed name to the class's full path, of a dict literal in the package's ``__init__.py``, in its order.

    Raises:
        KeyError: there is no such table, or it does not say where a class comes from.
    """
    tree = ast.parse((root.joinpath(*package.split(".")) / "__init__.py").read_text(encoding="utf-8"))
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    module = {alias.asname or alias.name: node.module for node in imports for alias in node.names}
    literals = {
        node.target.id: node.value
        for node in tree.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }
    literal = literals[table]
    literal = literal.args[0] if isinstance(literal, ast.Call) else literal  # MappingProxyType({...})
    pairs = zip(literal.keys, literal.values, strict=True)
    return {ast.literal_eval(key): f"{module[value.id]}.{value.id}" for key, value in pairs}


def _entry(name: str, path: str) -> str:
    """The printed name is the heading and the anchor; the class's name stands in its signature."""
    options = {"heading": name, "toc_label": name, "heading_level": 2, "members": "false"}
    written = "".join(f"      {key}: {value}\n" for key, value in options.items())
    return f'<span id="{name}"></span>\n\n::: {path}\n    options:\n{written}'
