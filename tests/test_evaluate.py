"""evaluate.py through its real parser, on a small trained run, with the page that it writes."""

import base64
import io
import json
import re
import shutil
from html.parser import HTMLParser
from importlib.util import find_spec

import numpy as np
import pytest
import soundfile
from conftest import assert_refused, read_csv

import evaluate
import train
import train_multitarget
from common.cli import UserError
from common.music import transcription
from common.music.titles import piece_title
from common.report import page
from common.report.tables import Term, as_html, as_text
from data import load_audio
from pix2pix_timbre import evaluation
from pix2pix_timbre.scores import AGAINST_NOISE


def measured(frames, borders, **scores):
    return evaluation.Measured("guitar", frames, borders, scores, {}, {}, {})


def test_means_are_weighted_by_frames_and_the_flux_by_borders():
    pieces = [
        measured(1, 1, identity={"L1": 0.2}, m={"L1": 0.1, "border_flux": 1.0}),
        measured(3, 3, identity={"L1": 0.4}, m={"L1": 0.3, "border_flux": 2.0}),
        measured(1, 0, identity={"L1": 0.1}, m={"L1": 0.1}),
    ]
    total = evaluation.overall(pieces)
    assert (total.frames, total.borders) == (5, 4)
    assert total.scores["identity"]["L1"] == pytest.approx(1.5 / 5)
    assert total.scores["m"]["L1"] == pytest.approx(1.1 / 5)
    assert total.scores["m"]["border_flux"] == pytest.approx(7 / 4)


def test_distances_of_equal_audio_are_zero_and_of_half_of_it_known():
    noise = np.random.default_rng(0).normal(0, 0.1, 30000).astype(np.float32)
    same = evaluation.sound_scores(noise, noise)
    assert same.pop("sound_flux") == same.pop("onsets") == 1
    assert set(same.values()) == {0}
    found = evaluation.sound_scores(noise, noise[:20480] / 2)
    for name in ("LSD", "LSD_4096", "loudness", "tonal_balance"):
        assert found[name] == pytest.approx(6.02, rel=1e-2)
    assert found["timbre"] == pytest.approx(0, abs=1e-3)
    # halving is a step of log(2) / log(65537) of the scale from 0 to 1, where it is logarithmic
    expected = 2 * np.log(2) / np.log(65537)
    assert found["L1_sound"] == pytest.approx(expected, rel=1e-2)


def test_scores_that_a_sound_cannot_have_are_left_out(monkeypatch):
    noise = np.random.default_rng(0).normal(0, 0.1, 9000).astype(np.float32)
    monkeypatch.setattr(evaluation, "onset_ratio", lambda *_: float("nan"))
    assert "onsets" not in evaluation.sound_scores(noise, noise)


def test_images_are_compared_as_far_as_both_reach():
    truth = np.random.default_rng(0).random((256, 600)).astype(np.float32)
    scores, borders = evaluation.image_scores({"m": truth[:, :550] / 2}, truth)
    assert scores["m"]["image_flux"] == pytest.approx(0.5)
    assert scores["target"]["image_flux"] == 1
    assert scores["m"]["border_flux"] == pytest.approx(1, abs=0.1)
    assert borders == 2
    short, none = evaluation.image_scores({"m": truth[:, :200]}, truth[:, :200])
    assert (set(short["m"]), none) == ({"image_flux"}, 0)
    still, _ = evaluation.image_scores({"m": truth}, 0 * truth)
    assert (set(still["m"]), still["target"]) == ({"border_flux"}, {})


def test_models_of_different_pairs_are_refused():
    configs = [{"flags": {"origin": "a", "target": target}} for target in "bc"]
    with pytest.raises(UserError, match="a to b and a to c"):
        evaluate.instruments_of(configs)
    assert evaluate.instruments_of(configs[:1] * 2) == (["a"], ["b"], False)
    several = {"flags": {"origin": ["a"], "target": ["b", "c"]}}
    assert evaluate.instruments_of([several]) == (["a"], ["b", "c"], True)


class Page(HTMLParser):
    """Tags of a page with their attributes, and the text of its cells."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.cells, self._in_cell = [], [], False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._in_cell = tag in ("td", "th", "caption", "button", "h2", "dd")

    def handle_data(self, data):
        if self._in_cell:
            self.cells.append(data)
            self._in_cell = False

    def attributes(self, wanted, name):
        return [attrs[name] for tag, attrs in self.tags if tag == wanted and name in attrs]


def test_page_escapes_names_and_holds_its_pictures_and_sounds(tmp_path):
    path = tmp_path / "report.html"
    nasty = '<x> & "y" \'</script>'
    rows = [{"piece": nasty, "L1": 0.5}, {"piece": "overall", "L1": 0.25, "F1": 1}]
    sound = page.mp3(np.zeros(4410), 44100)
    clips = [page.Clip(nasty, b"picture", sound, nasty), page.Clip("silent", b"other", None)]
    tables = {"L1 < 1": rows, "styles": [{"style": "b"}]}
    sections = [page.Section(nasty, clips)]
    terms = {"L1": Term(nasty, "lower")}
    settings = {"model": nasty}
    page.write_page(
        path, nasty, sections, lead=nasty, settings=settings, tables=tables, terms=terms
    )
    text = path.read_text(encoding="utf-8")
    assert "<x>" not in text
    assert text.count("</script>") == 1
    found = Page(text)
    for cell in (nasty, "0.500", "0.250", "1", "L1 < 1", "F1"):
        assert cell in found.cells
    assert text.count('<tr class="overall">') == 1
    assert [label.startswith(nasty) for label in found.attributes("audio", "aria-label")] == [True]
    sources = found.attributes("audio", "src") + found.attributes("img", "src")
    assert [base64.b64decode(source.partition(",")[2]) for source in sources] == [
        sound,
        b"picture",
        b"other",
    ]
    # nothing is fetched from anywhere
    assert all(source.startswith("data:") for source in sources)
    assert [link for link in found.attributes("link", "href") if link != "data:,"] == []
    assert "http" not in text


def test_every_heading_of_a_table_is_a_button(tmp_path):
    path = tmp_path / "report.html"
    tables = {"one": [{"a": 1, "b": 2.0}]}
    page.write_page(path, "title", [], lead="", settings={}, tables=tables)
    tags = [tag for tag, _ in Page(path.read_text(encoding="utf-8")).tags]
    assert tags.count("th") == tags.count("button") == 2


@pytest.fixture(scope="module")
def trained_run(features_folder, tmp_path_factory):
    """The folder of a short training; not to be modified."""
    folder = tmp_path_factory.mktemp("runs") / "small"
    flags = "--origin keyboard_acoustic --target guitar_acoustic --width 2 --epochs 1"
    flags += " --steps_per_epoch 2 --validation_split 0.3"
    arguments = ["--dataset_path", str(features_folder), "--output", str(folder)]
    assert train.main([*arguments, *flags.split()]) == 0
    return folder


def test_script_measures_held_out_pieces_and_writes_the_page(
    features_folder, audios_folder, trained_run, capsys, tmp_path
):
    output = tmp_path / "report"
    arguments = ["--model", trained_run, "--dataset_path", features_folder]
    arguments += ["--audios_path", audios_folder, "--output", output, "--clip_seconds", 1]
    assert evaluate.main(list(map(str, arguments))) == 0
    held_out = json.loads((trained_run / "config.json").read_text())["split"]["held_out"]
    rows = read_csv(output / "scores.csv")
    model = trained_run.name
    systems = ["identity", model, "ceiling", "target"]
    assert [(row["piece"], row["system"]) for row in rows] == [
        (piece, system) for piece in [*held_out, "overall"] for system in systems
    ]
    assert "overall" in capsys.readouterr().out
    # the same figure as the training's own validation: whole frames, the last one padded
    history = read_csv(trained_run / "history.csv")
    scores = {row["system"]: row for row in rows if row["piece"] == "overall"}
    assert float(scores[model]["L1"]) == pytest.approx(float(history[-1]["val_gen_mae"]), rel=1e-3)
    for name in ("L1_sound", "LSD", "multi_resolution", "timbre", "loudness"):
        ceiling, identity = (float(scores[system][name]) for system in ("ceiling", "identity"))
        assert 0 < ceiling < identity
    # LSD as measured by hand
    (piece,) = held_out
    sides = [
        load_audio(audios_folder / side / f"{piece}.wav")[0]
        for side in ("guitar_acoustic", "keyboard_acoustic")
    ]
    expected = evaluation.sound_scores(*sides)["LSD"]
    assert float(scores["identity"]["LSD"]) == pytest.approx(expected, rel=1e-4)
    found = Page((output / "report.html").read_text(encoding="utf-8"))
    assert piece_title(piece) in found.cells
    players = found.attributes("audio", "src")
    assert len(players) == len(systems)
    for player in players:
        sound, rate = soundfile.read(io.BytesIO(base64.b64decode(player.partition(",")[2])))
        assert len(sound) / rate == pytest.approx(1, abs=0.1)
        assert np.abs(sound).max() > 0.01
    for name in (model, "ceiling"):
        assert (output / "audios" / piece / f"{name}.wav").is_file()
    # judges tell both instruments apart, by other pieces than the judged one
    accuracy = json.loads((output / "scores.json").read_text())["accuracy"]
    assert accuracy["texture_judge"] >= 0.5
    assert set(accuracy) == {"texture_judge", "cepstra_judge"}
    assert all(0 <= float(scores[system]["texture_judge"]) <= 1 for system in systems)
    assert float(scores["identity"]["image_flux"]) not in (0, 1)


def test_models_have_noise_controls(features_folder, audios_folder, trained_run, capsys, tmp_path):
    other = shutil.copytree(trained_run, tmp_path / "other")
    output = tmp_path / "report"
    words = ["--model", other, "--noise_control", trained_run, "--dataset_path", features_folder]
    words += ["--audios_path", audios_folder, "--output", output, "--clip_seconds", 1]
    words += ["--seconds", 4]
    assert evaluate.main(list(map(str, words))) == 0
    said = capsys.readouterr().out
    content = json.loads((output / "scores.json").read_text())
    scores = {row["system"]: row for row in content["scores"] if row["piece"] == "overall"}
    systems = ["identity", "other", trained_run.name, "other_control", "ceiling", "target"]
    assert list(scores) == systems
    # the same network has the same flux, so its control needs no noise, and equals it
    control = scores["other_control"] | {"system": "other"}
    assert control == pytest.approx(scores["other"])
    (row,) = content["tables"][AGAINST_NOISE]
    answers = (row["system"], row["LSD_4096 better"], row["all better"])
    assert answers == ("other", "no", "no")
    assert max(map(len, said.splitlines())) <= 100
    found = Page((output / "report.html").read_text(encoding="utf-8"))
    assert {AGAINST_NOISE, "noise control of other"} <= set(found.cells)
    assert len(found.attributes("audio", "src")) == len(systems)
    # only the beginning of the piece
    for name in systems:
        (file,) = (output / "audios").glob(f"*/{name}.wav")
        assert soundfile.info(file).frames == 4 * 44100
    assert said.splitlines()[1].split()[1] == "2"  # of 256 columns in 4 s


def test_without_audios_the_script_measures_and_shows_the_frames(
    features_folder, trained_run, tmp_path
):
    output = tmp_path / "report"
    arguments = ["--model", trained_run, "--dataset_path", features_folder, "--output", output]
    assert evaluate.main(list(map(str, arguments))) == 0
    scores = json.loads((output / "scores.json").read_text())["scores"]
    assert {row["system"] for row in scores} == {"identity", trained_run.name, "target"}
    found = Page((output / "report.html").read_text(encoding="utf-8"))
    assert len(found.attributes("img", "src")) == 3
    assert found.attributes("audio", "src") == []


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--midi_path", "midi"], ["--midi_path", "--audios_path"]),
        (["--audios_path", "nowhere"], ["nowhere", "--audios_path"]),
        (["--phase", "random"], ["--phase", "griffinlim"]),
        (["--clip_seconds", "0"], ["--clip_seconds"]),
        (["--noise_control", "nowhere"], ["nowhere"]),
        (["--seconds", "1"], ["--seconds"]),
    ],
)
def test_mistakes_get_one_line(features_folder, trained_run, capsys, flags, words):
    argv = ["--model", str(trained_run), "--dataset_path", str(features_folder), *flags]
    assert_refused(evaluate.main, argv, capsys, *words)


@pytest.mark.skipif(not find_spec("basic_pitch"), reason="Basic Pitch is not installed")
@pytest.mark.filterwarnings("ignore")  # of packages that are not ours
def test_notes_are_heard(features_folder, audios_folder, midi_folder, trained_run, tmp_path):
    output = tmp_path / "report"
    words = ["--model", trained_run, "--dataset_path", features_folder, "--output", output]
    words += ["--audios_path", audios_folder, "--midi_path", midi_folder]
    assert evaluate.main(list(map(str, words))) == 0
    scores = json.loads((output / "scores.json").read_text())["scores"]
    overall = {row["system"]: row for row in scores if row["piece"] == "overall"}
    assert overall["target"]["recall"] > 0.9
    assert overall["target"]["F1/target"] == 1
    assert all(0 <= row["F1"] <= 1 for row in overall.values())


def test_a_missing_transcriber_is_named(
    features_folder, audios_folder, trained_run, capsys, monkeypatch
):
    monkeypatch.setattr(transcription, "find_spec", lambda name: None)
    argv = ["--model", trained_run, "--dataset_path", features_folder]
    argv += ["--audios_path", audios_folder, "--midi_path", audios_folder]
    assert_refused(evaluate.main, list(map(str, argv)), capsys, "basic_pitch", "make notes")


def test_without_untrained_pieces_the_script_says_so(features_folder, trained_run, tmp_path):
    config = json.loads((trained_run / "config.json").read_text())
    split = config["split"]
    config["split"] = {"training": split["training"] + split["held_out"], "held_out": []}
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match="trained on every piece"):
        evaluate.main(["--model", str(run), "--dataset_path", str(features_folder)])


def test_text_table_is_aligned():
    lines = as_text([{"piece": "a", "L1": 0.5}, {"piece": "long", "L1": 12.0}])
    widths = {len(line) for line in lines.splitlines()}
    assert len(widths) == 1
    assert "0.5000" in lines
    assert "12.0000" in lines


def test_wide_text_tables_go_on_below_within_100_columns():
    names = ["L1", "a_very_long_name_of_a_score", "another_long_name_of_a_score", "F1"]
    row = {"piece": "overall", "system": "x" * 35} | dict.fromkeys(names, 0.5)
    lines = as_text([row, row | {"system": "identity"}]).splitlines()
    assert max(map(len, lines)) <= 100
    assert [line.split()[:2] for line in lines if "piece" in line] == [["piece", "system"]] * 2
    assert all(sum(name in line.split() for line in lines) == 1 for name in names)
    wide = as_text([{"piece": "x" * 200, "L1": 0.5}]).splitlines()
    assert max(map(len, wide)) <= 100


def test_tables_say_what_is_good_and_mark_the_best_of_each_piece():
    rows = [
        {"piece": "a", "L1": 0.25, "F1": 0.5, "valleys": -0.5},
        {"piece": "a", "L1": 0.125, "F1": 0.75, "valleys": 1.0},
        {"piece": "b", "L1": 1.0, "ratio": 0.5},
        {"piece": "b", "L1": 2.0, "ratio": 1.0},
    ]
    terms = {"L1": Term("", "lower"), "F1": Term("", "higher"), "ratio": Term("", "near 1")}
    terms["valleys"] = Term("", "near 0")
    text = as_html(rows, terms=terms)
    best = re.findall(r'<td class="best">(.*?)</td>', text)
    assert best == ["-0.500", "0.125", "0.750", "1.000", "1.000"]
    assert re.findall(r'aria-label="(.*?)"', text) == [
        "lower is better",
        "higher is better",
        "near 0 is better",
        "near 1 is better",
    ]


def test_models_are_named_after_their_folders_and_the_control_is_one_of_them(tmp_path):
    one, two, other = tmp_path / "a" / "run", tmp_path / "a" / "b", tmp_path / "c" / "run"
    assert evaluate.models_of([one, two, one]) == ({"run": one, "b": two}, None)
    assert evaluate.models_of([one], two) == ({"run": one, "b": two}, "b")
    assert evaluate.models_of([one, two], one) == ({"run": one, "b": two}, "run")
    names = [str(path).replace("/", "_") for path in (one, other)]
    assert list(evaluate.models_of([one, other])[0]) == names
    with pytest.raises(UserError, match="another model"):
        evaluate.models_of([one], one)


def test_models_of_several_targets_are_judged_by_the_matching_style_and_by_all(
    features_folder, audios_folder, tmp_path, capsys
):
    folder = tmp_path / "any"
    pair = ["keyboard_acoustic", "guitar_acoustic"]
    words = ["--dataset_path", features_folder, "--output", folder, "--width", 2, "--epochs", 1]
    words += ["--steps_per_epoch", 2, "--validation_split", 0.3]
    words += ["--origin", *pair, "--target", *pair]
    assert train_multitarget.main(list(map(str, words))) == 0
    capsys.readouterr()
    output = tmp_path / "report"
    words = ["--model", folder, "--dataset_path", features_folder, "--output", output]
    assert evaluate.main(list(map(str, [*words, "--audios_path", audios_folder]))) == 0
    said = capsys.readouterr().out
    scores = json.loads((output / "scores.json").read_text())
    names = [f"{target}/{origin}/arpeggio" for origin, target in (pair, pair[::-1])]
    systems = ["identity", "any", "ceiling", "target"]
    assert [(row["piece"], row["system"]) for row in scores["scores"]] == [
        (name, system) for name in [*names, "overall"] for system in systems
    ]
    styles = scores["tables"]["L1 by style (rows) and true target (columns): any"]
    assert [row["style"] for row in styles] == pair[::-1]
    assert all(set(row) == {"style", *pair} for row in styles)
    # the matching styles are those of the training's validation, up to which frame they show
    history = read_csv(folder / "history.csv")
    (overall,) = (
        row for row in scores["scores"] if (row["piece"], row["system"]) == ("overall", "any")
    )
    assert overall["L1"] == pytest.approx(float(history[0]["val_gen_mae"]), rel=0.2)
    for name in names:
        assert (output / "audios" / name / "any.wav").is_file()
        assert name in said
    found = Page((output / "report.html").read_text(encoding="utf-8"))
    titles = {"Arpeggio, piano to guitar", "Arpeggio, guitar to piano"}
    assert {"L1 by style (rows) and true target (columns): any", *titles} <= set(found.cells)
