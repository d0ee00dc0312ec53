"""Draw a library of notes: range and spectra of each instrument.

    python -m common.report.notes --input data/orchestra --output orchestra.png

Each column of a panel is the spectrum of the loudest note of one pitch, in bands of a sixth of an
octave, relative to its loudest band. Only the first preset of each instrument is drawn.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from common.cli import UserError, counted, existing_folder, parser, run, say
from common.files.audio import load_audio
from common.music.instruments import in_words
from common.music.notes import NoteLibrary
from common.music.pitch import frequency
from common.report.plots import new_figure, save_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BANDS_PER_OCTAVE = 6
LOWEST, FLOOR = 40.0, -60.0  # Hz, of the bands; dB
_COLUMNS = 4
_PITCHES = 21, 108  # of the axis: the keys of a piano
_PART = 0.1, 1.5  # seconds of the note that are analysed


def band_levels(audio: np.ndarray, rate: int) -> np.ndarray:
    """Levels of a sound in bands of equal width on a logarithmic axis.

    Args:
        audio: float32 (samples,).
        rate: Hz.

    Returns:
        float64 (bands,), dB relative to the loudest band, from ``LOWEST`` to half the rate; not
        below ``FLOOR``.
    """
    part = audio[int(_PART[0] * rate) : int(_PART[1] * rate)]
    power = np.abs(np.fft.rfft(part * np.hanning(len(part)))) ** 2
    hertz = np.fft.rfftfreq(len(part), 1 / rate)
    count = int(BANDS_PER_OCTAVE * np.log2(rate / 2 / LOWEST))
    edges = LOWEST * 2 ** (np.arange(count + 1) / BANDS_PER_OCTAVE)
    sums = np.array([power[(hertz >= low) & (hertz < high)].sum() for low, high in pairwise(edges)])
    loudest = sums.max(initial=0)
    if loudest == 0:
        return np.full(count, FLOOR)
    return np.maximum(10 * np.log10(np.maximum(sums / loudest, 1e-12)), FLOOR)


def instrument_image(library: NoteLibrary, instrument: str) -> tuple[np.ndarray, int]:
    """Spectra of the notes of an instrument's first preset, in the order of pitches.

    Args:
        library: ``NoteLibrary``.
        instrument: Such as ``violin_acoustic``.

    Returns:
        ``(image, notes)``: float64 (bands, keys of a piano), NaN where there is no note, and the
        number of notes of the preset.
    """
    files = library.files(instrument, library.default_preset(instrument))
    columns = {}
    for pitch, layers in files.items():
        audio, rate = load_audio(layers[max(layers)])
        columns[pitch] = band_levels(audio, rate)
    low, high = _PITCHES
    image = np.full((len(next(iter(columns.values()))), high - low + 1), np.nan)
    for pitch, levels in columns.items():
        if low <= pitch <= high:
            image[:, pitch - low] = levels[: len(image)]
    return image, sum(len(layers) for layers in files.values())


def draw(library: NoteLibrary) -> Figure:
    """Draw all instruments of a library; the figure."""
    names = library.instruments
    rows = -(-len(names) // _COLUMNS)
    figure, axes = new_figure(rows, _COLUMNS, (3.2 * _COLUMNS, 2.1 * rows + 0.4))
    low, high = _PITCHES
    for axis, name in zip(axes.flat, names, strict=False):
        image, count = instrument_image(library, name)
        top = LOWEST * 2 ** (len(image) / BANDS_PER_OCTAVE)
        # a pitch is as wide as the distance to the next one, so that sparse sets are seen, too
        pitches = low + np.flatnonzero(~np.isnan(image[0]))
        width = max(1, int(np.diff(pitches).min(initial=12))) if len(pitches) > 1 else 1
        for pitch in pitches:
            column = image[:, pitch - low][:, None]
            drawn = axis.imshow(
                column,
                origin="lower",
                aspect="auto",
                extent=(pitch - width / 2, pitch + width / 2, 0, len(image)),
                vmin=FLOOR,
                vmax=0,
                cmap="magma",
            )
        axis.plot(
            (low, high),
            [BANDS_PER_OCTAVE * np.log2(frequency(p) / LOWEST) for p in (low, high)],
            color="tab:cyan",
            linewidth=0.8,
        )
        axis.set_xlim(low - 1, high + 1)
        axis.set_ylim(0, len(image))
        axis.set_facecolor("0.9")
        axis.set_title(f"{in_words(name)}, {counted(count, 'note')}", fontsize=9)
        axis.set_xticks([24, 36, 48, 60, 72, 84, 96, 108], [f"C{k}" for k in range(1, 9)])
        shown = [hertz for hertz in (100, 1000, 10000) if hertz < top]
        axis.set_yticks([BANDS_PER_OCTAVE * np.log2(hertz / LOWEST) for hertz in shown])
        axis.set_yticklabels([f"{hertz:,} Hz" for hertz in shown])
        axis.tick_params(labelsize=7)
    for axis in list(axes.flat)[len(names) :]:
        axis.set_axis_off()
    figure.colorbar(drawn, ax=axes, label="dB below the loudest band", shrink=0.8)
    return figure


def main(argv: list[str] | None = None) -> int:
    """Run the script; return exit status 0."""
    built = parser(__doc__)
    built.add_argument("--input", type=existing_folder, required=True, help="library of notes")
    built.add_argument("--output", type=Path, required=True, help="picture to write, .png")
    args = built.parse_args(argv)
    if args.output.suffix.lower() != ".png":
        raise UserError(f"--output {args.output}: end it in .png")
    save_figure(draw(NoteLibrary(args.input)), args.output)
    say(f"{args.output}")
    return 0


if __name__ == "__main__":
    run(main)
