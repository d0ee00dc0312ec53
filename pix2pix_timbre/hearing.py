"""What judges hear in converted pieces: judges that have not heard the piece, and patches."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from common.files.audio import find_recordings
from common.music.names import piece_of
from common.report.judges import FEATURES, Judge, mel_levels, patch_distance
from data import load_audio
from pix2pix_timbre.scores import JUDGES, TARGET

if TYPE_CHECKING:
    from pix2pix_timbre.evaluation import Measured


class Panel:
    """Judges of instruments, trained on the true sounds of other pieces than the judged one.

    Args:
        audios_path: Folder of the true sounds, ``<instrument>/<rendering>`` of any format. All
            instruments in it are told apart.
    """

    def __init__(self, audios_path: Path) -> None:
        self._known = {name: defaultdict(dict) for name in JUDGES}
        self._judges = {}
        for folder in sorted(path for path in audios_path.iterdir() if path.is_dir()):
            for rendering, path in find_recordings(folder).files.items():
                levels = mel_levels(load_audio(path)[0])
                for name, kind in JUDGES.items() if len(levels) else ():
                    self._known[name][folder.name][rendering] = FEATURES[kind](levels)

    def _judge(self, name, piece):
        """The ``Judge`` of a name that has not heard a piece; None if it has nothing to learn."""
        if (name, piece) not in self._judges:
            others = {
                instrument: [rows for one, rows in known.items() if piece_of(one) != piece]
                for instrument, known in self._known[name].items()
            }
            rows = {one: np.concatenate(found) for one, found in others.items() if found}
            self._judges[name, piece] = Judge(rows) if len(rows) > 1 else None
        return self._judges[name, piece]

    def heard_as(self, rendering: str, levels: np.ndarray) -> dict[str, dict[str, float]]:
        """Share of the excerpts of a sound that each judge hears as each instrument.

        Args:
            rendering: What is played, such as ``Source.rendering``; the judges have heard none of
                its piece.
            levels: Result of ``common.report.judges.mel_levels``.

        Returns:
            Dict from judge, of ``JUDGES``, to a dict from instrument to share; empty if nothing
            sounds or no judge can be trained.
        """
        judges = {name: self._judge(name, piece_of(rendering)) for name in JUDGES}
        return {
            name: judge.heard_as(FEATURES[JUDGES[name]](levels))
            for name, judge in judges.items()
            if judge is not None and len(levels)
        }

    def accuracy(self, renderings: Iterable[str]) -> dict[str, float]:
        """Mean share of true excerpts that each judge hears rightly: dict, possibly empty.

        Args:
            renderings: Whose pieces are judged, played by each of the instruments.
        """
        judged = set(map(piece_of, renderings))
        shares = defaultdict(list)
        for name, instruments in self._known.items():
            for instrument, known in instruments.items():
                for rendering, rows in known.items():
                    judge = self._judge(name, piece_of(rendering))
                    if judge is not None and piece_of(rendering) in judged:
                        shares[name].append(judge.heard_as(rows).get(instrument, 0.0))
        return {name: float(np.mean(found)) for name, found in shares.items()}


def frechet_distances(pieces: Sequence[Measured]) -> dict[str, float]:
    """Frechet distances of systems from the true sounds, over all pieces of a target.

    Args:
        pieces: List of ``pix2pix_timbre.evaluation.Measured``.

    Returns:
        Dict from system to its distance, the mean over the target instruments. That of the target
        itself is between its even and odd excerpts: the floor. Empty where less than two excerpts
        sound.
    """
    sounds = defaultdict(lambda: defaultdict(list))  # target -> system -> list of patches
    for piece in pieces:
        for system, patches in piece.patches.items():
            sounds[piece.target][system].append(patches)
    distances = defaultdict(list)
    for systems in sounds.values():
        joined = {name: np.concatenate(patches) for name, patches in systems.items()}
        truth = joined.pop(TARGET)
        if len(truth) < 2:
            return {}
        for name, patches in joined.items():
            if len(patches):
                distances[name].append(patch_distance(truth, patches))
        distances[TARGET].append(patch_distance(truth[::2], truth[1::2]))
    return {name: float(np.mean(found)) for name, found in distances.items()}
