"""What the benchmark writes: tables, a picture, and a page to listen to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.transfer.excerpts import Excerpt
from benchmarks.transfer.measures import alike
from benchmarks.transfer.systems import SYSTEMS, TRUTH
from benchmarks.transfer.tables import (
    FAD,
    LATENCY,
    PATCHES,
    TERMS,
    as_markdown,
    by_subject,
    summary,
)
from common.cli import say
from common.files.atomic import replace_when_done
from common.files.text import write_rows
from common.music.titles import conversion_title, piece_title
from common.report.judges import mel_levels, patch_distance, patches
from common.report.musicnn import (
    FEATURES,
    FRAMES_PER_DIMENSION,
    HOW_TO_GET,
    feature_distance,
    musicnn_features,
)
from common.report.page import Clip, Section, mp3, write_page
from common.report.plots import new_figure, pixels_webp, save_figure
from common.report.tables import as_text
from data import BINS, FFT_SIZE, SAMPLE_RATE, amplitude_to_db, forward_transform, load_audio

if TYPE_CHECKING:
    import keras

Row = dict[str, Any]
_ON_PAGE = 1  # excerpts of each pair of instruments
_BESIDE = [
    (6, 5),
    (6, -12),
    (-60, 5),
    (-60, -12),
    (6, 18),
    (6, -25),
    (6, 31),
    (6, -38),
]  # in points


def sound_path(output: Path, excerpt: Excerpt, system: str) -> Path:
    """Audio file of a result, whose folder is made."""
    path = output / "sounds" / excerpt.name / f"{system}.flac"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def report(
    rows: Sequence[Row],
    excerpts: Sequence[Excerpt],
    output: Path,
    musicnn: keras.Model | None,
    latencies: dict[str, float],
) -> None:
    """Print and write everything.

    Args:
        rows: One for each excerpt and system.
        excerpts: All excerpts.
        output: Folder of the benchmark.
        musicnn: As ``common.report.musicnn.load_musicnn`` returns it, or None.
        latencies: Seconds of each system that streams.
    """
    rows = [
        row | {LATENCY: latencies[row["system"]]} if row["system"] in latencies else row
        for row in rows
    ]
    write_rows(output / "scores.csv", rows)
    sounds = heard(rows, excerpts, output, musicnn)
    tables = {key: summary(rows, key, distances(sounds, key)) for key in ("group", "target")}
    for key, table in tables.items():
        write_rows(output / f"by_{key}.csv", table)
        say(f"By {key}:")
        print(as_text(table), end="\n\n")
    if musicnn is None:
        say(
            f"{FAD} is missing: the weights of musicnn are not part of the kit; get them with "
            f"{HOW_TO_GET}, and name the wheel with --musicnn"
        )
    with replace_when_done(output / "tables.md") as temporary:
        parts = [
            f"## {subject}, by {key}\n\n{as_markdown(part)}\n"
            for key, table in tables.items()
            for subject, part in by_subject(table).items()
        ]
        temporary.write_text("\n".join(parts), encoding="utf-8")
    draw(output / "benchmark.png", tables["group"])
    write_listening_page(output / "benchmark.html", rows, excerpts, output, tables)
    say(f"page: {output / 'benchmark.html'}")


def heard(
    rows: Sequence[Row],
    excerpts: Sequence[Excerpt],
    output: Path,
    musicnn: keras.Model | None,
) -> list[tuple[Row, np.ndarray, np.ndarray]]:
    """Describe all results: list of ``(row, patches, features)``.

    Features of musicnn are kept in files; without ``musicnn`` they are empty.
    """
    known, found = {excerpt.name: excerpt for excerpt in excerpts}, []
    for row in rows:
        excerpt, system = known[row["excerpt"]], row["system"]
        audio = load_audio(sound_path(output, excerpt, system), SAMPLE_RATE)[0]
        audio = alike(audio, excerpt.truth())
        features = np.zeros((0, FEATURES), np.float32)
        if musicnn is not None:
            path = output / "features" / excerpt.name / f"{system}.npy"
            if not path.is_file():
                path.parent.mkdir(parents=True, exist_ok=True)
                with replace_when_done(path) as temporary, temporary.open("wb") as file:
                    np.save(file, musicnn_features(musicnn, audio, SAMPLE_RATE))
            features = np.load(path)
        described = patches(mel_levels(audio))
        found.append((row, described.reshape(-1, described.shape[-1]), features))
    return found


def distances(
    sounds: Sequence[tuple[Row, np.ndarray, np.ndarray]], key: str
) -> dict[tuple[str, str], Row]:
    """Frechet distances of all results of a system from the truth.

    Args:
        sounds: As ``heard`` returns them.
        key: Name of what excerpts are grouped by.

    Returns:
        Dict from (group, system) to a dict of distances. That of the truth is the distance of the
        first halves of its excerpts from the second halves.
    """
    sets = defaultdict(lambda: defaultdict(lambda: ([], [])))  # group -> system -> both kinds
    for row, *kinds in sounds:
        for place, kind in enumerate(kinds):
            sets[row[key]][row["system"]][place].append(kind)
    found = defaultdict(dict)
    for group, systems in sets.items():
        for place, name in enumerate((PATCHES, FAD)):
            truth = systems[TRUTH][place]
            halves = [
                np.concatenate([part[side] for part in map(_halves, truth)]) for side in (0, 1)
            ]
            for system, kinds in systems.items():
                pair = halves
                if system != TRUTH:
                    pair = [np.concatenate(parts) for parts in (truth, kinds[place])]
                # as many dimensions as the halves of the truth allow, for all systems
                kept = min(map(len, halves)) // FRAMES_PER_DIMENSION
                if not kept or min(map(len, pair)) < kept * FRAMES_PER_DIMENSION:
                    continue
                if name == FAD:
                    found[group, system][name] = feature_distance(*pair, kept)
                else:
                    found[group, system][name] = patch_distance(*pair)
    return found


def _halves(part):
    return part[: len(part) // 2], part[len(part) // 2 :]


def draw(path: Path, table: Sequence[Row]) -> None:
    """Draw how far sound and notes of each system are from those asked for.

    Args:
        path: PNG file.
        table: Rows by group.
    """
    groups = list(dict.fromkeys(row["group"] for row in table))
    figure, axes = new_figure(1, len(groups), (6.5 * len(groups), 5.5))
    for axis, group in zip(axes[0], groups, strict=True):
        drawn = [row for row in table if row["group"] == group and PATCHES in row]
        places = {row["system"]: (row[PATCHES], row["JD"]) for row in drawn}
        if TRUTH in places:
            floor, height = places[TRUTH]
            axis.axvline(floor, color="0.7", ls=":", label="halves of the true target")
            places[TRUTH] = 0.0, height
        for system, place in places.items():
            anchor = SYSTEMS[system].anchor
            axis.plot(*place, "x" if anchor else "o", color="0.5" if anchor else "C0")
        axis.set(
            title={"piano": "piano to guitar, strings, synth lead", "line": "single voices"}[group],
            xlabel="Frechet distance of log-mel patches from the true target",
            ylabel="Jaccard distance of pitch classes from the source",
        )
        axis.margins(x=0.26, y=0.1)
        axis.legend(loc="center right")
        axis.grid(alpha=0.3)
        _name(axis, places)
    save_figure(figure, path)


def _name(axis, places):
    """Write names beside points, each where it covers no other one.

    Args:
        axis: Axes of matplotlib with a legend, whose limits are settled.
        places: Dict from names to points of the plane.
    """
    from matplotlib.transforms import Bbox

    axis.figure.canvas.draw()  # settles where things are
    spots = axis.transData.transform(list(places.values()))
    taken = [Bbox.from_bounds(x - 4, y - 4, 8, 8) for x, y in spots]
    taken.append(axis.get_legend().get_window_extent())
    for name in places:
        for offset in _BESIDE:
            label = axis.annotate(name, places[name], xytext=offset, textcoords="offset points")
            box = label.get_window_extent()
            if not any(box.overlaps(other) for other in taken) or offset == _BESIDE[-1]:
                taken.append(box)
                break
            label.remove()


def write_listening_page(
    path: Path,
    rows: Sequence[Row],
    excerpts: Sequence[Excerpt],
    output: Path,
    tables: dict[str, list[Row]],
) -> None:
    """Write the page: the first excerpt of each pair of instruments by all systems, and tables."""
    scores = {(row["excerpt"], row["system"]): row for row in rows}
    sections, counts = [], defaultdict(int)
    for excerpt in excerpts:
        pair = excerpt.origin, excerpt.target
        counts[pair] += 1
        if counts[pair] > _ON_PAGE:
            continue
        clips = [
            _clip(system, sound_path(output, excerpt, system), scores[excerpt.name, system])
            for system in SYSTEMS
            if (excerpt.name, system) in scores
        ]
        title = conversion_title([excerpt.origin], [excerpt.target])
        heading = f"{title}: {piece_title(excerpt.piece)}"
        sections.append(Section(heading, clips, BINS * SAMPLE_RATE / FFT_SIZE / 1000))
    write_page(
        path,
        "Ways to transfer timbre",
        sections,
        lead="The same excerpts by all ways of the kit, and what they should become. "
        "copy-source is what is converted, true target what is right.",
        tables={f"Means by {key}": table for key, table in tables.items()},
        terms=TERMS,
        settings={name: system.meaning for name, system in SYSTEMS.items()},
    )


def _clip(system, sound, row):
    audio, _ = load_audio(sound, SAMPLE_RATE)
    image = amplitude_to_db(forward_transform(audio, with_phase=False)[0])
    shown = {"LSD": "LSD {:.1f} dB", "JD": "pitch classes {:.2f}", "texture judge": "judge {:.0%}"}
    score = " · ".join(form.format(row[name]) for name, form in shown.items() if name in row)
    return Clip(system, pixels_webp(image), mp3(audio, SAMPLE_RATE), score)
