"""Rounds of the lottery, what tickets are compared with, and the script."""

import itertools
import json
from pathlib import Path

import keras
import numpy as np
import pytest
from conftest import assert_refused, read_csv
from keras import layers
from test_trimming import GUITAR

from common.cli import UserError
from common.report.tickets import read_settings
from common.trained import Examples, open_model
from common.training.batches import Batches
from common.training.rebuild import rebuild
from common.training.trimmed_run import only_network
from common.training.weights import save_h5
from pix2pix_timbre.model import build_generator
from trimming import lottery as script
from trimming import rounds as module
from trimming import ticket, trim
from trimming.controls import control, kernels_of, mask_smallest
from trimming.distillation import Distilled
from trimming.flags import CONTROLS
from trimming.graph import Graph
from trimming.rounds import lottery
from trimming.training import fitting
from trimming.trimmer import Trimmer

X = np.random.default_rng(0).normal(size=(64, 4)).astype(np.float32)
Y = np.sin(X[:, :1] * X[:, 1:2])


def make_model():
    steps = [layers.Input((4,)), layers.Dense(40, "relu"), layers.BatchNormalization()]
    return keras.Sequential([*steps, layers.Dense(40, "relu"), layers.Dense(1)])


def train(model, callbacks):
    """Two epochs; the error on the same examples. Nothing is compiled: that would take longer."""
    model.compile(keras.optimizers.Adam(0.01), "mse", run_eagerly=True)
    model.fit(X, Y, epochs=2, verbose=0, callbacks=callbacks)
    return model.evaluate(X, Y, batch_size=len(X), verbose=0)


@pytest.fixture(scope="module")
def without_latency():
    patch = pytest.MonkeyPatch()
    patch.setattr(module, "measure_latency", lambda paths, length: [0.001] * len(list(paths)))
    yield
    patch.undo()


@pytest.fixture(scope="module")
def tickets(tmp_path_factory, without_latency):
    """Folder and rows of a lottery with all controls; not to be modified."""
    folder = tmp_path_factory.mktemp("tickets")
    how = {"controls": CONTROLS, "share": 0.75, "data": (X, Y), "criterion": "activation"}
    return folder, lottery(make_model, train, 2, 1, folder=folder, seconds=0.1, **how), how


def test_rounds_are_smaller_and_smaller(tickets):
    folder, rows, _ = tickets
    found = [row for row in rows if row["kind"] == "ticket"]
    assert [row["round"] for row in found] == [0, 1, 2]
    for before, after in itertools.pairwise(found):
        assert after["weights"] <= 0.25 * before["weights"]
        for name in ("units", "flops", "bytes"):
            assert after[name] < before[name]
    assert found[0]["multiplier"] == 1
    assert all(0 < row["score"] < 10 for row in rows)
    assert len(read_csv(folder / "rounds.csv")) == len(rows)
    for name in ("rounds.png", "widths.png", "pareto.png"):
        assert (folder / name).read_bytes().startswith(b"\x89PNG")


def test_a_ticket_begins_with_the_early_weights_of_the_units_it_keeps(tickets):
    folder, *_ = tickets

    def arrays(place, name):
        return keras.models.load_model(folder / place / name, compile=False).get_weights()

    first, ticket = arrays("round_00", "early.h5"), arrays("round_01", "early.h5")
    kernel = first[0]
    places = [np.flatnonzero((kernel == column[:, None]).all(axis=0))[0] for column in ticket[0].T]
    assert places == sorted(places)
    np.testing.assert_array_equal(ticket[1], first[1][places])
    np.testing.assert_array_equal(ticket[2], first[2][places])
    trained = arrays("round_00", "network.h5")
    assert not np.array_equal(trained[0], kernel)


@pytest.mark.usefixtures("without_latency")
def test_a_ticket_begins_with_the_trained_weights_if_the_learning_rate_alone_is_rewound(tmp_path):
    def add_one(model, callbacks):
        model.set_weights([array + 1 for array in model.get_weights()])
        return 1.0

    lottery(make_model, add_one, 2, 0, folder=tmp_path, rewind="learning_rate", share=0.5)
    places = [f"round_{number:02d}" for number in range(3)]
    for before, after in itertools.pairwise(places):
        trained, begins = (
            keras.models.load_model(tmp_path / path, compile=False).get_weights()[0]
            for path in (f"{before}/network.h5", f"{after}/early.h5")
        )
        assert begins.shape[1] < trained.shape[1]
        assert all((column == trained.T).all(axis=1).any() for column in begins.T)
    with pytest.raises(ValueError, match="weights, learning_rate"):
        lottery(make_model, add_one, folder=tmp_path, rewind="time")


@pytest.mark.usefixtures("without_latency")
@pytest.mark.parametrize(("rewind", "times"), [("weights", 1), ("learning_rate", 3)])
def test_a_control_is_trained_as_long_as_its_ticket(tmp_path, rewind, times):
    trainings = []

    def train(model, callbacks):
        trainings.append(model.count_params())
        return 1.0

    how = {"rewind": rewind, "share": 0.6, "least_units": 2, "controls": ["reinitialised"]}
    rows = lottery(make_model, train, 2, 0, folder=tmp_path, **how)
    assert [row["kind"] for row in rows] == ["ticket", "ticket", "ticket", "reinitialised"]
    assert trainings == [row["weights"] for row in rows[:3]] + times * [rows[3]["weights"]]
    path = tmp_path / "round_02" / "reinitialised" / "result.json"
    result = json.loads(path.read_text(encoding="utf-8"))
    for known in (times, 7):  # as an earlier version trained it
        trainings.clear()
        path.write_text(json.dumps(result | {"trainings": known}), encoding="utf-8")
        lottery(make_model, train, 2, 0, folder=tmp_path, **how)
        assert len(trainings) == (0 if known == times else times)


@pytest.mark.usefixtures("without_latency")
def test_the_whole_network_teaches_the_smaller_ones(tmp_path):
    heard = []

    def teach(whole):
        def learn(model, callbacks):
            heard.append(whole.get_weights()[0])
            return 2.0

        return learn

    def stay(model, callbacks):
        return 1.0

    rows = lottery(make_model, stay, 2, 0, folder=tmp_path, teach=teach, share=0.5)
    assert [row["score"] for row in rows] == [1, 2, 2]
    taught = keras.models.load_model(tmp_path / "round_00" / "network.h5", compile=False)
    for kernel in heard:
        np.testing.assert_array_equal(kernel, taught.get_weights()[0])


def test_targets_are_mixed_with_what_a_teacher_says():
    class Halves(Batches):
        def cut(self, positions, epoch):
            chosen = [(place + 16 * epoch) % len(X) for place in positions]
            return X[chosen], Y[chosen]

    teacher = make_model()
    mixed = Distilled(Halves(len(X), 16), teacher, 0.75)
    assert len(mixed) == 4
    mixed.epoch = 1
    inputs, targets = mixed[0]
    np.testing.assert_array_equal(inputs, X[16:32])
    expected = 0.25 * Y[16:32] + 0.75 * teacher.predict(X[16:32], verbose=0)
    np.testing.assert_allclose(targets, expected, atol=1e-6)
    assert targets.dtype == np.float32


def test_controls_stand_beside_the_tickets_that_they_are_for(tickets):
    _, rows, _ = tickets
    found = [(row["kind"], row["round"]) for row in rows if row["kind"] != "ticket"]
    assert found == [(kind, number) for number in (2,) for kind in CONTROLS]
    by_round = {row["round"]: row for row in rows if row["kind"] == "ticket"}
    for row in rows:
        ticket = by_round[row["round"]]
        if row["kind"] in ("random", "reinitialised"):
            assert row["weights"] == ticket["weights"]
        elif row["kind"] == "scratch":
            assert 0.6 * ticket["weights"] < row["weights"] <= ticket["weights"]
        elif row["kind"] == "masked":
            assert row["weights"] == 244  # 241 biases and normalisations, one weight of each kernel
            assert row["bytes"] == by_round[0]["bytes"]


def test_what_is_finished_is_not_repeated_and_what_is_not_comes_out_the_same(tickets, tmp_path):
    folder, rows, how = tickets

    def never(model, callbacks):
        raise AssertionError

    assert lottery(make_model, never, 2, 1, folder=folder, seconds=0.1, **how) == rows
    for path in folder.rglob("*"):
        place = path.relative_to(folder).parent.as_posix()
        if path.is_file() and place not in ("round_02", "round_02/masked"):
            target = tmp_path / path.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    again = lottery(make_model, train, 2, 1, folder=tmp_path, seconds=0.1, **how)
    assert [row["weights"] for row in again] == [row["weights"] for row in rows]
    for row, expected in zip(again, rows, strict=True):
        assert row["score"] == pytest.approx(expected["score"], rel=1e-5)
    with pytest.raises(UserError, match=r"other settings \(rewind_epoch\)"):
        lottery(make_model, train, 2, 2, folder=tmp_path, **how)


@pytest.mark.usefixtures("without_latency")
def test_rounds_go_on_with_the_settings_that_they_depend_on(tmp_path):
    def stay(model, callbacks):
        return 1.0

    def go_on(rounds, lr, data=None, train=stay, **how):
        about = {"lr": lr, "distil": how.pop("distil", 0.0)}
        settings = {"folder": tmp_path, "about": about, "data": data or (X, Y), "reported": False}
        return lottery(make_model, train, rounds, 0, **settings, **how)

    with pytest.raises(UserError, match="diverged"):
        go_on(1, 5, train=lambda *_: float("nan"))
    go_on(0, 0.1, criterion="random", distil=0.5)  # nothing was finished
    with pytest.raises(UserError, match=r"other settings \(lr\)"):
        go_on(1, 0.2)
    with pytest.raises(UserError, match=r"other settings \(examples\)"):
        go_on(1, 0.1, data=(2 * X, Y))
    go_on(1, 0.1, criterion="activation", distil=0.3)  # the first round depends on neither
    with pytest.raises(UserError, match=r"other settings \(criterion, distil\)"):
        go_on(1, 0.1)
    with pytest.raises(UserError, match="examples"):
        lottery(make_model, stay, 1, 0, folder=tmp_path, about={"lr": 0.1}, criterion="random")
    first = tmp_path / "round_00" / "result.json"
    result = first.read_text()
    first.unlink()
    with pytest.raises(UserError, match=r"other settings \(lr\)"):  # those of round 1 remain
        go_on(1, 0.2, criterion="activation", distil=0.3)
    first.write_text(result)
    path = tmp_path / "lottery.json"
    settings = json.loads(path.read_text())
    former = {"lr": 0.1, "criterion": "activation", "teacher": "/home/runs/guitar"}
    path.write_text(json.dumps(former))  # of an earlier version
    assert read_settings(tmp_path)["teacher"] == "guitar"
    with pytest.raises(UserError, match=r"other settings \(distil, teacher\)"):
        go_on(1, 0.1, criterion="activation", distil=0.3)
    path.write_text(json.dumps({"lr": 0.1, "criterion": "activation"}))
    go_on(1, 0.1, criterion="activation")
    assert json.loads(path.read_text()) == settings | {"distil": 0.0}
    assert not (tmp_path / "rounds.csv").exists()
    for wrong in ("", "[]"):
        path.write_text(wrong)
        with pytest.raises(UserError, match="not readable as JSON"):
            go_on(1, 0.1)


@pytest.mark.parametrize(
    ("how", "word"),
    [
        ({"criterion": "activaton"}, "activaton"),
        ({"criterion": "activation"}, "needs examples"),
        ({"controls": iter(["scratch", "luck"])}, "luck"),
    ],
)
def test_settings_are_refused_before_anything_is_trained(tmp_path, how, word):
    def never(model, callbacks):
        raise AssertionError

    with pytest.raises(UserError, match=word):
        lottery(make_model, never, 1, folder=tmp_path, **how)
    assert not list(tmp_path.iterdir())


def test_a_training_that_diverges_late_is_told():
    class Fading(Batches):
        def cut(self, positions, epoch):
            return X[positions], Y[positions] if epoch < 1 else np.nan * Y[positions]

    examples = Examples(Fading(len(X), 64), Fading(len(X), 64), "mse", 1.0)
    for epochs, fine in ((1, True), (2, False)):  # the best weights are those of the first epoch
        assert np.isfinite(fitting(examples, epochs, 1e-3)(make_model(), [])) == fine


def test_a_ticket_becomes_a_run_folder(tickets, tmp_path, monkeypatch, capsys):
    folder, rows, _ = tickets
    run, other = tmp_path / "whole", tmp_path / "other"
    save_h5(make_model(), run / "network.h5")
    (run / "config.json").write_text('{"system": "granular"}')
    name = "common.training.trimmed_run.networks_of"
    monkeypatch.setattr(name, lambda _: {"network.h5": make_model()})
    argv = ["--model", str(run), "--tickets", str(folder), "--output", str(tmp_path / "small")]
    assert ticket.main([*argv, "--round", "2"]) == 0
    small = keras.models.load_model(tmp_path / "small" / "network.h5", compile=False)
    assert small.count_params() == next(row["weights"] for row in rows if row["round"] == 2)
    config = json.loads((tmp_path / "small" / "config.json").read_text())
    assert config["trimming"]["network"]["round"] == 2
    assert len(config["trimmed"]["network"]) == 2
    for wrong, word in (
        (["--round", "3"], "--round 3"),
        (["--round", "2", "--tickets", str(run)], "holds no rounds of a lottery"),
    ):
        assert_refused(ticket.main, [*argv, *wrong, "--output", str(other)], capsys, word)
    assert_refused(ticket.main, [*argv, "--round", "1"], capsys, "already holds a run")
    assert not other.exists()


def test_the_script_records_what_its_rounds_depend_on(tmp_path):
    argv = ["--model", str(tmp_path / "guitar"), "--output", "out", "--lr", "0.5"]
    (tmp_path / "features").mkdir()
    argv += ["--dataset_path", str(tmp_path / "features")]
    about = script._about(script.build_parser().parse_args(argv))
    expected = {"model": "guitar", "teacher": "None", "distil": 0.0, "begin": "trained"}
    expected |= {"lr": 0.5, "epochs": 10, "steps_per_epoch": 200, "batch_size": 8}
    assert about == expected | {"validation_split": 0.3, "dataset_path": "features"}


@pytest.mark.usefixtures("without_latency")
def test_controls_that_no_round_reaches_are_told(tmp_path, capsys):
    how = {"folder": tmp_path, "share": 0.5, "controls": ["scratch"], "reported": False}
    rows = lottery(make_model, lambda model, callbacks: 1.0, 1, 0, **how)
    assert [row["kind"] for row in rows] == ["ticket", "ticket"]
    assert "no controls, since less than 80% of the weights are gone" in capsys.readouterr().out


def test_a_lottery_without_units_left_ends_with_its_report(tmp_path, capsys, monkeypatch):
    reports, steps = [], [layers.Input((4,)), layers.Dense(40), layers.Dense(1)]
    monkeypatch.setattr(module, "write_report", lambda *told: reports.append(told))

    def stay(model, callbacks):
        return 1.0

    how = {"folder": tmp_path, "rewind_epoch": 0, "share": 0.99, "least_units": 30}
    rows = lottery(lambda: keras.Sequential(steps), stay, 3, **how)
    assert [row["round"] for row in rows] == [0, 1]
    assert "ends with round 1" in capsys.readouterr().out
    assert [told[1] for told in reports] == [rows]
    with pytest.raises(UserError, match="no unit can be cut"):
        lottery(lambda: keras.Sequential(steps), stay, 1, 0, folder=tmp_path / "n", least_units=40)


def test_the_lottery_takes_models_of_one_network(monkeypatch):
    for found in ({}, {"encoder.h5": None, "decoder.h5": None}):
        name = "common.training.trimmed_run.networks_of"
        monkeypatch.setattr(name, lambda _, found=found: found)
        with pytest.raises(UserError, match=f"--teacher run: has {len(found)} networks"):
            only_network(Path("run"), "--teacher")


@pytest.mark.usefixtures("without_latency")
def test_a_training_that_diverges_is_told(tmp_path):
    with pytest.raises(UserError, match=r"round_00: the training diverged"):
        lottery(make_model, lambda *_: float("nan"), 1, folder=tmp_path)
    with pytest.raises(UserError, match=r"round_00: the training ended before epoch 3"):
        lottery(make_model, lambda *_: 1.0, 1, 3, folder=tmp_path / "short")
    assert not (tmp_path / "round_00" / "result.json").exists()


def test_random_units_are_as_many_and_have_their_early_weights():
    keras.utils.set_random_seed(0)
    whole = make_model()
    trimmer = Trimmer(whole, share=0.5)
    ticket = trimmer.step()
    graph = Graph(whole)
    how = {"sizes": graph.settings(trimmer.keep), "early": whole.get_weights()}
    how |= {"trained": whole.get_weights(), "rng": np.random.default_rng(0)}
    found, _ = control("random", graph, **how)
    assert [one.shape for one in found.weights] == [one.shape for one in ticket.weights]
    kernel = whole.get_weights()[0]
    columns = found.get_weights()[0].T
    assert all((kernel == column[:, None]).all(axis=0).any() for column in columns)
    assert not np.array_equal(columns, ticket.get_weights()[0].T)
    again, _ = control("reinitialised", graph, **how)
    assert not np.isin(again.get_weights()[0], kernel).any()
    with pytest.raises(UserError, match="luck"):
        control("luck", graph, **how)


def test_masked_weights_stay_at_zero_in_training():
    keras.utils.set_random_seed(0)
    model = make_model()
    early = model.get_weights()
    rng = np.random.default_rng(0)
    trained = [rng.normal(size=one.shape) for one in early]
    mask_smallest(model, trained, 600)
    magnitudes = {place: np.abs(trained[place]) for place in kernels_of(model)}
    kept = {place: model.get_weights()[place] != 0 for place in magnitudes}
    total = sum(one.size for one in magnitudes.values())
    share = (600 - sum(one.size for one in trained) + total) / total
    assert 0.1 < share < 0.9
    for place, mask in kept.items():
        assert mask.sum() == pytest.approx(share * mask.size, abs=0.5)
        assert magnitudes[place][mask].min() > magnitudes[place][~mask].max()
        np.testing.assert_array_equal(model.get_weights()[place][mask], early[place][mask])
    train(model, [])
    for place, mask in kept.items():
        np.testing.assert_array_equal(model.get_weights()[place] != 0, mask)
    assert rebuild(model).weights[0].constraint is None


def test_each_kernel_keeps_a_weight_and_biases_are_not_masked():
    model = keras.Sequential([layers.Input((None, 2)), layers.GRU(4), layers.Dense(3)])
    rng = np.random.default_rng(0)
    trained = [place + rng.random(one.shape) for place, one in enumerate(model.get_weights())]
    model.set_weights(trained)
    mask_smallest(model, trained, 1)  # fewer than the biases alone
    assert [np.count_nonzero(one) for one in model.get_weights()] == [1, 1, 24, 1, 3]


@pytest.mark.slow
@pytest.mark.stress
@pytest.mark.usefixtures("without_latency")
def test_the_script_trains_and_trims_a_generator(tmp_path, features_folder, capsys):
    keras.utils.set_random_seed(0)
    (tmp_path / "run").mkdir()
    save_h5(build_generator(5), tmp_path / "run" / "generator.h5")
    config = (GUITAR / "config.json").read_text(encoding="utf-8")
    (tmp_path / "run" / "config.json").write_text(config, encoding="utf-8")
    argv = ["--model", tmp_path / "run", "--output", tmp_path / "tickets", "--rounds", 1]
    argv += ["--dataset_path", features_folder, "--epochs", 1, "--steps_per_epoch", 1]
    argv = [str(word) for word in [*argv, "--batch_size", 1]]
    taught = [*argv, "--distil", "0.5"]
    assert script.main(taught) == 0
    assert "multiplier" in capsys.readouterr().out
    rows = read_csv(tmp_path / "tickets" / "rounds.csv")
    assert int(rows[1]["weights"]) <= 0.7 * int(rows[0]["weights"])
    result = json.loads((tmp_path / "tickets" / "round_01" / "result.json").read_text())
    assert len(result["widths"]) == 16
    assert result["widths"][7] < 40
    of_round = ["--model", argv[1], "--tickets", argv[3], "--output", str(tmp_path / "small")]
    assert ticket.main([*of_round, "--round", "1"]) == 0
    small = open_model(tmp_path / "small").generator
    assert small.count_params() == int(rows[1]["weights"])
    again = str(tmp_path / "again")  # the run folder of a ticket is trimmed like any other
    assert trim.main(["--model", of_round[-1], "--output", again, "--share", "0.2"]) == 0
    for wrong, word in (
        (["--round", "2"], "--round 2"),
        (["--round", "1", "--model", str(GUITAR)], "holds rounds of run"),
        (["--round", "1", "--tickets", argv[1]], "holds no rounds of a lottery"),
    ):
        of_other = [*of_round, "--output", str(tmp_path / "other"), *wrong]
        assert_refused(ticket.main, of_other, capsys, word)
    for wrong, word in (
        (["--rewind_epoch", "2"], "--rewind_epoch"),
        (["--teacher", str(GUITAR)], "--distil"),
        ([], "other settings"),
        (["--distil", "0.5", "--teacher", str(GUITAR.parent / "light_mir_pitch")], "pitch: maps"),
        (["--validation_split", "0.001"], "--validation_split"),
        (["--model", str(GUITAR.parent / "vae_notes")], "vae_generation"),
    ):
        assert_refused(script.main, [*argv, *wrong], capsys, word)
    assert_refused(script.main, argv[:6], capsys, "--dataset_path")
