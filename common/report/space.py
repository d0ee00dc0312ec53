"""Pages with a latent space of three numbers: a cloud to be turned, whose notes are heard.

``page.css`` and ``space.css`` and ``space.js`` next to this module are copied into each page, which
needs neither other files nor a network.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple

import numpy as np

from common.audio.loudness import at_loudness
from common.cli import UserError
from common.files.atomic import replace_when_done
from common.music.instruments import in_words
from common.music.names import PITCH_CLASSES, pitch_name
from common.report.page import data_uri, mp3

_HELP = (
    "Drag to turn, or use the arrow keys. Press a large point to hear its note, <kbd>Enter</kbd> "
    "for the next one. Press a name to see it alone."
)


class Point(NamedTuple):
    """A note in a latent space.

    Attributes:
        style: Name of its instrument or style.
        pitch: MIDI number.
        place: Three coordinates.
        audio: MP3 of what is heard there, or None.
    """

    style: str
    pitch: int
    place: Sequence[float]
    audio: bytes | None = None

    @property
    def name(self) -> str:
        """In words, such as "violin C4"."""
        return f"{self.style} {pitch_name(self.pitch)}"


class Exhibit(NamedTuple):
    """A picture below the space, and sounds that belong to it.

    Attributes:
        heading: Heading.
        picture: PNG.
        text: What it shows, one or two sentences.
        sounds: List of (label, MP3).
    """

    heading: str
    picture: bytes
    text: str = ""
    sounds: Sequence[tuple[str, bytes]] = ()


def spread_out(vectors: np.ndarray, number: int) -> list[int]:
    """Indices of vectors (any, dims) that are far from each other: each is the farthest of all.

    Args:
        vectors: Latent vectors.
        number: At most so many.
    """
    chosen = [int(np.linalg.norm(vectors - vectors.mean(axis=0), axis=1).argmin())]
    nearest = np.full(len(vectors), np.inf)
    while len(chosen) < min(number, len(vectors)):
        distances = np.linalg.norm(vectors - vectors[chosen[-1]], axis=1)
        nearest = np.minimum(nearest, distances)
        chosen.append(int(nearest.argmax()))
    return chosen


def sounding_points(
    notes: Sequence[tuple[str, int]],
    vectors: np.ndarray,
    sounds: int,
    sound_of: Callable[[int], np.ndarray],
    sample_rate: int,
) -> list[Point]:
    """Points of a page, some of which are heard: those that are far from each other.

    Args:
        notes: (style, pitch) of each.
        vectors: (notes, 3) latent vectors.
        sounds: Number of those that are heard.
        sound_of: Function of the number of a note, that returns its sound (samples,).
        sample_rate: Hz.
    """
    heard = {
        index: mp3(at_loudness(sound_of(index), sample_rate), sample_rate)
        for index in spread_out(vectors, sounds)
    }
    return [
        Point(in_words(style), pitch, vector.tolist(), heard.get(index))
        for index, ((style, pitch), vector) in enumerate(zip(notes, vectors, strict=True))
    ]


def require_three(folder: Path, dims: int) -> None:
    """Raise ``UserError`` unless the latent vectors of a model in a folder have three numbers."""
    if dims != 3:
        raise UserError(f"{folder}: has {dims} latent dimensions; a page shows three")


def write_space(
    path: Path,
    title: str,
    points: Sequence[Point],
    *,
    lead: str,
    label: str = "instrument",
    exhibits: Sequence[Exhibit] = (),
) -> None:
    """Write the page, which is complete or absent.

    Args:
        path: HTML file.
        title: Headline.
        points: List of ``Point``.
        lead: One or two sentences below the headline.
        label: What ``Point.style`` is.
        exhibits: List of ``Exhibit``.
    """
    places = np.array([point.place for point in points], float)
    # the standard deviation is about 1 already, but not of every model
    places = (places - places.mean(axis=0)) / np.maximum(places.std(axis=0).max(), 1e-9)
    shown = [
        {
            "name": point.name,
            "at": np.round(place, 3).tolist(),
            "audio": point.audio and data_uri("audio/mpeg", point.audio),
        }
        for point, place in zip(points, places, strict=True)
    ]
    styles = sorted({point.style for point in points})
    octaves = sorted({point.pitch // 12 - 1 for point in points})
    colours = {
        label: _colouring([styles.index(point.style) for point in points], styles, "tab20"),
        "pitch class": _colouring([point.pitch % 12 for point in points], PITCH_CLASSES, "hsv"),
        "octave": _colouring(
            [octaves.index(point.pitch // 12 - 1) for point in points],
            [f"octave {octave}" for octave in octaves],
            "viridis",
        ),
    }
    here = Path(__file__).parent
    style, more, script = (
        (here / name).read_text(encoding="utf-8") for name in ("page.css", "space.css", "space.js")
    )
    data = json.dumps({"points": shown, "colours": colours}).replace("</", "<\\/")
    text = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="icon" href="data:,">'
        f"<title>{escape(title)}</title><style>{style}{more}</style></head><body>\n"
        f"<header><h1>{escape(title)}</h1><p>{escape(lead)}</p></header><main>\n"
        '<section class="space"><div class="controls"><label>Colour: <select></select></label>'
        f'</div><canvas tabindex="0" role="img" aria-label="{escape(title, quote=True)}"></canvas>'
        f'<p class="said" aria-live="polite"></p><div class="legend"></div>'
        f'<p class="help">{_HELP}</p>\n<script type="application/json">{data}</script></section>\n'
        f"{''.join(map(_exhibit, exhibits))}"
        f"</main><script>{script}</script></body></html>\n"
    )
    with replace_when_done(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _exhibit(exhibit):
    heard = "".join(
        f"<figure><figcaption>{escape(label)}</figcaption>"
        f'<audio controls preload="none" aria-label="{escape(label, quote=True)}" '
        f'src="{data_uri("audio/mpeg", sound)}"></audio></figure>'
        for label, sound in exhibit.sounds
    )
    said = f"<p>{escape(exhibit.text)}</p>" if exhibit.text else ""
    return (
        f'<section class="exhibit"><h2>{escape(exhibit.heading)}</h2>{said}'
        f'<img alt="{escape(exhibit.heading, quote=True)}" '
        f'src="{data_uri("image/png", exhibit.picture)}">'
        f'<div class="heard">{heard}</div></section>\n'
    )


def _colouring(values, names, map_name):
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    colours = colormaps[map_name]
    discrete = map_name.startswith("tab")
    shades = [
        to_hex(colours(number % colours.N if discrete else number / max(len(names), 1)))
        for number in range(len(names))
    ]
    return {"values": values, "shown": list(zip(names, shades, strict=True))}
