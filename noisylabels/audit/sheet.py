"""The review sheet: one HTML file that needs no network, with every suspicion's pictures side by side.

One script, our own and named by its hash in the page's policy, sorts the list of findings; without it the list stands
in the order of suspicion. No name of a file or a class is ever markup or script.
"""

from __future__ import annotations

import base64
import hashlib
import unicodedata
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from noisylabels.audit.audited import Audit
from noisylabels.audit.sheet_content import sheet_content

SCRIPT = """
const table = document.getElementById("findings"), body = table.tBodies[0];
[...table.tHead.rows[0].cells].forEach((head, column) => {
  const button = document.createElement("button");
  button.textContent = head.textContent;
  head.replaceChildren(button);
  button.addEventListener("click", () => {
    const down = head.getAttribute("aria-sort") === "ascending";
    const key = row => row.cells[column].dataset.key;
    const rows = [...body.rows];
    const numbers = rows.every(row => key(row) !== "" && Number.isFinite(Number(key(row))));
    rows.sort((a, b) => numbers ? key(a) - key(b) : key(a).localeCompare(key(b)));
    if (down) rows.reverse();
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    body.append(...rows);
  });
});
"""

_BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def to_html(audit: Audit, *, shown: int = 200) -> str:
    """The sheet of an audit, the first ``shown`` findings of each kind with pictures.

    The same audit gives the same text.
    """
    environment = Environment(
        loader=PackageLoader("noisylabels.audit", "."),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("sheet.html.j2").render(
        sheet=sheet_content(audit, shown=shown), script=Markup(SCRIPT), script_hash=_policy_hash(SCRIPT)
    )


def _policy_hash(script: str) -> str:
    """As a Content-Security-Policy names an inline script."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _printable(value: Any) -> Any:
    """Texts on one line, without control characters or overrides of their direction."""
    if not isinstance(value, str) or isinstance(value, Markup) or value.startswith("data:image/png;base64,"):
        return value
    line = " ".join(value.split())
    line = "".join("\ufffd" if unicodedata.category(char) in ("Cc", "Cs") or char in _BIDI else char for char in line)
    return line if len(line) <= 300 else line[:299] + "…"
