"""Criteria, the order in which units go, and run folders of the kit, trimmed."""

import json
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
from conftest import ROOT, arguments, assert_refused, outcome
from keras import layers

import evaluate
import predict
import train_generator
from common.cli import UserError
from common.trained import networks_of, open_model, shipped
from common.training.weights import save_h5
from pix2pix_timbre.model import build_generator
from pix2pix_timbre.weights import generator_shape
from trimming import trim
from trimming.cost import count_flops, measure_latency
from trimming.criteria import unit_scores
from trimming.flags import CRITERIA, WITHOUT_EXAMPLES
from trimming.graph import Graph
from trimming.information import mutual_information, principal_components
from trimming.statistics import recalibrate
from trimming.trimmer import Trimmer, cut_to, cutting_order

GUITAR = shipped("keyboard_acoustic_2_guitar_acoustic")


def two_layers(units=6, normalised=False):
    """Dense, perhaps normalised, dense; and inputs and targets."""
    keras.utils.set_random_seed(0)
    steps = [layers.Input((3,)), layers.Dense(units, name="first")]
    steps += [layers.BatchNormalization()] if normalised else []
    model = keras.Sequential([*steps, layers.ReLU(), layers.Dense(2, name="last")])
    rng = np.random.default_rng(0)
    return model, (rng.normal(size=(200, 3)).astype(np.float32), rng.normal(size=(200, 2)))


def scores_of(model, criterion, data=None, **settings):
    graph = Graph(model)
    return unit_scores(graph, criterion, data, **settings)[~graph.fixed]


def test_magnitude_is_the_sum_of_absolute_incoming_weights():
    model, _ = two_layers()
    expected = np.abs(model.get_weights()[0]).sum(axis=0)
    np.testing.assert_allclose(scores_of(model, "magnitude"), expected, rtol=1e-6)


def test_the_magnitude_of_a_hidden_unit_is_that_of_all_its_gates():
    model = keras.Sequential([layers.Input((None, 2)), layers.GRU(4), layers.Dense(1)])
    kernel, recurrent, *_ = (np.abs(array) for array in model.get_weights())
    expected = (kernel.sum(axis=0) + recurrent.sum(axis=0)).reshape(3, 4).sum(axis=0)
    np.testing.assert_allclose(scores_of(model, "magnitude"), expected, rtol=1e-6)


def test_activation_is_the_mean_absolute_value_that_the_next_layer_sees():
    model, (x, y) = two_layers()
    kernel, bias = model.get_weights()[:2]
    expected = np.maximum(x @ kernel + bias, 0).mean(axis=0)
    np.testing.assert_allclose(scores_of(model, "activation", (x, y)), expected, rtol=1e-4)
    few = scores_of(model, "activation", (x, y), examples=10)
    np.testing.assert_allclose(few, np.maximum(x[:10] @ kernel + bias, 0).mean(axis=0), rtol=1e-4)


def test_gradients_are_those_of_the_loss_by_the_incoming_weights():
    model, (x, y) = two_layers()
    first, bias, last, offset = map(np.float64, model.get_weights())
    inner = x @ first + bias
    slope = np.maximum(inner, 0) @ last + offset - y  # of the mean squared error, two outputs
    expected = np.abs(x.T @ ((slope @ last.T) * (inner > 0)) / len(x)).sum(axis=0)
    found = scores_of(model, "gradient_max", (x, y))
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    inverse = scores_of(model, "gradient_min", (x, y))
    np.testing.assert_allclose(inverse, 1 / (expected + 1e-7), rtol=1e-4)
    model.trainable = False  # as of models that are opened
    np.testing.assert_allclose(scores_of(model, "gradient_max", (x, y)), found, rtol=1e-5)
    assert scores_of(model, "gradient_max", (x, y), loss="mean_absolute_error").shape == (6,)


def test_normalisation_is_the_absolute_scale():
    model, _ = two_layers(normalised=True)
    scale = np.array([3, -2, 1, 0.5, -4, 0], np.float32)
    model.layers[1].gamma.assign(scale)
    np.testing.assert_allclose(scores_of(model, "normalisation"), np.abs(scale))
    assert np.isnan(scores_of(two_layers()[0], "normalisation")).all()
    with pytest.raises(UserError, match="no unit can be cut"):
        Trimmer(two_layers()[0], "normalisation").step()


def test_information_of_dependent_and_independent_numbers():
    rng = np.random.default_rng(0)
    one, noise = rng.normal(size=(2, 20000, 1))
    assert mutual_information(one, noise)[0, 0] == pytest.approx(0, abs=0.01)
    for correlation in (0.3, 0.6, 0.9):
        other = correlation * one + np.sqrt(1 - correlation**2) * noise
        expected = -0.5 * np.log(1 - correlation**2)  # of Gaussians
        assert mutual_information(one, other)[0, 0] == pytest.approx(expected, rel=0.04, abs=0.01)
    few = one[:500]
    assert mutual_information(few, -np.exp(few))[0, 0] == pytest.approx(np.log(10), rel=0.05)
    assert mutual_information(few, np.zeros_like(few))[0, 0] == 0


def test_information_finds_the_units_that_know_the_target():
    model, (x, _) = two_layers()
    model.get_layer("first").set_weights([np.diag([1, 1, 1])[:, [0, 0, 1, 1, 2, 2]], np.zeros(6)])
    kernel = model.get_weights()[0] * np.array([1, -1, 1, -1, 1, -1])
    model.get_layer("first").set_weights([kernel, np.zeros(6)])
    target = x[:, :1] + 0.1 * x[:, 1:2]
    scores = scores_of(model, "information_target", (x, target))
    assert min(scores[:2]) > 3 * max(scores[2:])
    about_inputs = scores_of(model, "information_input", (x, target))
    assert min(about_inputs) > 0.1


def test_components_are_those_that_vary():
    rng = np.random.default_rng(0)
    examples = np.outer(rng.normal(size=50), np.ones(2000)).reshape(50, 40, 50)
    found = principal_components(examples, rng)
    assert found.shape == (50, 1)
    assert abs(np.corrcoef(found[:, 0], examples[:, 0, 0])[0, 1]) == pytest.approx(1)


def test_a_step_removes_its_share_of_the_weights_and_no_unit_more():
    trimmer = Trimmer(build_generator(4), share=0.3)
    whole = trimmer.graph.count()
    small = trimmer.step()
    assert 0.69 * whole < small.count_params() <= 0.7 * whole
    again = trimmer.step()
    assert again.count_params() <= 0.7 * small.count_params()
    assert again.input_shape == small.input_shape
    assert again.output_shape == small.output_shape


@pytest.mark.parametrize("criterion", CRITERIA)
def test_every_criterion_trims_a_network_with_skips(criterion):
    keras.utils.set_random_seed(0)
    given = layers.Input((16, 16, 1))
    down = layers.Conv2D(8, 3, strides=2, padding="same")(given)
    down = layers.ReLU()(layers.BatchNormalization()(down))
    code = layers.Dense(24, "relu")(layers.Flatten()(layers.Conv2D(8, 3, strides=4)(down)))
    up = layers.Reshape((2, 2, 6))(code)
    up = layers.BatchNormalization()(layers.UpSampling2D(4)(up))
    up = layers.Concatenate()([up, down])
    model = keras.Model(given, layers.Conv2DTranspose(1, 3, strides=2, padding="same")(up))
    x = np.random.default_rng(0).normal(size=(40, 16, 16, 1)).astype(np.float32)
    trimmer = Trimmer(model, criterion, share=0.4)
    small = trimmer.step(None if criterion in WITHOUT_EXAMPLES else (x, x))
    assert small.count_params() <= 0.6 * model.count_params()
    assert small(x).shape == x.shape


def unequal():
    """Two layers of eight units; all units of the second are more important."""
    keras.utils.set_random_seed(0)
    steps = [layers.Input((3,)), layers.Dense(8), layers.Dense(8), layers.Dense(1)]
    graph = Graph(keras.Sequential(steps))
    scores = np.zeros(graph.units)
    for family in (0, 1):
        scores[graph.families == family] = np.arange(1, 9) + 100 * family
    return graph, scores


def test_scopes_and_scales_decide_where_units_go():
    graph, scores = unequal()
    gone = {
        name: [graph.families[unit] for unit in cutting_order(graph, scores, **how)]
        for name, how in {
            "local": {"local": True},
            "max": {"local": False},
            "none": {"local": False, "scale": "none"},
        }.items()
    }
    assert gone["none"] == [0] * 4 + [1] * 4
    assert gone["max"] == [0] * 4 + [1] * 4  # 1/8 to 4/8, and 101/108 to 104/108
    assert sorted(gone["local"][:2]) == sorted(gone["local"][2:4]) == [0, 1]
    made = cutting_order(graph, scores, local=False, scale="dimension")
    assert list(scores[made]) == [1, 2, 3, 4, 101, 102, 103, 104]  # 3 and 8 weights a unit


def test_global_then_local_changes_at_a_tenth():
    model = keras.Sequential(
        [layers.Input((9,)), *(layers.Dense(60) for _ in range(2)), layers.Dense(1)]
    )
    steps = {
        whole: Trimmer(model, scope="global_then_local", whole=whole)
        for whole in (None, 100 * model.count_params())
    }
    for trimmer in steps.values():
        trimmer.step()
    others = {scope: Trimmer(model, scope=scope) for scope in ("global", "local")}
    for trimmer in others.values():
        trimmer.step()
    assert list(steps[None].keep) == list(others["global"].keep)
    assert list(steps[100 * model.count_params()].keep) == list(others["local"].keep)


def test_as_few_units_go_as_are_needed():
    graph, scores = unequal()
    order = cutting_order(graph, scores, local=False)
    keep = cut_to(graph, order, graph.count() - 1)
    assert np.count_nonzero(~keep) == 1
    assert not keep[order[0]]
    assert np.count_nonzero(~cut_to(graph, order, 0)) == len(order)
    with pytest.raises(UserError, match="no unit can be cut"):
        cut_to(graph, order[:0], 0)


def test_other_weights_are_cut_alike():
    model, _ = two_layers()
    early = [array + 1 for array in model.get_weights()]
    trimmer = Trimmer(model)
    small = trimmer.step()
    for found, expected in zip(trimmer.rewound(early), small.get_weights(), strict=True):
        np.testing.assert_allclose(found, expected + 1, rtol=1e-6)


def test_moving_averages_become_those_of_the_examples():
    model, (x, y) = two_layers(normalised=True)
    kernel, bias = model.get_weights()[:2]
    norm = model.layers[1]
    norm.trainable = False
    recalibrate(model, (x[:72], y[:72]))
    hidden = x[:72] @ kernel + bias
    np.testing.assert_allclose(norm.moving_mean, hidden.mean(axis=0), rtol=1e-4, atol=1e-6)
    parts = np.split(hidden, range(16, 72, 16))  # the last batch is smaller
    expected = np.average([part.var(axis=0) for part in parts], axis=0, weights=[*map(len, parts)])
    np.testing.assert_allclose(norm.moving_variance, expected, rtol=1e-3)
    assert (norm.momentum, norm.trainable) == (0.99, False)
    small = Trimmer(model, share=0.3).step((x, y))
    kernel, bias = small.get_weights()[:2]
    expected = (x @ kernel + bias).mean(axis=0)
    np.testing.assert_allclose(small.layers[1].moving_mean, expected, atol=0.05)


def test_mistakes_are_told():
    model, (x, y) = two_layers()
    refused = ({"criterion": "taste"}, {"scope": "here"}, {"scale": "l2"}, {"share": 1})
    for settings in (*refused, {"share": "half"}):
        with pytest.raises(UserError, match=next(iter(settings))):
            Trimmer(model, **settings)
    with pytest.raises(UserError, match="needs examples"):
        Trimmer(model, "activation").step()
    with pytest.raises(UserError, match="no examples"):
        Trimmer(model, "activation").step((x[:0], y[:0]))
    with pytest.raises(UserError, match="not finite"):
        Trimmer(model, "activation").step((np.full_like(x, np.nan), y))
    model.get_layer("first").set_weights([np.full((3, 6), np.nan), np.zeros(6)])
    with pytest.raises(UserError, match="diverged"):
        Trimmer(model).step()


def test_operations_are_two_for_each_product():
    steps = [layers.Input((16, 16, 3)), layers.Conv2D(4, 3, strides=2, padding="same")]
    steps += [layers.Conv2DTranspose(2, 4, strides=2, padding="same"), layers.Flatten()]
    model = keras.Sequential([*steps, layers.Dense(5)])
    expected = 8 * 8 * 27 * 4 + 8 * 8 * 16 * 4 * 2 + 16 * 16 * 2 * 5
    assert count_flops(model) == 2 * expected
    recurrent = keras.Sequential([layers.Input((None, 3)), layers.GRU(4)])
    assert count_flops(recurrent, length=10) == 2 * 10 * (3 * 12 + 4 * 12)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run folder of a generator of width 5; not to be modified."""
    folder = tmp_path_factory.mktemp("whole")
    keras.utils.set_random_seed(0)
    save_h5(build_generator(5), folder / "generator.h5")
    config = json.loads((GUITAR / "config.json").read_text(encoding="utf-8"))
    config["flags"]["width"] = 5
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def small(tmp_path_factory, whole, features_folder):
    """The same without half of its weights; not to be modified."""
    folder = tmp_path_factory.mktemp("small") / "guitar"
    argv = ["--model", whole, "--output", folder, "--share", "0.5", "--criterion", "activation"]
    argv = [str(word) for word in [*argv, "--dataset_path", features_folder]]
    assert trim.main(argv) == 0
    return folder


def test_a_trimmed_generator_converts_and_is_smaller(
    small, whole, tmp_path, features_folder, capsys
):
    network = open_model(small).generator
    assert network.count_params() <= 0.5 * open_model(whole).generator.count_params()
    shape = generator_shape(small / "generator.h5")
    recorded = json.loads((small / "config.json").read_text())["trimmed"]["generator"]
    assert len(shape.width) == 15
    assert shape.width[1] == recorded["generator_down_2/generator_down_2_conv"]["filters"]
    argv = ["--model", str(small), "--input", str(ROOT / "docs" / "example_target.ogg")]
    assert predict.main([*argv, "--output", str(tmp_path / "out.wav")]) == 0
    argv = ["--model", str(small), str(whole), "--dataset_path", str(features_folder)]
    assert evaluate.main([*argv, "--pieces", "all"]) == 0
    assert "guitar/identity" in capsys.readouterr().out


def test_a_trimmed_generator_is_trained_on(small, tmp_path, features_folder):
    copied = tmp_path / "run"
    copied.mkdir()
    for name in ("config.json", "generator.h5"):
        (copied / name).write_bytes((small / name).read_bytes())
    flags = {"epochs": 1, "steps_per_epoch": 1, "batch_size": 1, "epoch_offset": 30, "lr": 1e-4}
    argv = arguments(features_folder, copied, flags | {"validation_split": 0.3, "dropout": 0})
    assert train_generator.main(argv) == 0
    shape = generator_shape(small / "generator.h5")
    assert generator_shape(copied / "generator.h5") == shape
    config = json.loads((copied / "config.json").read_text())
    assert tuple(config["widths"]) == shape.width


def test_a_trimmed_model_runs_in_a_process_without_this_project(small):
    frames = np.random.default_rng(0).uniform(-1, 1, (1, 256, 256, 1)).astype(np.float32)
    np.save(small.parent / "frames.npy", frames)
    script = """
import sys, numpy as np, keras
model = keras.models.load_model("guitar/generator.h5", compile=False)
assert not any(name.split(".")[0] in ("trimming", "common", "data") for name in sys.modules)
np.save("outputs.npy", model(np.load("frames.npy"), training=False))
"""
    done = subprocess.run(
        [sys.executable, "-I", "-c", script],
        cwd=small.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    # here some convolutions are computed as matrix products, which rounds otherwise
    expected = np.asarray(open_model(small).generator(frames, training=False))
    np.testing.assert_allclose(np.load(small.parent / "outputs.npy"), expected, atol=1e-5)


def test_latency_is_measured_on_one_core(small, tmp_path):
    network = keras.Sequential([layers.Input((4,)), layers.Dense(2)])
    save_h5(network, tmp_path / "tiny.h5")
    guitar, tiny = measure_latency([small / "generator.h5", tmp_path / "tiny.h5"], repeats=3)
    assert 0 < tiny < guitar < 10


@pytest.mark.parametrize("name", ["vae_notes", "time_stretching"])
def test_models_of_every_system_are_trimmed_twice_and_open(name, tmp_path, capsys):
    for source, target in ((shipped(name), "one"), (tmp_path / "one", "two")):
        assert trim.main(["--model", str(source), "--output", str(tmp_path / target)]) == 0
    assert "units_left" in capsys.readouterr().out
    for record in json.loads((tmp_path / "two" / "config.json").read_text())["trimming"].values():
        assert record["steps"] == record["before"]["steps"] == 1
        assert "before" not in record["before"]
    found = [networks_of(folder) for folder in (shipped(name), tmp_path / "one", tmp_path / "two")]
    assert found[0].keys() == found[2].keys()
    for path, network in found[0].items():
        sizes = [network.count_params(), *(other[path].count_params() for other in found[1:])]
        assert sizes[0] > sizes[1] > sizes[2]
        assert found[2][path].output_shape == network.output_shape
    with pytest.raises(UserError, match="examples for models of"):
        trim.main(
            [
                "--model",
                str(tmp_path / "one"),
                "--output",
                str(tmp_path / "three"),
                "--criterion",
                "activation",
                "--dataset_path",
                str(tmp_path),
            ]
        )


def test_one_network_of_a_folder_is_trimmed(tmp_path):
    argv = ["--model", str(shipped("time_stretching")), "--output", str(tmp_path / "out")]
    assert trim.main([*argv, "--network", "corrector"]) == 0
    found = networks_of(tmp_path / "out")
    whole = networks_of(shipped("time_stretching"))
    smaller = {path for path in whole if found[path].count_params() < whole[path].count_params()}
    assert smaller == {"corrector/corrector.h5"}


@pytest.fixture
def run_of(tmp_path, monkeypatch):
    """Function that makes a run folder of networks, by their names or paths."""

    def make(networks, name="run"):
        for path, network in networks.items():
            save_h5(network, tmp_path / name / path)
            config = tmp_path / name / path
            (config.parent / "config.json").write_text('{"system": "granular"}')
        monkeypatch.setattr("common.trained.networks_of", lambda _: networks)
        return tmp_path / name

    return make


def fixed_layer():
    """A network none of whose units can be cut."""
    return keras.Sequential([layers.Input((3,)), layers.Dense(2)])


def test_what_cannot_be_cut_is_copied_with_what_belongs_to_the_run(run_of, tmp_path):
    networks = {"encoder.h5": two_layers(8)[0], "codebook.h5": fixed_layer()}
    source, target = run_of(networks), tmp_path / "small"
    save_h5(fixed_layer(), source / "sequences" / "prior.h5")
    names = ("latents.h5", "history.csv", "sequences/config.json", "sequences/history.csv")
    for name in names:
        (source / name).write_text(name)
    (source / "resume-0001.weights.h5").write_text("state")
    rows = trim.trim(source, target, share=0.2)
    for name in (*names, "codebook.h5", "sequences/prior.h5"):
        assert (target / name).read_bytes() == (source / name).read_bytes()
    assert not (target / "resume-0001.weights.h5").exists()
    assert [row["units"] - row["units_left"] > 0 for row in rows] == [True, False]
    assert list(json.loads((target / "config.json").read_text())["trimmed"]) == ["encoder"]


def test_a_run_in_the_output_is_not_mixed_with_this_one(run_of, tmp_path):
    run, target = run_of({"network.h5": two_layers(20)[0]}), tmp_path / "small"
    trim.trim(run, target, share=0.2)
    before = {path.name: path.read_bytes() for path in target.iterdir()}
    for output in (target, run, tmp_path):
        with pytest.raises(UserError, match="already holds a run; name another folder"):
            trim.trim(run, output, share=0.2)
    assert {path.name: path.read_bytes() for path in target.iterdir()} == before


def test_a_loss_that_is_a_function_is_recorded_by_its_name(run_of, tmp_path):
    def cubed(true, found):
        return keras.ops.mean(keras.ops.abs(true - found) ** 3)

    model, data = two_layers(20)
    run = run_of({"network.h5": model})
    trim.trim(run, tmp_path / "small", criterion="gradient_max", loss=cubed, data=data)
    config = json.loads((tmp_path / "small" / "config.json").read_text())
    assert config["trimming"]["network"]["loss"] == "cubed"


def test_a_run_in_a_run_of_the_same_system_keeps_its_networks(tmp_path):
    run = tmp_path / "run"
    shutil.copytree(shipped("move_orchestra"), run)
    shutil.copytree(run, run / "second")
    assert set(networks_of(run)) == {"encoder.h5", "decoder.h5"}
    stretching = tmp_path / "stretching"
    shutil.copytree(shipped("time_stretching"), stretching / "second")
    for path in (stretching / "second").iterdir():
        if path.is_file():
            shutil.copyfile(path, stretching / path.name)
    assert set(networks_of(stretching)) == {"encoder.h5", "decoder.h5"}


def test_nothing_is_written_where_nothing_can_be_cut(run_of, tmp_path):
    target = tmp_path / "small"
    run = run_of({"encoder.h5": two_layers()[0], "codebook.h5": fixed_layer()})
    for how, message in (
        ({"networks": ["encoder", "codebook"]}, "no unit can be cut"),
        ({"criterion": "normalisation"}, "another --criterion"),
    ):
        with pytest.raises(UserError, match=message):
            trim.trim(run, target, **how)
    run = run_of({"codebook.h5": fixed_layer()})
    with pytest.raises(UserError, match="can be cut; --approximate"):
        trim.trim(run, target)
    with pytest.raises(UserError, match=r"can be cut$"):
        trim.trim(run, target, approximate=True)
    with pytest.raises(UserError, match="no network that can be trimmed"):
        trim.trim(run_of({}), target)
    assert not target.exists()


def test_a_share_that_cannot_be_cut_is_told(tmp_path, capsys):
    argv = ["--model", str(shipped("vae_notes")), "--output", str(tmp_path), "--network", "decoder"]
    assert trim.main([*argv, "--share", "0.999"]) == 0
    assert "of the weights are left, not 0.10%" in capsys.readouterr().out


def test_mistakes_of_the_script_are_one_line(tmp_path, capsys):
    argv = ["--model", str(GUITAR), "--output", str(tmp_path / "out")]
    for wrong, word in (
        (["--network", "brain"], "brain"),
        (["--criterion", "activation"], "--dataset_path"),
        (["--criterion", "activation", "--dataset_path", str(ROOT)], "no features"),
        (["--criterion", "activation", "--dataset_path", "nowhere"], "nowhere: no such folder"),
        (["--share", "1"], "--share"),
        (["--validation_split", "0.2"], "pieces of --dataset_path, which is missing"),
        (
            ["--model", str(shipped("vae_notes")), "--dataset_path", str(ROOT / "data")],
            "--dataset_path: examples for models of vae_generation",
        ),
    ):
        assert_refused(trim.main, [*argv, *wrong], capsys, word)
    assert_refused(trim.main, ["--model", str(ROOT / "data"), *argv[2:]], capsys, "config.json")
    assert not (tmp_path / "out").exists()
    config = json.loads((GUITAR / "config.json").read_text())
    assert outcome(trim.main, ["--help"], capsys)[0] == 0
    assert "trimmed" not in config
