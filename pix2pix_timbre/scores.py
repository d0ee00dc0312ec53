"""The scores of an evaluation: what they mean, and tables of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from common.report.tables import Term

if TYPE_CHECKING:
    from pix2pix_timbre.evaluation import Measured

IDENTITY, CEILING, TARGET = "identity", "ceiling", "target"
Scores = dict[str, dict[str, float]]  # system -> name of a score -> value

JUDGES = {"texture_judge": "texture", "cepstra_judge": "cepstra"}  # score -> its features
DECIDING_JUDGE = (
    "texture_judge"  # the other one is kept for reports, so that nothing is fitted to it
)
# Scores by subject: what they mean, and which values are good. A subject is a table.
SUBJECTS = {
    "Distance from the true sound": {
        "L1": Term(
            "distance of the network's image, without voices, from the true one in its scale from "
            "-1 to 1, over the published regular frames",
            "lower",
        ),
        "L1_sound": Term("the same distance, measured on the image of the sound", "lower"),
        "LSD": Term(
            "log-spectral distance of the sound in dB: for each column, the root mean square of "
            "the differences over the 256 bins, with values more than 80 dB below the loudest one "
            "raised to that level; mean over the columns",
            "lower",
        ),
        "LSD_4096": Term("the same with windows of 4096 samples, which resolve partials", "lower"),
        "multi_resolution": Term("multi-scale spectral loss of DDSP", "lower"),
    },
    "Colour and level": {
        "timbre": Term(
            "root-mean-square difference of the spectral envelopes (MFCCs) in dB", "lower"
        ),
        "tonal_balance": Term(
            "mean absolute difference of the long-term spectra in dB, in bands of a third of an "
            "octave",
            "lower",
        ),
        "loudness": Term("mean absolute difference of the A-weighted loudness in dB", "lower"),
        "valleys": Term(
            "mean level of the valleys between partials in dB, relative to the target's: above 0 "
            "if noise fills them",
            "near 0",
        ),
    },
    "Movement": {
        "image_flux": Term(
            "spectral flux of the network's image, with voices, relative to the true image's: "
            "below 1 if it is smoother",
            "near 1",
        ),
        "sound_flux": Term(
            "the same of the sound, whose phase adds noise of its own",
            "near 1",
        ),
        "onsets": Term(
            "height of the onset peaks relative to the target's: below 1 if attacks are softer",
            "near 1",
        ),
        "border_flux": Term(
            "spectral flux at the borders of frames relative to elsewhere: 1 without seams",
            "near 1",
        ),
    },
    "Heard as the target": {
        "texture_judge": Term(
            "share of excerpts of 2 s that a classifier takes for the target instrument, by how "
            "much the levels of mel bands move",
            "higher",
        ),
        "cepstra_judge": Term(
            "the same by mel cepstral coefficients, which describe the spectral envelope and its "
            "course; this judge only reports, and no decision is based on it",
            "higher",
        ),
        "frechet": Term(
            "Frechet distance of log-mel patches from those of the true sounds of all pieces; for "
            "the target, that of its halves from each other, which is the floor",
            "lower",
        ),
    },
    "Notes": {
        "precision": Term("share of the notes heard by Basic Pitch that are played", "higher"),
        "recall": Term("share of the notes played that Basic Pitch hears", "higher"),
        "F1": Term("harmonic mean of precision and recall", "higher"),
    },
}
MEASURES = {name: term for terms in SUBJECTS.values() for name, term in terms.items()}
# Scores are compared between pieces and instruments by their ratio to that of another system.
RELATIVE_TO = dict.fromkeys(("L1", "L1_sound", "LSD", "LSD_4096"), IDENTITY) | {"F1": TARGET}
# The scores in which a model has to be better than its noise control.
DECIDING = (DECIDING_JUDGE, "LSD_4096", "frechet")
AGAINST_NOISE = "Comparison with the noise control"
_LINE = {
    "L1": "L1 {:.3f}",
    "LSD": "LSD {:.1f} dB",
    "F1": "F1 of the notes {:.2f}",
    DECIDING_JUDGE: "heard as the target {:.0%}",
}


def control_of(model: str) -> str:
    """Name of the system that is the noise control of a model."""
    return f"{model}_control"


def with_ratios(scores: Scores) -> Scores:
    """Add ratios to the scores of the systems in ``RELATIVE_TO``: dict from system to dict."""
    result = {}
    for name, values in scores.items():
        result[name] = {}
        for key, value in values.items():
            result[name][key] = value
            base = scores.get(RELATIVE_TO.get(key, ""), {}).get(key)
            if base:
                result[name][f"{key}/{RELATIVE_TO[key]}"] = value / base
    return result


def as_rows(piece: str, scores: Scores) -> list[dict[str, Any]]:
    """Rows of a table: one per system, its scores and ratios."""
    return [{"piece": piece, "system": name} | row for name, row in with_ratios(scores).items()]


def ratios(pieces: dict[str, Measured]) -> list[dict[str, Any]]:
    """Rows of the short table: L1 of identity and models for each piece, and their ratio.

    Args:
        pieces: Dict from piece to ``pix2pix_timbre.evaluation.Measured``.
    """
    rows = []
    for name, piece in pieces.items():
        l1 = {system: scores["L1"] for system, scores in piece.scores.items() if "L1" in scores}
        relative = {
            f"{system}/{IDENTITY}": value / l1[IDENTITY]
            for system, value in l1.items()
            if system != IDENTITY
        }
        rows.append({"piece": name, "frames": piece.frames} | l1 | relative)
    return rows


def by_subject(scores: Scores) -> dict[str, list[dict[str, Any]]]:
    """Tables of the scores of all systems: dict from subject to rows, without empty tables.

    Args:
        scores: Dict from system to its scores.
    """
    tables = {}
    for subject, terms in SUBJECTS.items():
        rows = [
            {"system": name}
            | {
                key: values[key]
                for term in terms
                for key in (term, f"{term}/{RELATIVE_TO.get(term)}")
                if key in values
            }
            for name, values in with_ratios(scores).items()
        ]
        rows = [row for row in rows if len(row) > 1]
        if rows:
            tables[subject] = rows
    return tables


def against_noise(scores: Scores) -> list[dict[str, str]]:
    """Compare each model with its noise control: rows of a table.

    A model counts as better only if it is better in all of ``DECIDING``. Where both are heard as
    the target as often as the true sound, that score decides nothing.

    Args:
        scores: Dict from system to its scores, over all pieces.
    """
    rows = []
    for name in scores:
        control = scores.get(control_of(name))
        if control is None or any(key not in control for key in DECIDING):
            continue
        row = {"system": name}
        for key in DECIDING:
            higher = MEASURES[key].better == "higher"
            mine, other = scores[name][key], control[key]
            if higher and min(mine, other) >= scores[TARGET][key]:
                answer = "as the truth"
            else:
                answer = "yes" if (mine > other if higher else mine < other) else "no"
            row[f"{key} better"] = answer
        rows.append(row | {"all better": "no" if "no" in row.values() else "yes"})
    return rows


def score_line(scores: dict[str, float]) -> str:
    """The scores of a system that say most, as a line: "L1 0.053 · LSD 5.4 dB"."""
    return " · ".join(form.format(scores[name]) for name, form in _LINE.items() if name in scores)
