"""The latent plane as a page: press a cell to hear it."""

from html import escape

from common.files.atomic import replace_when_done
from common.report.page import data_uri

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem; }
.plane { display: grid; gap: 2px; }
.plane button { padding: 0; border: 2px solid transparent; background: none; cursor: pointer;
  aspect-ratio: 1; min-width: 0; }
.plane button:focus-visible, .plane button[aria-pressed=true] { border-color: #e80; outline: 0; }
.plane img { width: 100%; height: 100%; display: block; }
figure { margin: 1rem 0; } figure img { width: 100%; }
@media (prefers-color-scheme: dark) { body { background: #111; color: #eee; } }
"""

# Arrow keys go from cell to cell; one sound is heard at a time.
_SCRIPT = """
const plane = document.querySelector(".plane");
const cells = [...plane.querySelectorAll("button")];
const columns = Number(plane.dataset.columns);
const player = document.querySelector("audio");
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
"""


def write_plane_page(path, title, cells, columns, *, explanation, picture=None):
    """Write the page; it appears whole or not at all, and needs no other file and no network.

    Args:
        path: HTML file.
        title: Headline.
        cells: List of (name, PNG, MP3), both bytes, row by row.
        columns: Number of cells in a row.
        explanation: Text below the headline.
        picture: PNG of where the training set lies, as bytes, or None.
    """
    buttons = "".join(
        f'<button type="button" aria-pressed="false" title="{escape(name, quote=True)}" '
        f'data-sound="{data_uri("audio/mpeg", sound)}"><img alt="{escape(name, quote=True)}" '
        f'src="{data_uri("image/png", image)}"></button>'
        for name, image, sound in cells
    )
    shown = ""
    if picture is not None:
        shown = f'<figure><img alt="Training set" src="{data_uri("image/png", picture)}"></figure>'
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<link rel="icon" href="data:,">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{escape(title)}</h1><p>{escape(explanation)}</p>",
        f'<div class="plane" data-columns="{columns}" '
        f'style="grid-template-columns: repeat({columns}, 1fr)">{buttons}</div>',
        f'<p><audio controls aria-label="The chosen cell"></audio></p>{shown}',
        f"<script>{_SCRIPT}</script></body></html>",
    ]
    with replace_when_done(path) as temporary:
        temporary.write_text("\n".join(parts), encoding="utf-8")
