"""The listening page: one HTML file with a table, pictures and audio players."""

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
tr:last-child { font-weight: bold; }
img { width: 100%; }
.players { display: flex; flex-wrap: wrap; gap: 1rem; }
.players div { flex: 1 1 15rem; }
audio { width: 100%; }
@media (prefers-color-scheme: dark) { body { background: #111; color: #eee; } }
"""


def write_page(path, title, rows, sections, notes=""):
    """Write the page; it appears whole or not at all.

    Args:
        path: HTML file; pictures and audios are linked relative to it.
        title: Headline.
        rows: Table as a list of dicts with the same keys; the last row is set off.
        sections: List of (heading, picture path, dict from label to audio path).
        notes: Text below the headline.
    """
    folder = Path(path).parent
    head = "".join(f"<th>{_breakable(name)}</th>" for name in rows[0])
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(_text(value))}</td>" for value in row.values()) + "</tr>"
        for row in rows
    )
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{escape(title)}</h1>",
        f"<p>{escape(notes)}</p>" if notes else "",
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>",
    ]
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
        temporary.write_text("\n".join(part for part in parts if part), encoding="utf-8")


def _text(value):
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _breakable(name):
    return re.sub(r"([_/])", r"\1<wbr>", escape(name))


def _link(path, folder):
    relative = os.path.relpath(path, folder)
    return quote(Path(relative).as_posix())
