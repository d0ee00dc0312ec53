"""Light models of music analysis: tasks and sounds against closed forms, and the scripts."""

import json

import numpy as np
import pytest
import soundfile
from conftest import ROOT, assert_refused, outcome, read_csv, write_notes

from common.cli import UserError
from common.trained import open_examples
from light_mir import evaluate, hear, light, picture, predict, preprocess, sheet, train
from light_mir.examples import windows
from light_mir.scenes import (
    RATE,
    Sounds,
    Sources,
    audible,
    drum_loop,
    make_scene,
    progression,
    roughened,
)
from light_mir.spectrum import image_of
from light_mir.store import ExampleStore
from light_mir.tasks import CHORDS, TASKS, find_task, peaks, pitch_of
from light_mir.trained import Found, load_trained

pytest.importorskip("mir_eval")

VOICES = {("flute_acoustic", 0): (1.0, 0.3), ("violin_acoustic", 0): (1.0, 0.7, 0.6, 0.5, 0.4)}
PITCHES = range(48, 84, 3)
DRUMS = ROOT / "data" / "drums"


def words(*parts):
    return [str(part) for part in parts]


@pytest.fixture(scope="module")
def notes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("notes")
    write_notes(folder, VOICES, PITCHES, (80,))
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Examples of drums, and a network that was trained a little."""
    base = tmp_path_factory.mktemp("light")
    argv = words("--task", "drums", "--drums_path", DRUMS, "--validation_kits", "sonic_pi")
    argv += words("--features_path", base / "drums.h5", "--examples", 45, "--jobs", 1)
    assert preprocess.main(argv) == 0
    argv = words("--features_path", base / "drums.h5", "--output", base / "run", "--width", 2)
    assert train.main([*argv, *words("--epochs", 1, "--batch_size", 16)]) == 0
    return base


def test_peaks_are_local_maxima_above_the_threshold():
    curve = np.array([0.9, 0.2, 0.6, 0.6, 0.1, 0.4, 0.1, 0.7])
    assert peaks(curve, 0.5).tolist() == [0, 2, 7]
    assert peaks(curve, 0.3).tolist() == [0, 2, 5, 7]


@pytest.mark.parametrize("pitch", [24.4, 60.0, 60.37, 94.9])
def test_a_pitch_is_read_from_its_target(pitch):
    target = TASKS["pitch"].target(f"{pitch:g}")
    assert target.sum() == pytest.approx(1, abs=1e-6)
    assert pitch_of(target[np.newaxis])[0] == pytest.approx(pitch, abs=0.02)


@pytest.mark.parametrize("name", TASKS)
def test_the_truth_has_no_error_and_its_opposite_has(name):
    task = TASKS[name]
    roll = ["0" * 50 * len(task.labels)] * 2
    roll[0] = "00100000100000" + roll[0][14:]
    texts = roll if task.events else ["3", "5"] if name != "pitch" else ["60", "70.3"]
    targets = np.stack([task.target(text) for text in texts])
    assert task.error(targets, targets) == 0
    assert task.error(targets, np.roll(targets, 3, axis=1)) == 1
    with pytest.raises(UserError, match="give one of"):
        find_task("melody")


@pytest.mark.parametrize("name", ["pitch", "chords", "drums"])
def test_columns_show_a_sine_at_its_band_and_do_not_depend_on_blocks(name):
    spectrum = TASKS[name].spectrum
    band = spectrum.bands // 2
    hertz = spectrum.centres[band]
    tone = np.sin(2 * np.pi * hertz * np.arange(60000) / RATE).astype(np.float32)
    columns = np.concatenate(list(spectrum.columns([tone])))
    assert len(columns) == len(tone) // spectrum.hop + 1
    middle = columns[len(columns) // 2]
    assert middle.argmax() == band
    assert 0.25 < middle.max() <= 1.05
    parts = np.concatenate(list(spectrum.columns(np.array_split(tone, 7))))
    np.testing.assert_allclose(parts, columns, atol=1e-6)
    image = image_of(columns)
    np.testing.assert_allclose(image_of(0.1 * columns), image, atol=1e-5)
    assert image.max() == 1
    assert image_of(0 * columns).max() == 0


def test_sides_share_neither_notes_nor_kits(notes):
    sources = Sources((notes,), (DRUMS,), ("sonic_pi",))
    training, validation = (Sounds(sources, side) for side in ("training", "validation"))
    pairs = [set(side.notes(("flute", "violin"))) for side in (training, validation)]
    assert not pairs[0] & pairs[1]
    assert len(pairs[0] | pairs[1]) == len(VOICES) * len(PITCHES)
    kits = [{kit for kit, _ in side.hits["kick"]} for side in (training, validation)]
    assert kits[1] == {"sonic_pi"}
    assert not kits[0] & kits[1]
    held_out = Sounds(Sources(drums=(DRUMS,), held_out=True), "test").hits
    assert {kit for kit, _ in held_out["snare"]} == {
        "audiophob",
        "rumpf",
        "MuseScore_General_Lite tr_808",
    }


def test_a_note_has_the_pitch_of_its_truth(notes):
    import librosa

    scene = make_scene(TASKS["pitch"], Sounds(Sources((notes,)), "test"), np.random.default_rng(3))
    heard = librosa.yin(scene.audio, fmin=60, fmax=1500, sr=RATE)
    assert librosa.hz_to_midi(np.median(heard)) == pytest.approx(scene.truth[0][2], abs=0.1)


def test_the_audible_part_of_a_note_ends_40_dB_below_its_loudest():
    decay = np.exp(-np.arange(2 * RATE) / RATE * 12)  # 40 dB after 0.38 s
    begin, end = audible(np.concatenate([np.zeros(RATE), decay]))
    assert begin == RATE
    assert (end - begin) / RATE == pytest.approx(np.log(100) / 12, abs=0.03)


def test_a_loop_begins_to_sound_with_its_events():
    rng = np.random.default_rng(1)
    scene = drum_loop(Sounds(Sources(drums=(DRUMS,)), "test"), rng)
    first = scene.truth[0][0]
    begin = round(first * RATE)
    assert np.abs(scene.audio[:begin]).max(initial=0) == 0
    assert np.abs(scene.audio[begin : begin + 400]).max() > 0.01
    task = TASKS["drums"]
    for image, target in windows(task, scene, rng):
        assert image.shape == (64, 50)
        assert task.target(target).shape == (50, 3)
    rough = roughened(scene.audio, rng)
    assert rough.shape == scene.audio.shape
    assert 0.05 < np.abs(rough).max() <= 1


def test_a_progression_sounds_the_chords_of_its_truth(notes):
    sounds, rng = Sounds(Sources((notes,)), "test"), np.random.default_rng(5)
    scene = progression(sounds, rng)
    ends = [end for _, end, _ in scene.truth]
    assert [start for start, *_ in scene.truth] == [0.0, *ends[:-1]]
    spectrum, right = TASKS["chords"].spectrum, []
    pitches = np.rint(12 * np.log2(spectrum.centres / 440) + 69).astype(int) % 12
    for start, end, label in scene.truth:
        if CHORDS[int(label)] == "N":
            continue
        part = scene.audio[round(start * RATE) : round(end * RATE)]
        power = np.square(np.concatenate(list(spectrum.columns([part])))).mean(axis=0)
        chroma = np.bincount(pitches, power, 12)
        tones = [(int(label) + step) % 12 for step in (0, 3 if label >= 12 else 4, 7)]
        right.append(chroma[tones].sum() / chroma.sum() > 0.5)
    assert np.mean(right) > 0.7


def test_the_store_knows_its_task_and_sides(folder):
    with ExampleStore(folder / "drums.h5") as store:
        training, validation = store.side("training"), store.side("validation")
        assert len(training) + len(validation) == len(store)
        assert store.images(training[:3]).shape == (3, 50, 64, 1)
        assert store.targets(training[:3]).shape == (3, 50, 3)
    with pytest.raises(UserError, match="not of pitch"):
        ExampleStore(folder / "drums.h5", "pitch")


def test_a_recording_is_heard_alike_in_blocks_and_at_once(folder):
    trained = load_trained(folder / "run")
    noise = np.random.default_rng(0).standard_normal(9 * RATE).astype(np.float32) * 0.2
    noise[2 * RATE : 5 * RATE] = 0
    whole, parts = (
        np.concatenate([rows for _, rows in trained.outputs(blocks)])
        for blocks in ([noise], np.array_split(noise, 23))
    )
    np.testing.assert_allclose(parts, whole, atol=1e-5)
    assert whole.shape == (len(noise) // 512 + 1, 3)
    assert not whole[2 * RATE // 512 + 51 : 5 * RATE // 512 - 51].any()  # silence
    found = list(trained.find(np.array_split(noise, 23)))
    peaks_of_whole = sum(len(peaks(whole[:, label])) for label in range(3))
    assert len(found) == peaks_of_whole
    assert found == hear(noise, RATE, folder / "run")


def test_predict_writes_a_table_for_each_recording(folder, tmp_path, capsys):
    noise = np.random.default_rng(0).standard_normal((44100, 2)) * 0.1
    inside = tmp_path / "inside"
    inside.mkdir()
    for name in ("one.wav", "two.flac"):
        soundfile.write(inside / name, noise, 44100)
    (inside / "broken.wav").write_bytes(b"RIFF")
    argv = words("--model", folder / "run", "--input", inside, "--output", tmp_path / "out")
    assert predict.main(argv) == 1
    assert "1 skipped" in capsys.readouterr().err
    assert sorted(path.name for path in (tmp_path / "out").glob("*")) == ["one.csv", "two.csv"]
    argv = words("--model", folder / "run", "--input", inside / "one.wav")
    assert predict.main([*argv, "--output", str(tmp_path / "one.csv")]) == 0
    text = (tmp_path / "one.csv").read_text()
    assert text == (tmp_path / "out" / "one.csv").read_text()
    assert text.startswith("start,end,label,hertz,probability\n")
    argv = words("--model", folder / "run", "--input", inside / "one.wav", "--output", tmp_path)
    assert_refused(predict.main, argv, capsys, "name a CSV file")
    argv = words("--model", folder / "run", "--input", tmp_path / "no.wav")
    assert_refused(predict.main, argv, capsys, "no.wav")
    argv = words("--model", ROOT / "models" / "vae_notes", "--input", inside / "one.wav")
    assert_refused(predict.main, argv, capsys, "vae_generation")


def found_of(scene, task):
    """What a perfect ear hears."""
    if task.name == "pitch":
        step = task.spectrum.hop / task.spectrum.rate
        times = np.arange(0, scene.truth[0][1] + 1, step)
        return [Found(time, time + step, "pitch", scene.truth[0][2], 1.0) for time in times]
    return [
        Found(start, end, task.labels[int(value)], np.nan, 1.0) for start, end, value in scene.truth
    ]


@pytest.mark.parametrize("name", TASKS)
def test_a_perfect_ear_gets_full_marks(name, notes):
    task = TASKS[name]
    sounds = Sounds(Sources((notes,), (DRUMS,), held_out=True), "test")
    scenes = evaluate.scenes_of(task, sounds, 3, seed=1)
    heard = [found_of(scene, task) for scene in scenes]
    assert evaluate.measure(task, scenes, heard) == pytest.approx(1)
    assert evaluate.measure(task, scenes, [[] for _ in scenes]) < 0.2


def test_evaluate_compares_a_network_with_a_plain_method(folder, capsys):
    argv = words("--model", folder / "run", "--drums_path", DRUMS, "--held_out")
    argv += words("--features_path", folder / "drums.h5", "--sounds", 3)
    status, said, _ = outcome(evaluate.main, argv, capsys)
    assert status == 0
    rows = [line.split() for line in said if line.startswith(("run", "onsets"))]
    assert len(rows) == 2
    assert 0 <= float(rows[0][-1]) <= 1
    assert 0.2 < float(rows[1][-1]) <= 1


def rounds(errors, seed):
    rows = [
        {"kind": "ticket", "round": place, "weights": 1000 * 0.7**place, "left": 0.7**place,
         "score": error + 0.01 * seed}
        for place, error in enumerate(errors)
    ]  # fmt: skip
    return [*rows, {"kind": "scratch", "round": 2, "weights": 490, "left": 0.49, "score": 0.5}]


def test_the_lightest_round_without_loss_is_chosen():
    table = light.table_of([rounds([0.2, 0.3, 0.19, 0.22], seed) for seed in (0, 1)])
    assert [row["multiplier"] for row in table] == pytest.approx(
        [1, 0.305 / 0.205, 0.195 / 0.205, 0.225 / 0.205]
    )
    assert table[2]["scratch"] == 0.5
    assert light.choose(table) == 2
    assert light.choose(table, 2.1) == 3
    unfinished = light.table_of([rounds([0.2, 0.3], 0), rounds([0.2, 0.3, 0.4], 1)])
    assert len(unfinished) == 2


def test_lotteries_that_do_not_belong_together_are_refused(folder, tmp_path, capsys):
    argv = words("--model", folder / "run", "--output", tmp_path / "light", "--tickets")
    for name, about in (("one", {"seed": 0}), ("other", {"seed": 1, "dataset_path": "pitch.h5"})):
        (tmp_path / name).mkdir()
        (tmp_path / name / "lottery.json").write_text(json.dumps({"dataset_path": "d.h5"} | about))
    one, other = words(tmp_path / "one", tmp_path / "other")
    assert_refused(light.main, [*argv, one, other], capsys, "other: differs", "in dataset_path")
    assert_refused(light.main, [*argv, one, one], capsys, "same settings and seed 0")
    assert_refused(light.main, [*argv, one], capsys, "rounds.csv")
    with pytest.raises(UserError, match="no round that all of them have"):
        light.choose([])
    assert not (tmp_path / "light").exists()


def test_examples_need_no_settings(folder):
    found = open_examples(folder / "run", folder / "drums.h5", seed=1)
    (images, targets), held_out = found.training[0], found.validation[0]
    assert images.shape == held_out[0].shape == (8, 50, 64, 1)
    assert targets.shape == (8, 50, 3)


@pytest.mark.slow
@pytest.mark.stress
def test_a_light_network_is_a_run_folder(folder, tmp_path, capsys):
    from trimming import lottery

    argv = words("--model", folder / "run", "--dataset_path", folder / "drums.h5", "--rounds", 1)
    argv += words("--epochs", 1, "--steps_per_epoch", 2, "--output", tmp_path / "tickets")
    assert lottery.main([*argv, "--begin", "untrained", "--share", "0.1"]) == 0
    argv = words("--model", folder / "run", "--tickets", tmp_path / "tickets", "--points", 99)
    assert light.main([*argv, "--output", str(tmp_path / "light")]) == 0
    before, after = (load_trained(path).network for path in (folder / "run", tmp_path / "light"))
    assert after.count_params() < before.count_params()
    assert len(read_csv(tmp_path / "light" / "tickets.csv")) == 2
    assert json.loads((tmp_path / "light" / "config.json").read_text())["task"] == "drums"
    argv = words("--features_path", folder / "drums.h5", "--output", tmp_path / "light")
    argv += words("--epochs", 1, "--epoch_offset", 1, "--steps_per_epoch", 1)
    assert_refused(train.main, argv, capsys, "--width")
    assert train.main([*argv, "--width", "2"]) == 0
    assert load_trained(tmp_path / "light").network.count_params() == after.count_params()
    argv = words("--model", folder / "run", "--tickets", folder, "--output", tmp_path / "x")
    assert_refused(light.main, argv, capsys, "lottery.json")


def test_a_sheet_has_four_bars_a_line_and_a_tab_sixteen_cells_a_bar():
    found = [Found(0, 2, "C:maj", np.nan, 1), Found(2, 2.2, "A:min", np.nan, 1),
             Found(2.2, 9, "F#:min", np.nan, 1)]  # fmt: skip
    lines = sheet.chord_sheet(found, 2.0)
    assert [cell.strip() for cell in lines[0].split("|")[1:3]] == ["C", "F#m"]
    hits = [Found(0, 0, "kick", np.nan, 1), Found(0.25, 0.25, "hihat", np.nan, 1),
            Found(2.0, 2.0, "snare", np.nan, 1)]  # fmt: skip
    tab = sheet.drum_tab(hits, 2.0)
    assert tab[0].endswith("HH |--x-------------|----------------|")
    assert tab[1].endswith("SD |----------------|o---------------|")
    assert tab[2].endswith("BD |o---------------|----------------|")


def test_a_piece_becomes_a_sheet_and_a_tab(folder, notes, tmp_path):
    chords = tmp_path / "chords"
    argv = words("--task", "chords", "--notes_path", notes, "--features_path", tmp_path / "c.h5")
    assert preprocess.main([*argv, *words("--examples", 40, "--jobs", 1)]) == 0
    argv = words("--features_path", tmp_path / "c.h5", "--output", chords, "--width", 2)
    assert train.main([*argv, *words("--epochs", 1, "--batch_size", 16)]) == 0
    argv = words("--midi_path", ROOT / "data/midi/pachelbel_canon.mid", "--drums_path", DRUMS)
    argv += words("--notes_path", ROOT / "data/notes", "--chords", chords, "--seconds", 6)
    argv += words("--drums", folder / "run", "--output", tmp_path / "sheet.txt")
    assert sheet.main(argv) == 0
    assert (tmp_path / "sheet.txt").read_text().startswith("pachelbel_canon\n")


def test_mistakes_take_one_line(folder, notes, tmp_path, capsys):
    argv = words("--task", "drums", "--features_path", tmp_path / "x.h5")
    assert_refused(preprocess.main, argv, capsys, "--notes_path")
    argv += words("--drums_path", notes)
    assert_refused(preprocess.main, argv, capsys, "kick, snare and hat")
    argv = words("--features_path", tmp_path / "none.h5", "--output", tmp_path / "run")
    assert_refused(train.main, argv, capsys, "none.h5")
    assert not (tmp_path / "x.h5").exists()


def test_tables_become_a_picture(folder, tmp_path):
    from common.files.text import write_rows

    with pytest.raises(UserError, match=r"tickets\.csv"):
        picture.read_table(folder / "run")
    table = light.table_of([rounds([0.2, 0.3, 0.19], 0)])
    for name in ("config.json", "network.h5"):
        (tmp_path / name).write_bytes((folder / "run" / name).read_bytes())
    write_rows(tmp_path / "tickets.csv", table)
    assert picture.read_table(tmp_path)[2] == pytest.approx(table[2], rel=1e-6)
    argv = words("--model", tmp_path, "--output", tmp_path / "a.png")
    assert picture.main(argv) == 0
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
