"""Tables of numbers and strings, for terminals and HTML pages."""

from __future__ import annotations

import re
from html import escape
from typing import Any, NamedTuple

from common.cli import printable

WIDTH = 100  # columns of a terminal
_LONGEST = 40  # characters of a text where not even one column of numbers fits beside it
_MARKS = {"lower": "↓", "higher": "↑", "near 0": "→ 0", "near 1": "→ 1"}


class Term(NamedTuple):
    """Meaning of a column of a table.

    Attributes:
        meaning: A phrase.
        better: "lower", "higher", "near 0" or "near 1": which values are good; "" where none is.
    """

    meaning: str
    better: str = ""


def as_text(rows: list[dict[str, Any]], width: int = WIDTH) -> str:
    """Format rows (dicts of numbers and strings) as aligned text with a heading.

    A table that is wider than ``width`` is broken into parts, one below the other: each begins with
    the leading columns of text and has as many of the other columns as fit.
    """
    names, cells = _cells(rows, digits=4)
    cells = [list(map(printable, line)) for line in cells]
    columns = [list(column) for column in zip(names, *cells, strict=True)]
    lead = 1
    while lead < len(names) and isinstance(rows[0].get(names[lead]), str):
        lead += 1
    if any(_width([*columns[:lead], column]) > width for column in columns[lead:]):
        columns = [list(map(_shortened, column)) for column in columns]
    parts, part = [], columns[:lead]
    for column in columns[lead:]:
        if len(part) > lead and _width([*part, column]) > width:
            parts.append(part)
            part = columns[:lead]
        part = [*part, column]
    return "\n\n".join(map(_aligned, [*parts, part]))


def _width(columns):
    return sum(2 + max(map(len, column)) for column in columns) - 2


def _aligned(columns):
    widths = [max(map(len, column)) for column in columns]
    return "\n".join(
        "  ".join(
            text.ljust(width) if number == 0 else text.rjust(width)
            for number, (text, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in zip(*columns, strict=True)
    )


def _shortened(text):
    half = _LONGEST // 2
    return text if len(text) <= _LONGEST else f"{text[: half - 1]}…{text[-half:]}"


def as_html(
    rows: list[dict[str, Any]], caption: str | None = None, terms: dict[str, Term] | None = None
) -> str:
    """The same as a table of HTML, every heading a button.

    Args:
        rows: As in ``as_text``; a row that begins with "overall" gets the class ``overall``.
        caption: Text above it, or None.
        terms: Dict from column to ``Term``; a column "a/b" is judged as "a". Headings say which
            values are good, and the best one is marked among rows that begin with the same text.
    """
    names, cells = _cells(rows, digits=3)
    better = {name: _better(name, terms or {}) for name in names}
    best = _best(rows, better)
    text = {name for name in names if any(isinstance(row.get(name), str) for row in rows)}
    head = "".join(
        f'<th scope="col"{_class(name in text and "text")}><button type="button">'
        f"{_breakable(name)}{_mark(better[name])}</button></th>"
        for name in names
    )
    body = []
    for number, line in enumerate(cells):
        shown = "".join(
            f"<td{_class(name in text and 'text', (number, name) in best and 'best')}>"
            f"{_breakable(cell)}</td>"
            for name, cell in zip(names, line, strict=True)
        )
        body.append(f"<tr{_class(line[0].startswith('overall') and 'overall')}>{shown}</tr>")
    said = "" if caption is None else f"<caption>{escape(caption)}</caption>"
    return (
        f'<div class="wide"><table>{said}<thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def _better(name, terms):
    term = terms.get(name) or terms.get(name.partition("/")[0])
    return term.better if term else ""


def _best(rows, better):
    """Places (row, column) of the best numbers among rows that begin with the same text."""
    groups = {}
    for number, row in enumerate(rows):
        first = next(iter(row.values()))
        groups.setdefault(first if isinstance(first, str) else None, []).append(number)
    badness = {
        "lower": float,
        "higher": lambda value: -value,
        "near 0": abs,
        "near 1": lambda value: abs(value - 1),
    }
    places = set()
    for name, judged in better.items():
        for numbers in groups.values() if judged else ():
            known = [number for number in numbers if rows[number].get(name, "") != ""]
            values = [badness[judged](rows[number][name]) for number in known]
            if len(set(values)) > 1:
                places.add((known[values.index(min(values))], name))
    return places


def _mark(better):
    if not better:
        return ""
    said = f"{better} is better"
    return f' <abbr title="{said}" aria-label="{said}">{_MARKS[better]}</abbr>'


def _class(*names):
    given = " ".join(filter(None, names))
    return f' class="{given}"' if given else ""


def _cells(rows, digits):
    names = list(dict.fromkeys(name for row in rows for name in row))
    return names, [[_text(row.get(name, ""), digits) for name in names] for row in rows]


def _text(value, digits):
    return f"{value:.{digits}f}" if isinstance(value, float) else str(value)


def _breakable(name):
    return re.sub(r"([_/])", r"\1<wbr>", escape(name))
