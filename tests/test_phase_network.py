"""Networks that predict the phase: features, training and prediction, through the real parsers."""

import numpy as np
import pytest
from conftest import arguments, assert_refused, read_csv

import compute_features
import predict
import train_generator
from data import (
    FRAME_COLUMNS,
    forward_transform,
    image_to_phase,
    inverse_transform,
    load_audio,
    phase_to_image,
)
from pix2pix_timbre.features import FeatureStore, phase_instrument
from pix2pix_timbre.pairs import PairedFrames, split_pairs
from pix2pix_timbre.phase_network import FramesWithPhase, JointNetwork, PhaseNetwork
from pix2pix_timbre.weights import generator_shape

PAIR = ("keyboard_acoustic", "guitar_acoustic")
FLAGS = {"steps_per_epoch": 2, "batch_size": 2, "width": 2, "epochs": 1, "validation_split": 0.3}


@pytest.fixture(scope="module")
def features(audios_folder, tmp_path_factory):
    """Features of magnitude and phase."""
    folder = tmp_path_factory.mktemp("features_with_phase")
    argv = ["--audios_path", audios_folder, "--features_path", folder, "--with_phase"]
    assert compute_features.main(list(map(str, [*argv, "--jobs", 1]))) == 0
    return folder


@pytest.fixture(scope="module")
def joint(features, tmp_path_factory):
    """Run folder of a generator that converts magnitude and phase."""
    folder = tmp_path_factory.mktemp("joint")
    assert train_generator.main(arguments(features, folder, FLAGS, "--with_phase")) == 0
    return folder


@pytest.fixture(scope="module")
def second(features, tmp_path_factory):
    """Run folder of a generator that converts the phase."""
    folder = tmp_path_factory.mktemp("second")
    origin, target = map(phase_instrument, PAIR)
    flags = {**FLAGS, "origin": origin, "target": target}
    assert train_generator.main(arguments(features, folder, flags)) == 0
    return folder


def test_phases_survive_as_images():
    phase = np.linspace(-np.pi, np.pi, 1001, dtype=np.float32)
    image = phase_to_image(phase)
    assert image.dtype == np.float32
    assert (image.min(), image.max()) == pytest.approx((0, 1), abs=1e-6)
    np.testing.assert_allclose(image_to_phase(image), phase, atol=1e-6)


def test_phase_stores_hold_the_phase_of_the_audio(features, audios_folder):
    with FeatureStore(features / "guitar_acoustic_phase.h5") as store:
        image = store.read("march").T
    audio, _ = load_audio(audios_folder / "guitar_acoustic" / "march.wav")
    magnitude, phase = forward_transform(audio)
    difference = np.angle(np.exp(1j * (image_to_phase(image) - phase)))
    assert np.abs(difference).max() < 4e-3  # the precision of float16
    restored = inverse_transform(magnitude, image_to_phase(image), audio.size)
    assert np.abs(restored - inverse_transform(magnitude, phase, audio.size)).max() < 1e-3


def test_frames_have_the_magnitude_and_the_phase_of_the_same_place(features):
    stores = {name: FeatureStore(features / f"{name}.h5") for name in PAIR}
    phases = {
        phase_instrument(name): FeatureStore(features / f"{phase_instrument(name)}.h5")
        for name in PAIR
    }
    pairs, _, _ = split_pairs(*(stores[name] for name in PAIR), 0)
    settings = {"random_offsets": True, "shuffle": True, "seed": 3}
    both = FramesWithPhase(pairs, 2, stores=phases, **settings)
    alone = PairedFrames(pairs, 2, **settings)
    for index in range(len(both)):
        windows = [alone.windows(0)[place] for place in alone.positions(index)]
        for side, (found, magnitude) in enumerate(zip(both[index], alone[index], strict=True)):
            assert found.shape == (*magnitude.shape[:-1], 2)
            np.testing.assert_array_equal(found[..., :1], magnitude)
            for frame, window in zip(found, windows, strict=True):
                rendering = window[side].rendering
                image = phases[phase_instrument(PAIR[side])].read(rendering).T
                expected = image[:, window.offset : window.offset + FRAME_COLUMNS]
                columns = min(expected.shape[1], 40)
                np.testing.assert_allclose(
                    (frame[:, :columns, 1] + 1) / 2, expected[:, :columns], atol=1e-6
                )


@pytest.mark.parametrize("columns", [1, 256, 700])
def test_networks_that_do_nothing_change_nothing(columns):
    rng = np.random.default_rng(0)
    image = rng.random((2, 256, columns), np.float32)
    phase = np.float32(rng.uniform(-np.pi, np.pi, image.shape))
    for network in (PhaseNetwork, JointNetwork):
        found, its_phase = network(lambda frames: frames)(image, phase)
        np.testing.assert_allclose(found, image)
        np.testing.assert_allclose(its_phase, phase, atol=1e-6)


def test_the_phase_network_sees_phases_and_the_joint_network_both():
    image, phase = np.full((256, 300), 0.25, np.float32), np.zeros((256, 300), np.float32)

    def swapped(frames):
        return frames[..., ::-1]

    found, its_phase = JointNetwork(swapped)(image, phase)
    np.testing.assert_allclose(found, 0.5)
    np.testing.assert_allclose(its_phase, image_to_phase(image))
    found, its_phase = PhaseNetwork(lambda frames: frames + 0.25)(image, phase)
    np.testing.assert_array_equal(found, image)
    np.testing.assert_allclose(its_phase, np.pi / 2)


def test_training_writes_networks_of_the_right_shape_and_samples(joint, second):
    assert generator_shape(joint / "generator.h5") == (2, 2, 2)
    assert generator_shape(second / "generator.h5") == (2, 1, 1)
    for folder in (joint, second):
        assert float(read_csv(folder / "history.csv")[0]["val_gen_mae"]) > 0
    assert (joint / "samples" / "epoch_001.wav").is_file()
    # the target's sample is its own sound, since its phase is known
    truth, _ = load_audio(joint / "samples" / "target.wav")
    assert np.abs(truth).max() > 0.1


@pytest.mark.parametrize("method", ["network", "input", "griffinlim", "mixed"])
def test_a_joint_network_converts(joint, audios_folder, tmp_path, method):
    source = audios_folder / "keyboard_acoustic" / "arpeggio.wav"
    words = ["--model", joint, "--input", source, "--output", tmp_path / "out.wav"]
    assert predict.main(list(map(str, [*words, "--phase", method]))) == 0
    found, _ = load_audio(tmp_path / "out.wav")
    assert found.size == load_audio(source)[0].size
    assert np.isfinite(found).all()
    assert found.any()


def test_a_second_network_gives_the_phase_alone(joint, second, audios_folder, tmp_path):
    source = audios_folder / "keyboard_acoustic" / "arpeggio.wav"
    model = ["--model", second]  # untrained on magnitudes, but of the right shape
    sounds = {}
    for method, more in (("input", []), ("network", ["--phase_model", second])):
        path = tmp_path / f"{method}.wav"
        words = [*model, "--input", source, "--output", path, "--phase", method, *more]
        assert predict.main(list(map(str, words))) == 0
        sounds[method] = load_audio(path)[0]
    assert np.abs(sounds["input"] - sounds["network"]).max() > 1e-3


def test_training_with_the_phase_names_what_it_lacks(features_folder, tmp_path, capsys):
    words = arguments(features_folder, tmp_path / "run", FLAGS, "--with_phase")
    assert_refused(train_generator.main, words, capsys, "_phase.h5", "--with_phase")
    for flag in ("--augment", "--augment_origin"):
        words = arguments(features_folder, tmp_path / "run", FLAGS, "--with_phase", flag, "eq")
        assert_refused(train_generator.main, words, capsys, f"{flag}:", "--with_phase")


def test_prediction_names_unfit_flags(joint, second, audios_folder, tmp_path, capsys):
    source = audios_folder / "keyboard_acoustic" / "arpeggio.wav"
    convert = ["--model", second, "--input", source, "--output", tmp_path / "out.wav"]
    for more, said in (
        (["--phase", "network"], ["--phase_model", "--with_phase"]),
        (["--phase_model", second], ["--phase_model", "--phase network"]),
        (["--phase", "network", "--phase_model", joint], ["2 input channels"]),
        (["--phase", "network", "--phase_model", tmp_path / "none"], ["none"]),
    ):
        assert_refused(predict.main, list(map(str, [*convert, *more])), capsys, *said)
    assert not (tmp_path / "out.wav").exists()
