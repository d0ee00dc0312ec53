"""evaluate.py through its real parser, on a small trained run; the page that it writes."""

import json

import pytest
from conftest import read_csv

import evaluate
import train
import train_multitarget
from common.cli import UserError
from common.page import write_page


def test_table_weights_pieces_by_frames_and_relates_to_identity():
    rows = evaluate.table(
        {"a": (1, {"identity": 0.2, "m": 0.1}), "b": (3, {"identity": 0.4, "m": 0.3})}
    )
    assert [row["piece"] for row in rows] == ["a", "b", "overall"]
    assert rows[-1]["frames"] == 4
    assert rows[-1]["identity"] == pytest.approx(0.35)
    assert rows[-1]["m/identity"] == pytest.approx(0.25 / 0.35)


def test_seams_are_weighted_by_their_borders():
    seams = [{"m": (1.0, 1), "target": (1.0, 1)}, {"m": (2.0, 3), "target": (1.0, 3)}, {}]
    assert evaluate.mean_seams(seams) == pytest.approx({"m": 1.75, "target": 1.0})


def test_models_of_different_pairs_are_refused():
    configs = [{"flags": {"origin": "a", "target": target}} for target in "bc"]
    with pytest.raises(UserError, match="a to b and a to c"):
        evaluate.instruments_of(configs)
    assert evaluate.instruments_of(configs[:1] * 2) == (["a"], ["b"], False)
    several = {"flags": {"origin": ["a"], "target": ["b", "c"]}}
    assert evaluate.instruments_of([several]) == (["a"], ["b", "c"], True)


def test_page_escapes_names_and_links_relatively(tmp_path):
    path = tmp_path / "report.html"
    audio = tmp_path / "sounds" / "a b#1.wav"
    rows = [{"piece": "<x>", "my_L1": 0.5}, {"piece": "overall", "my_L1": 0.25}]
    tables = {"L1 < 1": rows, "styles": [{"style": "b"}]}
    write_page(path, "A & B", tables, [("<x>", audio, {"in": audio})])
    text = path.read_text(encoding="utf-8")
    assert text.count("<table>") == 2
    assert "<p>L1 &lt; 1</p>" in text
    assert '<tr class="overall"><td>overall</td><td>0.2500</td></tr>' in text
    assert "A &amp; B" in text
    assert "<td>&lt;x&gt;</td><td>0.5000</td>" in text
    assert "<th>my_<wbr>L1</th>" in text
    assert 'src="sounds/a%20b%231.wav"' in text


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
    arguments += ["--audios_path", audios_folder, "--output", output]
    assert evaluate.main(list(map(str, arguments))) == 0
    held_out = json.loads((trained_run / "config.json").read_text())["split"]["held_out"]
    rows = read_csv(output / "scores.csv")
    assert [row["piece"] for row in rows] == [*held_out, "overall"]
    assert "overall" in capsys.readouterr().out
    # the same figure as the training's own validation: whole frames, the last one padded
    history = read_csv(trained_run / "history.csv")
    measured = float(rows[-1][trained_run.name])
    assert measured == pytest.approx(float(history[-1]["val_gen_mae"]), rel=1e-3)
    page = (output / "report.html").read_text(encoding="utf-8")
    for piece in held_out:
        assert (output / "pictures" / f"{piece}.png").stat().st_size > 1000
        assert (output / "predictions" / trained_run.name / f"{piece}.wav").is_file()
        assert piece in page


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
    lines = evaluate.as_text([{"piece": "a", "L1": 0.5}, {"piece": "long", "L1": 12.0}])
    widths = {len(line) for line in lines.splitlines()}
    assert len(widths) == 1
    assert "0.5000" in lines
    assert "12.0000" in lines


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
    assert [row["piece"] for row in scores["distances"]] == [*names, "overall"]
    (styles,) = scores["styles"]
    assert [row["style"] for row in styles] == pair[::-1]
    assert all(set(row) == {"style", *pair} for row in styles)
    # the matching styles are those of the training's validation, up to which frame they show
    history = read_csv(folder / "history.csv")
    assert scores["distances"][-1]["any"] == pytest.approx(
        float(history[0]["val_gen_mae"]), rel=0.2
    )
    for name in names:
        assert (output / "predictions" / "any" / f"{name}.wav").is_file()
        assert name in said
    page = (output / "report.html").read_text(encoding="utf-8")
    assert page.count("<table>") == 2
