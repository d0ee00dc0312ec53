"""pix2pix_timbre/scores.py: ratios, tables by subject, comparison with the noise control."""

import pytest

from pix2pix_timbre import evaluation, scores
from pix2pix_timbre.listening_page import glossary


def test_scores_are_related_to_identity_and_target():
    found = scores.with_ratios(
        {
            "identity": {"L1": 0.4, "F1": 0.9},
            "m": {"L1": 0.1, "F1": 0.6, "timbre": 3.0},
            "target": {"F1": 0.8},
        }
    )
    assert found["m"] == pytest.approx(
        {"L1": 0.1, "L1/identity": 0.25, "F1": 0.6, "F1/target": 0.75, "timbre": 3.0}
    )
    assert found["identity"]["L1/identity"] == 1
    assert found["target"] == {"F1": 0.8, "F1/target": 1}


def test_the_short_table_relates_the_models_to_identity():
    of_systems = {"identity": {"L1": 0.4}, "m": {"L1": 0.1}, "ceiling": {"LSD": 1.0}, "target": {}}
    piece = evaluation.Measured("guitar", 2, 0, of_systems, {}, {}, {})
    assert scores.ratios({"a": piece}) == [
        {"piece": "a", "frames": 2, "identity": 0.4, "m": 0.1, "m/identity": 0.25}
    ]


def test_tables_by_subject_hold_every_score_once_and_no_empty_rows():
    values = dict.fromkeys(scores.MEASURES, 0.5)
    tables = scores.by_subject({"identity": values, "m": values, "target": {"F1": 0.8}})
    assert list(tables) == list(scores.SUBJECTS)
    assert list(tables["Notes"][0]) == ["system", "precision", "recall", "F1", "F1/target"]
    columns = [name for rows in tables.values() for name in rows[0] if "/" not in name]
    assert [name for name in columns if name != "system"] == list(scores.MEASURES)
    assert [row["system"] for row in tables["Notes"]] == ["identity", "m", "target"]
    assert [row["system"] for row in tables["Movement"]] == ["identity", "m"]
    assert scores.by_subject({"m": {"L1": 0.5}}) == {
        "Distance from the true sound": [{"system": "m", "L1": 0.5}]
    }


def of(texture_judge, fine, frechet):
    return {"texture_judge": texture_judge, "LSD_4096": fine, "frechet": frechet}


@pytest.mark.parametrize(
    ("model", "control", "found"),
    [
        (of(0.8, 5, 0.1), of(0.7, 6, 0.2), ["yes", "yes", "yes", "yes"]),
        (of(0.8, 5, 0.3), of(0.7, 6, 0.2), ["yes", "yes", "no", "no"]),
        (of(0.7, 5, 0.1), of(0.7, 6, 0.2), ["no", "yes", "yes", "no"]),
        (of(0.97, 5, 0.1), of(0.98, 6, 0.2), ["as the truth", "yes", "yes", "yes"]),
        (of(0.97, 7, 0.1), of(0.98, 6, 0.2), ["as the truth", "no", "yes", "no"]),
    ],
)
def test_a_model_is_better_only_if_it_is_so_in_every_deciding_score(model, control, found):
    systems = {"old": of(0.1, 9, 1.0), "m": model, "m_control": control, "target": of(0.97, 0, 0)}
    (row,) = scores.against_noise(systems)
    assert list(row.values()) == ["m", *found]


def test_without_controls_or_judges_nothing_is_compared():
    assert scores.against_noise({"m": of(1, 2, 3)}) == []
    assert scores.against_noise({"m": {"L1": 0.1}, "m_control": {"L1": 0.2}}) == []


def test_every_score_and_every_ratio_is_explained():
    terms = glossary()
    assert set(scores.MEASURES) < set(terms)
    assert {f"…/{base}" for base in scores.RELATIVE_TO.values()} < set(terms)
    assert all(term.meaning for term in terms.values())
    assert all(term.better for term in scores.MEASURES.values())


def test_score_lines_hold_what_is_known():
    assert scores.score_line({"L1": 0.0534, "timbre": 3}) == "L1 0.053"
    line = "LSD 5.4 dB · F1 of the notes 0.50 · heard as the target 97%"
    assert scores.score_line({"LSD": 5.44, "F1": 0.5, "texture_judge": 0.97}) == line
