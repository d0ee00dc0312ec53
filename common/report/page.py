"""Listening pages: a single HTML file that contains its sounds, pictures and tables.

``page.css`` and ``page.js`` next to this module are copied into each page.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from common.audio.loudness import TARGET_LUFS, loudness
from common.files.atomic import replace_when_done
from common.files.audio import PEAK
from common.report.tables import Term, as_html

_LEVEL_HELP = (
    f"All sounds of a player are equally loud: {TARGET_LUFS:g} LUFS, or less where one of them "
    "would clip (ITU-R BS.1770)."
)
_KEYS_HELP = (
    " Press <kbd>1</kbd>, <kbd>2</kbd>, <kbd>3</kbd> … to switch at the same position, "
    "<kbd>space</kbd> to play and pause."
)
_PLANE_HELP = "Arrow keys go from cell to cell, <kbd>Enter</kbd> plays."


def mp3(audio: np.ndarray, sample_rate: int) -> bytes:
    """Encode audio as MP3 for a page: bytes.

    Args:
        audio: (samples,) float32 in [-1, 1].
        sample_rate: Hz.
    """
    import soundfile

    content = io.BytesIO()
    soundfile.write(content, audio, sample_rate, format="MP3")
    return content.getvalue()


class Clip(NamedTuple):
    """A sound and its picture.

    Attributes:
        label: What is heard, such as "piano" or "made by the network".
        picture: WebP of the spectrogram without axes; its width is the length of the sound.
        audio: MP3, or None for a picture without sound.
        score: Line of scores, or "".
    """

    label: str
    picture: bytes
    audio: bytes | None
    score: str = ""


class Section(NamedTuple):
    """A piece: its heading, and its clips, between which a player switches.

    Attributes:
        heading: Title of the piece.
        clips: List of ``Clip``.
        kilohertz: Frequency at the upper edge of the pictures, whose bins are equally wide and
            begin at 0; None for pictures without a frequency axis.
    """

    heading: str
    clips: list[Clip]
    kilohertz: float | None = None


class Plane(NamedTuple):
    """A grid of pictures, each a button that plays its sound.

    Attributes:
        heading: Heading of the grid.
        clips: List of ``Clip``, row by row.
        columns: Number of cells in a row.
        picture: PNG that shows where the training set lies, or None.
    """

    heading: str
    clips: list[Clip]
    columns: int
    picture: bytes | None = None


def write_page(
    path: Path,
    title: str,
    sections: Sequence[Section | Plane] = (),
    *,
    lead: str,
    settings: dict[str, Any] | None = None,
    tables: dict[str, list[dict[str, Any]]] | None = None,
    terms: dict[str, Term] | None = None,
) -> None:
    """Write a page, which is complete or absent, and needs neither other files nor a network.

    Args:
        path: HTML file.
        title: Headline.
        sections: List of ``Section`` and ``Plane``.
        lead: One or two sentences below the headline.
        settings: Dict of the settings that the page was made with.
        tables: Dict from a caption to the rows of a table: dicts of numbers and strings. A row
            whose first value is "overall" is emphasised. Clicking on a heading sorts by it.
        terms: Dict from a column of the tables to ``common.report.tables.Term``.
    """
    style, script = (
        Path(__file__).with_suffix(suffix).read_text(encoding="utf-8") for suffix in (".css", ".js")
    )
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<link rel="icon" href="data:,">',
        f"<title>{escape(title)}</title><style>{style}</style></head><body>",
        f"<header><h1>{escape(title)}</h1><p>{escape(lead)}</p></header><main>",
        *(_player(section, f"player{number}") for number, section in enumerate(sections)),
        "</main>",
        _help(sections),
    ]
    if tables:
        parts.append("<details><summary>All scores</summary>")
        parts += [as_html(rows, caption, terms) for caption, rows in tables.items()]
        parts.append("</details>")
    if terms:
        meanings = {name: term.meaning for name, term in terms.items()}
        parts.append(_definitions("What the scores mean", meanings))
    if settings:
        parts.append(_definitions("Settings", settings))
    parts.append(f"<script>{script}</script></body></html>")
    with replace_when_done(path) as temporary:
        temporary.write_text("\n".join(parts), encoding="utf-8")


def _help(sections):
    heard = [one for one in sections if any(clip.audio is not None for clip in one.clips)]
    keys = _KEYS_HELP if any(isinstance(one, Section) for one in heard) else ""
    return f'<p class="help">{_LEVEL_HELP}{keys}</p>' if heard else ""


def _definitions(summary, meanings):
    listed = "".join(
        f"<dt>{escape(str(name))}</dt><dd>{escape(str(meaning))}</dd>"
        for name, meaning in meanings.items()
    )
    return f"<details><summary>{summary}</summary><dl>{listed}</dl></details>"


def _player(section, identifier):
    plane = isinstance(section, Plane)
    sounds = [clip.audio and _decoded(clip.audio) for clip in section.clips]
    lengths = [sound[0].shape[-1] / sound[1] if sound else 0 for sound in sounds]
    seconds = max(lengths, default=0)
    sources = "".join(
        _source(clip, section.heading, None if plane else number, gain, length / (seconds or 1))
        for number, (clip, length, gain) in enumerate(
            zip(section.clips, lengths, gains(sounds), strict=True), start=1
        )
    )
    classes, grid, below, axis = "player", "", "", ""
    if not plane and section.kilohertz:
        axis = _axis(section.kilohertz)
    if plane:
        classes += " plane"
        grid = f' data-columns="{section.columns}" style="--columns: {section.columns}"'
        below = f'<p class="help">{_PLANE_HELP}</p>'
        if section.picture is not None:
            source = data_uri("image/png", section.picture)
            below += f'<img class="map" alt="Where the training set lies" src="{source}">'
    controls = slider = ""
    if seconds:
        slider = (
            f' role="slider" tabindex="0" aria-label="Position in '
            f'{escape(section.heading, quote=True)}" aria-valuemin="0" '
            f'aria-valuemax="{seconds:.1f}" aria-valuenow="0"'
        )
        blind = '<button type="button" class="blind">Hide which is which</button>'
        controls = (
            '<div class="controls"><button type="button" class="play" aria-label="Play">▶</button>'
            f'<span class="time"></span>{"" if plane or len(section.clips) < 2 else blind}</div>'
        )
    return (
        f'<section class="{classes}" data-seconds="{seconds:.3f}" aria-labelledby="{identifier}">'
        f'<h2 id="{identifier}">{escape(section.heading)}</h2>'
        f'<div class="stage">{axis}'
        f'<div class="picture"{slider}><div class="cursor"></div></div></div>'
        f'{controls}<ol class="sources"{grid}>{sources}</ol>{below}</section>'
    )


def _axis(kilohertz):
    """HTML of a frequency axis from 0, with a tick every two kilohertz."""
    *ticks, top = range(2, int(kilohertz) + 1, 2)
    named = [(tick, tick) for tick in ticks] + [(top, f"{top} kHz")]
    labels = "".join(
        f'<span style="bottom: {tick / kilohertz:.1%}">{name}</span>' for tick, name in named
    )
    return f'<div class="axis" aria-hidden="true">{labels}</div>'


def _source(clip, heading, number, gain, share):
    """HTML of a clip in a player's list: button, score, picture and sound.

    Args:
        clip: ``Clip``.
        heading: Heading of the player.
        number: Number key that selects the clip; None for a cell of a plane.
        gain: Factor on the sound.
        share: Length of the sound relative to the longest one of the player.
    """
    label, described = escape(clip.label), escape(f"{clip.label}: {heading}", quote=True)
    alt = "" if number is None else f"Spectrogram of {described}"
    width = f' style="width: {share:.1%}"' if 0 < share < 0.99 and number else ""
    picture = f'<img alt="{alt}"{width} src="{data_uri("image/webp", clip.picture)}">'
    name = f'<span class="name">{label}</span>'
    shown = f"{picture}{name}" if number is None else f"<kbd>{number}</kbd> {name}"
    button = f'<button type="button" class="choose" aria-pressed="false">{shown}</button>'
    below = "" if number is None else f'<span class="score">{escape(clip.score)}</span>{picture}'
    if clip.audio is not None:
        below += (
            f'<audio controls preload="none" aria-label="{described}" data-gain="{gain:.4f}" '
            f'src="{data_uri("audio/mpeg", clip.audio)}"></audio>'
        )
    return f'<li class="source">{button}{below}</li>'


def _decoded(content):
    """Decode MP3: ``(audio, sample_rate)``, audio (channels, samples) float32."""
    import soundfile

    audio, sample_rate = soundfile.read(io.BytesIO(content), dtype="float32", always_2d=True)
    return audio.T, sample_rate


def gains(sounds: Sequence[tuple[np.ndarray, int] | None]) -> list[float]:
    """Find gains that make sounds equally loud without exceeding full scale.

    Args:
        sounds: List of ``(audio, sample_rate)``, audio (channels, samples) float32, or None.

    Returns:
        List of factors: 1 for None, for silence, and for sounds too faint to be measured.
    """
    levels = [loudness(*sound) if sound else -np.inf for sound in sounds]
    measured = [index for index, level in enumerate(levels) if np.isfinite(level)]
    # loudness of each sound if its peak were at full scale
    reached = [
        levels[index] + 20 * np.log10(PEAK / np.abs(sounds[index][0]).max()) for index in measured
    ]
    common = min([TARGET_LUFS, *reached])
    return [float(10 ** ((common - level) / 20)) if np.isfinite(level) else 1.0 for level in levels]


def data_uri(kind: str, content: bytes) -> str:
    """Encode bytes as a data URI, such as ``data:image/webp;base64,...``."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
