"""Scripts print on stderr only what a user has to know."""

import os
import subprocess
import sys

import pytest
from conftest import ROOT

from stress.tiny_soundfont import write_soundfont

TAKE = "docs/example_input.ogg"
PIPELINES = [  # each line uses the files of the lines before
    [
        "evaluate.py --model MODELS/keyboard_acoustic_2_guitar_acoustic --dataset_path FEATURES "
        "--pieces all --output out"
    ],
    ["predict.py --input TAKE --output out.wav"],
    ["predict_multitarget.py --input TAKE --style TAKE --output out.wav"],
    [
        "train.py --dataset_path FEATURES --origin keyboard_acoustic --target guitar_acoustic "
        "--width 2 --epochs 1 --steps_per_epoch 1 --batch_size 1 --output run"
    ],
    [
        "train_generator.py --dataset_path FEATURES --origin keyboard_acoustic --target "
        "guitar_acoustic --width 2 --epochs 1 --steps_per_epoch 1 --batch_size 1 --output run"
    ],
    [
        "train_multitarget.py --dataset_path FEATURES --origin keyboard_acoustic --target "
        "guitar_acoustic --width 2 --epochs 1 --steps_per_epoch 1 --batch_size 1 --output run"
    ],
    ["-m time_stretching.stretch --input TAKE --rate 0.8 --output out.wav"],
    ["-m vae_generation.generate --reconstruct TAKE --output out.wav"],
    [
        "-m random_cnn_style.mix --content TAKE --style TAKE --filters 32 --iterations 1 --output "
        "out.wav"
    ],
    [
        "-m vae_generation.preprocess --audio_path AUDIOS --features_path store.h5 "
        "--hop_seconds 1.024 --jobs 1",
        "-m vae_generation.train --features_path store.h5 --latent_dim 2 --epochs 1 --output run",
        "-m vae_generation.train_continuation --model run --features_path store.h5 --steps 2 "
        "--epochs 1",
    ],
    [
        "-m time_stretching.preprocess --audio_path AUDIOS --features_path store.h5 --jobs 1",
        "-m time_stretching.train_autoencoder --features_path store.h5 --epochs 1 --output run "
        "--validation_split 0.3",
        "-m time_stretching.train_corrector --model run --features_path store.h5 --epochs 1 "
        "--steps_per_epoch 1 --validation_split 0.3",
        "-m time_stretching.evaluate --model run --audio_path AUDIOS --rates 1 --seconds 1",
    ],
    [
        "synthesize_notes.py --soundfont SOUNDFONT --out notes --instruments organ_electronic=0:0 "
        "--pitches 60:61 --velocities 80",
        "make_corpus.py --midi_path corpus --composers --etudes 1",
        "synthesize_audios.py --nsynth_path NOTES --midi_path MIDI --audios_path audios "
        "--instruments guitar_acoustic --jobs 1",
        "compute_features.py --audios_path audios --features_path features --jobs 1",
    ],
    [
        "import_notes.py --input NOTES --out imported --jobs 1 --rate 22050",
        "-m common.music.dataset imported",
    ],
    ["-m vae_generation.evaluate --audio_path SHIPPED"],
    [
        "-m random_cnn_style.evaluate --audios_path AUDIOS --pairs 1 --iterations 1 --filters 16 "
        "--start 0 --seconds 1 --style_seconds 1"
    ],
    ["ship_model.py --model MODELS/keyboard_acoustic_2_guitar_acoustic --output shipped"],
]


@pytest.mark.slow
@pytest.mark.stress
@pytest.mark.parametrize("lines", PIPELINES, ids=lambda lines: lines[-1].split(" --")[0])
def test_stderr_is_empty(python, lines, request, tmp_path):
    words = {
        "AUDIOS": request.getfixturevalue("audios_folder"),
        "FEATURES": request.getfixturevalue("features_folder"),
        "MIDI": request.getfixturevalue("midi_folder"),
        "NOTES": request.getfixturevalue("notes_folder"),
        "SHIPPED": ROOT / "data" / "notes",
        "SOUNDFONT": write_soundfont(tmp_path / "tiny.sf2"),
        "MODELS": ROOT / "models",
        "TAKE": ROOT / TAKE,
    }
    for line in lines:
        argv = line
        for word, path in words.items():
            argv = argv.replace(word, str(path))
        done = python(argv.split(), tmp_path)
        assert done.returncode == 0, done.stderr
        progress = [part for part in done.stderr.splitlines() if "it/s" not in part and part]
        assert not progress, done.stderr


@pytest.fixture
def python():
    """Function that runs a script or module of the project in a folder."""

    def run(argv, folder):
        if argv[0] != "-m":
            argv = [str(ROOT / argv[0]), *argv[1:]]
        known = {name: text for name, text in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
        return subprocess.run(
            [sys.executable, *argv],
            cwd=folder,
            env=known | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )

    return run
