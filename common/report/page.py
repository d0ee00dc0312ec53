"""Pages to listen to: one HTML file that holds its tables, pictures and sounds."""

import base64
import io
from html import escape
from typing import NamedTuple

from common.files.atomic import replace_when_done
from common.report.tables import as_html

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
.plane { display: grid; gap: 2px; max-width: 60rem; }
.plane button { padding: 0; border: 2px solid transparent; background: none; cursor: pointer;
  aspect-ratio: 1; min-width: 0; }
.plane button:focus-visible, .plane button[aria-pressed=true] { border-color: #e80; outline: 0; }
.plane img { height: 100%; display: block; }
@media (prefers-color-scheme: dark) { body { background: #111; color: #eee; } }
"""

# Sorts by the column whose heading is pressed, numbers as numbers, then the other way round. Arrow
# keys go from cell to cell of a plane. One sound is heard at a time.
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
for (const plane of document.querySelectorAll(".plane")) {
  const cells = [...plane.querySelectorAll("button")];
  const columns = Number(plane.dataset.columns);
  const player = plane.parentNode.querySelector("audio");
  cells.forEach((cell, index) => {
    cell.addEventListener("click", () => {
      for (const other of cells) other.setAttribute("aria-pressed", other === cell);
      player.src = cell.dataset.sound;
      player.play();
    });
    cell.addEventListener("keydown", event => {
      const step = {ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns}[event.key];
      if (step === undefined || !cells[index + step]) return;
      event.preventDefault();
      cells[index + step].focus();
    });
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


class Plane(NamedTuple):
    """A grid of pictures, each a button that plays its sound.

    Attributes:
        clips: List of ``Clip``, row by row.
        columns: Number of cells in a row.
        picture: PNG of where the training set lies, as bytes, or None.
    """

    clips: list
    columns: int
    picture: bytes | None = None


def write_page(path, title, sections=(), *, explanation, settings=None, tables=None, plane=None):
    """Write the page; it appears whole or not at all, and needs no other file and no network.

    Args:
        path: HTML file.
        title: Headline.
        sections: List of ``Section``.
        explanation: Lines of text below the headline.
        settings: Dict of what the page was made with.
        tables: Dict from a caption to the rows of a table, dicts of numbers and texts; a row that
            begins with "overall" is set off. A press on a heading sorts by it.
        plane: ``Plane``, or None.
    """
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<link rel="icon" href="data:,">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{escape(title)}</h1>",
        f"<pre>{escape(explanation)}</pre>",
        *(as_html(rows, caption) for caption, rows in (tables or {}).items()),
    ]
    if plane is not None:
        parts.append(_plane(plane))
    for section in sections:
        clips = "".join(_clip(clip, section.heading) for clip in section.clips)
        parts += [
            f"<h2>{escape(section.heading)}</h2>",
            f'<div class="players">{clips}</div>',
        ]
        if section.rows:
            parts.append(as_html(section.rows))
    if settings:
        listed = "".join(
            f"<dt>{escape(str(name))}</dt><dd>{escape(str(value))}</dd>"
            for name, value in settings.items()
        )
        parts.append(f"<details><summary>Settings</summary><dl>{listed}</dl></details>")
    parts.append(f"<script>{_SCRIPT}</script></body></html>")
    with replace_when_done(path) as temporary:
        temporary.write_text("\n".join(parts), encoding="utf-8")


def _plane(plane):
    cells = []
    for clip in plane.clips:
        name = escape(clip.label, quote=True)
        cells.append(
            f'<button type="button" aria-pressed="false" title="{name}" '
            f'data-sound="{data_uri("audio/mpeg", clip.audio)}"><img alt="{name}" '
            f'src="{data_uri("image/png", clip.picture)}"></button>'
        )
    shown = ""
    if plane.picture is not None:
        source = data_uri("image/png", plane.picture)
        shown = f'<figure><img alt="Training set" src="{source}"></figure>'
    return (
        f'<div><div class="plane" data-columns="{plane.columns}" '
        f'style="grid-template-columns: repeat({plane.columns}, 1fr)">{"".join(cells)}</div>'
        f'<p><audio controls aria-label="The chosen cell"></audio></p>{shown}</div>'
    )


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
