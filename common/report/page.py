"""The listening page: one HTML file that holds its tables, pictures and sounds."""

import base64
import io
import re
from html import escape
from typing import NamedTuple

from common.files.atomic import replace_when_done

_STYLE = """
pre { white-space: pre-wrap; font-size: .85rem; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 80rem; margin: 0 auto; padding: 1rem;
  overflow-wrap: anywhere; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding: .25rem 0; }
th, td { padding: .25rem .5rem; text-align: right; border-bottom: 1px solid #8884; }
.text { text-align: left; }
th button { font: inherit; font-weight: bold; color: inherit; background: none; border: 0;
  padding: 0; cursor: pointer; text-align: inherit; }
th[aria-sort=ascending] button::after { content: " \\25B2"; }
th[aria-sort=descending] button::after { content: " \\25BC"; }
tr.overall { font-weight: bold; }
.players { display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fit, minmax(min(16rem, 100%), 1fr)); }
figure { margin: 0; min-width: 0; }
td, th, button { overflow-wrap: normal; }
img, audio { width: 100%; }
@media (prefers-color-scheme: dark) { body { background: #111; color: #eee; } }
"""

# Sorts by the column whose heading is pressed, numbers as numbers, then the other way round.
_SCRIPT = """
for (const heading of document.querySelectorAll("th")) {
  heading.querySelector("button").addEventListener("click", () => {
    const body = heading.closest("table").tBodies[0];
    const column = heading.cellIndex;
    const up = heading.getAttribute("aria-sort") !== "ascending";
    for (const other of heading.parentNode.cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", up ? "ascending" : "descending");
    const value = row => row.cells[column].textContent;
    const compare = (a, b) => {
      const difference = Number(value(a)) - Number(value(b));
      return Number.isNaN(difference) ? value(a).localeCompare(value(b)) : difference;
    };
    const rows = [...body.rows].sort((a, b) => {
      if (!value(a) || !value(b)) return value(a) ? -1 : 1;
      return up ? compare(a, b) : compare(b, a);
    });
    body.append(...rows);
  });
}
for (const player of document.querySelectorAll("audio")) {
  player.addEventListener("play", () => {
    for (const other of document.querySelectorAll("audio")) if (other !== player) other.pause();
  });
}
"""


def mp3(audio, sample_rate):
    """Audio as an MP3 file, for a page: bytes."""
    import soundfile

    content = io.BytesIO()
    soundfile.write(content, audio, sample_rate, format="MP3")
    return content.getvalue()


class Clip(NamedTuple):
    """A picture, and the sound that it shows."""

    label: str
    picture: bytes  # PNG
    audio: bytes | None  # MP3


class Section(NamedTuple):
    """A piece: its heading, the rows of its table, and its clips."""

    heading: str
    rows: list
    clips: list


def write_page(path, title, sections, *, explanation, settings, tables):
    """Write the page; it appears whole or not at all, and needs no other file and no network.

    Args:
        path: HTML file.
        title: Headline.
        explanation: Lines of text below it.
        settings: Dict of what the page was made with.
        tables: Dict from a caption to the rows of a table, dicts of numbers and texts; a row that
            begins with "overall" is set off. A press on a heading sorts by it.
        sections: List of ``Section``.
    """
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<link rel="icon" href="data:,">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{escape(title)}</h1>",
        f"<pre>{escape(explanation)}</pre>",
        *(_table(rows, caption) for caption, rows in tables.items()),
    ]
    for section in sections:
        clips = "".join(_clip(clip, section.heading) for clip in section.clips)
        parts += [
            f"<h2>{escape(section.heading)}</h2>",
            f'<div class="players">{clips}</div>',
            _table(section.rows),
        ]
    listed = "".join(
        f"<dt>{escape(str(name))}</dt><dd>{escape(str(value))}</dd>"
        for name, value in settings.items()
    )
    parts += [
        f"<details><summary>Settings</summary><dl>{listed}</dl></details>",
        f"<script>{_SCRIPT}</script></body></html>",
    ]
    with replace_when_done(path) as temporary:
        temporary.write_text("\n".join(parts), encoding="utf-8")


def _clip(clip, heading):
    label, described = escape(clip.label), escape(f"{clip.label}: {heading}", quote=True)
    player = ""
    if clip.audio is not None:
        source = data_uri("audio/mpeg", clip.audio)
        player = (
            f'<audio controls preload="metadata" aria-label="{described}" src="{source}"></audio>'
        )
    picture = f'<img alt="Spectrogram of {described}" src="{data_uri("image/png", clip.picture)}">'
    return f"<figure><figcaption>{label}</figcaption>{picture}{player}</figure>"


def data_uri(kind, content):
    """Bytes as an address that holds them, such as ``data:image/png;base64,...``."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def _table(rows, caption=None):
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = {name: any(isinstance(row.get(name), str) for row in rows) for name in names}
    side = {name: ' class="text"' if text[name] else "" for name in names}
    head = "".join(
        f'<th scope="col"{side[name]}><button type="button">{_breakable(name)}</button></th>'
        for name in names
    )
    body = []
    for row in rows:
        cells = "".join(
            f"<td{side[name]}>{_breakable(_text(row.get(name, '')))}</td>" for name in names
        )
        mark = ' class="overall"' if str(next(iter(row.values()))).startswith("overall") else ""
        body.append(f"<tr{mark}>{cells}</tr>")
    said = "" if caption is None else f"<caption>{escape(caption)}</caption>"
    return (
        f'<div class="wide"><table>{said}<thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def _text(value):
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _breakable(name):
    return re.sub(r"([_/])", r"\1<wbr>", escape(name))
