"""The listening page: one HTML file with tables, pictures and audio players."""

import os
import re
from html import escape
from pathlib import Path
from urllib.parse import quote

from data import replace_when_done

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; }
th, td { padding: .25rem .75rem; text-align: right; border-bottom: 1px solid #ddd; }
th:first-child, td:first-child { text-align: left; }
tr.overall { font-weight: bold; }
img { width: 100%; }
.players { display: flex; flex-wrap: wrap; gap: 1rem; }
.players div { flex: 1 1 15rem; }
audio { width: 100%; }
@media (prefers-color-scheme: dark) { body { background: #111; color: #eee; } }
"""


def write_page(path, title, tables, sections):
    """Write the page; it appears whole or not at all.

    Args:
        path: HTML file; pictures and audios are linked relative to it.
        title: Headline.
        tables: Dict from a caption to the rows of a table, dicts with the same keys; a row that
            begins with "overall" is set off.
        sections: List of (heading, picture path, dict from label to audio path).
    """
    folder = Path(path).parent
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{escape(title)}</h1>",
    ]
    for caption, rows in tables.items():
        parts += [f"<p>{escape(caption)}</p>", _table(rows)]
    for heading, picture, audios in sections:
        players = "".join(
            f"<div>{escape(label)}<br><audio controls preload=metadata "
            f'src="{_link(audio, folder)}"></audio></div>'
            for label, audio in audios.items()
        )
        parts += [
            f"<h2>{escape(heading)}</h2>",
            f'<div class="players">{players}</div>',
            f'<img src="{_link(picture, folder)}" alt="Spectrograms of {escape(heading)}">',
        ]
    parts.append("</body></html>")
    with replace_when_done(path) as temporary:
        temporary.write_text("\n".join(parts), encoding="utf-8")


def _table(rows):
    head = "".join(f"<th>{_breakable(name)}</th>" for name in rows[0])
    body = []
    for row in rows:
        first, *_ = row.values()
        cells = "".join(f"<td>{escape(_text(value))}</td>" for value in row.values())
        body.append(
            f'<tr class="overall">{cells}</tr>' if first == "overall" else f"<tr>{cells}</tr>"
        )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>"


def _text(value):
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _breakable(name):
    return re.sub(r"([_/])", r"\1<wbr>", escape(name))


def _link(path, folder):
    relative = os.path.relpath(path, folder)
    return quote(Path(relative).as_posix())
