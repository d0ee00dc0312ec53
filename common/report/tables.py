"""Tables of numbers and strings, for terminals and HTML pages."""

import re
from html import escape


def as_text(rows):
    """Format rows (dicts of numbers and strings) as aligned text with a heading."""
    names, cells = _cells(rows, digits=4)
    cells = [names, *cells]
    widths = [max(len(line[column]) for line in cells) for column in range(len(names))]
    return "\n".join(
        "  ".join(
            text.ljust(width) if column == 0 else text.rjust(width)
            for column, (text, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in cells
    )


def as_html(rows, caption=None):
    """The same as a table of HTML, every heading a button.

    Args:
        rows: As of ``as_text``; one that begins with "overall" gets the class ``overall``.
        caption: Text above it, or None.
    """
    names, cells = _cells(rows, digits=3)
    side = [
        ' class="text"' if any(isinstance(row.get(name), str) for row in rows) else ""
        for name in names
    ]
    head = "".join(
        f'<th scope="col"{where}><button type="button">{_breakable(name)}</button></th>'
        for name, where in zip(names, side, strict=True)
    )
    body = []
    for line in cells:
        shown = "".join(
            f"<td{where}>{_breakable(text)}</td>" for text, where in zip(line, side, strict=True)
        )
        mark = ' class="overall"' if line[0].startswith("overall") else ""
        body.append(f"<tr{mark}>{shown}</tr>")
    said = "" if caption is None else f"<caption>{escape(caption)}</caption>"
    return (
        f'<div class="wide"><table>{said}<thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def _cells(rows, digits):
    names = list(dict.fromkeys(name for row in rows for name in row))
    return names, [[_text(row.get(name, ""), digits) for name in names] for row in rows]


def _text(value, digits):
    return f"{value:.{digits}f}" if isinstance(value, float) else str(value)


def _breakable(name):
    return re.sub(r"([_/])", r"\1<wbr>", escape(name))
