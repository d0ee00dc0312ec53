"""MoVE: batches, networks and losses against closed forms, and the scripts."""

import json

import keras
import numpy as np
import pytest
import soundfile
from conftest import assert_refused, make_note, outcome, read_csv, write_notes

from common.cli import UserError
from common.music.pitch import has_swift
from common.music.split import held_out_notes
from common.networks.conditions import NoteConditions
from common.networks.mmd import squared_mmd
from common.training.flags import parsed
from common.training.weights import save_h5
from move import (
    evaluate,
    generate,
    page,
    preprocess,
    sections,
    train,
    transfer,
    transfer_to,
    traverse,
)
from move.ages import AGES
from move.batches import Transfers
from move.model import MODULATIONS, Architecture, Move, build_decoder, build_encoder
from move.pitches import TRACKERS, heard_pitches
from move.slices import COLUMNS, Slices, cut
from move.store import SliceStore
from move.trained import TrainedMove

RATE = 16000
SLICES = Slices(RATE)
VOICES = {
    ("flute_acoustic", 0): (1.0, 0.1),
    ("oboe_acoustic", 0): (0.3, 1.0, 0.8, 0.5),
    ("violin_acoustic", 0): (1.0, 0.7, 0.6, 0.5, 0.4),
}
PITCHES = (50, 55, 60, 62, 65, 69, 72, 76)
CONDITIONS = NoteConditions(tuple(name for name, _ in VOICES))


def words(*parts):
    return [str(part) for part in parts]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Notes, their store, a solo and a trained model."""
    base = tmp_path_factory.mktemp("move")
    write_notes(base / "notes", VOICES, PITCHES, (80,))
    argv = words("--audio_path", base / "notes", "--features_path", base / "slices.h5")
    assert preprocess.main([*argv, "--sample_rate", str(RATE), "--jobs", "1"]) == 0
    solo = np.concatenate([make_note(pitch, (1, 0.5, 0.3), 0.4, rate=44100) for pitch in (60, 64)])
    soundfile.write(base / "solo.wav", np.stack([solo, 0.5 * solo], axis=-1), 44100)
    argv = words("--features_path", base / "slices.h5", "--output", base / "run")
    argv += words("--epochs", 1, "--steps_per_epoch", 2, "--batch_size", 16)
    assert train.main(argv) == 0
    return base


def test_held_out_notes_leave_every_pitch_class_and_octave_in_training():
    notes = {(name, pitch) for name in ("a", "b", "c") for pitch in range(40, 88)}
    others = held_out_notes(notes, 0.25)
    assert 0.15 < len(others) / len(notes) < 0.35
    trained = notes - others
    for same in (lambda note: note[1] % 12, lambda note: (note[0], note[1] // 12)):
        assert {same(note) for note in trained} == {same(note) for note in notes}
    assert held_out_notes(notes | {("d", 60)}, 0.25) - {("d", 60)} == others
    assert not held_out_notes({("a", 60)}, 0.99)
    assert not held_out_notes(notes, 0)


def test_columns_of_a_held_out_note_are_on_no_other_side(folder):
    with SliceStore(folder / "slices.h5") as store:
        assert store.slices == SLICES
        training, held_out = store.split(0.25)
        assert len(training) + len(held_out) == len(store)
        assert held_out
        sides = [
            {(store.rows[index].instrument, store.rows[index].pitch) for index in side}
            for side in (training, held_out)
        ]
        assert not sides[0] & sides[1]
        row = store.rows[training[3]]
        note = make_note(row.pitch, VOICES[row.instrument, 0], level=0.7 * 80 / 127)
        expected = cut(SLICES.image(note)[0], COLUMNS)[row.number]
        # the file has 16 bits
        np.testing.assert_allclose(store.read([training[3]])[0], expected, atol=0.02)


def test_notes_that_are_moved_are_trained_on_at_other_pitches(tmp_path):
    voices, pitches = {("flute_acoustic", 0): (1.0, 0.1)}, range(50, 74)
    write_notes(tmp_path / "notes", voices, pitches, (80,))
    argv = words("--audio_path", tmp_path / "notes", "--features_path", tmp_path / "slices.h5")
    argv += words("--sample_rate", RATE, "--jobs", 1, "--shift", 1)
    assert preprocess.main(argv) == 0
    with SliceStore(tmp_path / "slices.h5") as store:
        rows = store.rows
        assert {row.pitch for row in rows} == {*range(49, 75)}
        assert {row.played.pitch for row in rows} == set(pitches)
        training, held_out = store.split(0.25)
        assert held_out
        assert not {rows[index].moved for index in held_out} - {0}
        others = {rows[index].pitch for index in held_out}
        assert not {rows[index].played.pitch for index in training} & others
        place = next(i for i in training if rows[i].moved == 1 and rows[i].number == 1)
        # as the tone of the higher pitch, but for the time of the attack
        wanted = cut(SLICES.image(make_note(rows[place].pitch, (1.0, 0.1), 0.7))[0], COLUMNS)[1]
        found = store.read([place])[0]
        loud = wanted > 1 - 30 / 80
        assert np.abs(found - wanted)[loud].mean() * 80 < 2  # dB


def test_what_is_no_note_is_left_out_and_counted(tmp_path, capsys):
    write_notes(tmp_path / "notes", {("flute_acoustic", 0): (1.0,)}, (9, 60), (80,))
    soundfile.write(tmp_path / "notes" / "song.wav", make_note(60), RATE)
    soundfile.write(tmp_path / "notes" / "flute_acoustic_000-061-080.wav", np.zeros(RATE), RATE)
    (tmp_path / "notes" / "flute_acoustic_000-062-080.wav").write_bytes(b"RIFF")
    argv = words("--audio_path", tmp_path / "notes", "--features_path", tmp_path / "x.h5")
    status, out, err = outcome(preprocess.main, [*argv, "--jobs", "1"], capsys)
    assert status == 1
    assert "of 1 note, 1 instrument" in out[0]
    assert "1 silent note left out, 1 note out of reach left out, 1 file not named" in out[0]
    assert any("000-062-080.wav" in line for line in err)


def some_networks(condition):
    """Encoder and decoder whose modulations are not those of the beginning."""
    rng, architecture = np.random.default_rng(0), Architecture(500, condition)
    networks = build_encoder(architecture), build_decoder(architecture)
    for network in networks:
        network.set_weights([w + rng.normal(0, 0.05, w.shape) ** 2 for w in network.get_weights()])
    return networks


def test_a_model_is_told_ages_or_none():
    old, new = (
        TrainedMove(*some_networks(CONDITIONS.length + more), SLICES, CONDITIONS)
        for more in (0, AGES)
    )
    slices = np.random.default_rng(0).random((3, 500, COLUMNS)).astype(np.float32)
    for trained in (old, new):
        first = trained.transfer(slices, [60] * 3, "oboe_acoustic")
        given = trained.transfer(slices, [60] * 3, "oboe_acoustic", ages=(0, 1, 2))
        np.testing.assert_array_equal(first, given)
        again = trained.transfer(slices, [60, 60, 62], "oboe_acoustic")
        given = trained.transfer(slices, [60, 60, 62], "oboe_acoustic", ages=(0, 1, 0))
        np.testing.assert_array_equal(again, given)
        later = trained.transfer(slices, [60] * 3, "oboe_acoustic", ages=[9, 9, 9])
        assert np.array_equal(later, first) == (trained is old)


def test_a_transfer_takes_latent_vectors_to_those_of_the_target():
    networks = some_networks(CONDITIONS.length + AGES)
    spreads = {
        name: np.float32([[number, 0, -number], [1, 2, 1 + number]])
        for number, name in enumerate(CONDITIONS.instruments)
    }
    plain = TrainedMove(*networks, SLICES, CONDITIONS)
    trained = TrainedMove(*networks, SLICES, CONDITIONS, spreads=spreads)
    slices = np.random.default_rng(0).random((3, 500, COLUMNS)).astype(np.float32)
    flute, _, violin = CONDITIONS.instruments
    made = trained.transfer(slices, [60] * 3, violin, flute)
    moved = plain.encode_slices(slices, [60] * 3, flute) * np.float32([1, 1, 3]) + [2, 0, -2]
    expected = plain.decode_slices(moved, [60] * 3, violin)
    np.testing.assert_allclose(made, expected, atol=1e-5)
    np.testing.assert_allclose(trained.transfer(slices, [60] * 3, [violin] * 3, [flute] * 3), made)
    unknown, same = (one.transfer(slices, [60] * 3, violin) for one in (trained, plain))
    np.testing.assert_array_equal(unknown, same)


def test_a_transfer_is_as_loud_as_what_is_given():
    trained = TrainedMove(*some_networks(CONDITIONS.length), SLICES, CONDITIONS)
    tone = make_note(60, (1, 0.5), 0.5)
    image, level = trained.note_image(tone)
    plain, faint = (trained.note_sound(one, level) for one in (image, np.maximum(image - 0.25, 0)))
    assert np.abs(plain).max() == pytest.approx(np.abs(faint).max(), rel=0.2)
    given = tone[np.newaxis]

    def fainter(images):
        return np.maximum(images - 0.2, 0)  # by 16 dB

    def purer(images):
        loudest = images == images.max(axis=1, keepdims=True)
        return np.where(loudest, np.minimum(images, 0.99), 0)

    plain = next(sections.change_blocks([given], SLICES, iterations=8))
    for change in (fainter, purer):
        changed = TrainedMove(trained.encoder, trained.decoder, SLICES, CONDITIONS)
        changed.transfer = lambda images, *_, change=change, **__: change(images)
        made = next(sections.transfer_blocks([given], changed, "oboe_acoustic", iterations=8))
        energies = [np.square(one).sum() for one in (made, plain)]
        assert energies[0] == pytest.approx(energies[1], rel=0.25)


def test_a_transfer_changes_the_level_as_the_instruments_differ():
    levels = {"flute_acoustic": -20.0, "oboe_acoustic": -26.0}
    trained = TrainedMove(*some_networks(CONDITIONS.length), SLICES, CONDITIONS, levels)
    assert trained.gain("oboe_acoustic", "flute_acoustic") == pytest.approx(0.501, abs=1e-3)
    assert trained.changed_level(2.0, "flute_acoustic", "oboe_acoustic") == pytest.approx(
        3.99, 0.01
    )
    for unknown in (None, "violin_acoustic"):
        assert trained.gain("oboe_acoustic", unknown) == 1
    tone = make_note(60, (1, 0.5), 0.5)[np.newaxis]
    made, louder = (
        next(sections.change_blocks([tone], SLICES, iterations=2, gain=gain)) for gain in (1, 3)
    )
    np.testing.assert_allclose(louder, 3 * made, rtol=1e-5)


def make_batches(folder, **settings):
    store = SliceStore(folder / "slices.h5")
    rows = store.rows
    vectors = CONDITIONS.vectors([row.instrument for row in rows], [row.pitch for row in rows])
    instruments = CONDITIONS.parts["instrument"]
    every = range(len(rows))
    return Transfers(store, every, 24, vectors=vectors, instruments=instruments, **settings)


def test_a_batch_is_a_pair_of_instruments_that_play_the_same_pitches(folder):
    batches = make_batches(folder, shuffle=True, steps=3, seed=1)
    (image, told, own, target, matched), truth = batches[0]
    np.testing.assert_array_equal(image, truth)
    assert image.shape == (24, 500, COLUMNS, 1)
    parts = CONDITIONS.parts
    np.testing.assert_array_equal(own[:, : parts["octave"].stop], target[:, : parts["octave"].stop])
    part = parts["instrument"]
    changed = (own[:, part] != target[:, part]).any(axis=1)
    np.testing.assert_array_equal(changed, matched[:, 0] == 1)
    assert 0.6 < matched.mean() < 0.9
    pair = own[:, part].any(axis=0)
    assert pair.sum() == 2
    groups = [
        own[(own[:, part].argmax(axis=1) == place) & changed] for place in np.flatnonzero(pair)
    ]
    pitches = [group[:, : part.start].sum(axis=0) for group in groups]
    np.testing.assert_array_equal(*pitches)
    untold = ~told[:, part].any(axis=1)
    assert 0 < untold.sum() < 24
    np.testing.assert_array_equal(told[~untold], own[~untold])
    again = make_batches(folder, shuffle=True, steps=3, seed=1)
    np.testing.assert_array_equal(again[0][1], truth)
    again.epoch = 1
    assert not np.array_equal(again[0][1], truth)


@pytest.mark.parametrize("modulation", MODULATIONS)
def test_networks_are_of_stock_layers_and_hear_of_the_note_or_do_not(tmp_path, modulation):
    architecture = Architecture(500, CONDITIONS.length, modulation=modulation).check()
    encoder, decoder = build_encoder(architecture), build_decoder(architecture)
    assert encoder.count_params() + decoder.count_params() < 2e6
    rng = np.random.default_rng(0)
    for network in (encoder, decoder):  # modulations begin as none
        network.set_weights([w + rng.normal(0, 0.05, w.shape) ** 2 for w in network.get_weights()])
    notes = CONDITIONS.vectors(["flute_acoustic", "oboe_acoustic"], [60, 71])
    latent = np.ones((2, 3), np.float32)
    decoded = np.asarray(decoder([latent, notes]))
    assert decoded.shape == (2, 500, COLUMNS, 1)
    assert np.allclose(decoded[0], decoded[1], atol=1e-6) == (modulation == "none")
    mean, log_variance = encoder([decoded, notes])
    assert mean.shape == log_variance.shape == (2, 3)
    save_h5(decoder, tmp_path / "decoder.h5")
    again = keras.models.load_model(tmp_path / "decoder.h5", compile=False)
    assert {type(layer).__module__.partition(".")[0] for layer in again.layers} == {"keras"}
    np.testing.assert_allclose(again([latent, notes]), decoded, atol=1e-6)


def test_layers_are_those_of_the_figure():
    architecture = Architecture(500, CONDITIONS.length)
    for build, expected in ((build_encoder, (2, 0, 3)), (build_decoder, (0, 3, 4))):
        names = [type(layer).__name__ for layer in build(architecture).layers]
        dense = [
            layer
            for layer in build(architecture).layers
            if layer.name.partition("_")[2].startswith("dense")
        ]
        found = names.count("Conv2D"), names.count("Conv2DTranspose"), len(dense)
        assert found == expected


def test_the_published_widths_have_67_million_weights():
    encoder = build_encoder(Architecture(500, 12 + 9 + 12, "published").check())
    assert 2 * encoder.count_params() == pytest.approx(67e6, rel=0.03)


@pytest.mark.parametrize(("changes"), [{"bins": 499}, {"size": "huge"}, {"modulation": "magic"}])
def test_architectures_that_do_not_exist_are_refused(changes):
    with pytest.raises(UserError):
        Architecture(500, 24)._replace(**changes).check()


def test_the_loss_is_the_sum_of_its_parts(folder):
    keras.utils.set_random_seed(0)
    architecture = Architecture(500, CONDITIONS.length)
    part = CONDITIONS.parts["instrument"]
    networks = build_encoder(architecture), build_decoder(architecture)
    model = Move(*networks, weight=100.0, prior="kl", instruments=part)
    model.compile(keras.optimizers.Adam(1e-3), run_eagerly=True)
    model.beta.assign(0.5)
    model.transfer.assign(2.0)
    x, y = make_batches(folder)[0]
    scores = model.evaluate(x, y, batch_size=24, verbose=0, return_dict=True)
    image, told, own, target, matched = x
    mean, log_variance = (np.asarray(found) for found in model.encoder([image, told]))
    decoded, made = (np.asarray(model.decoder([mean, note])) for note in (own, target))
    assert scores["reconstruction"] == pytest.approx(np.square(y - decoded).mean(), rel=1e-4)
    kl = (np.square(mean) + np.exp(log_variance) - log_variance - 1).sum(axis=1).mean() / 2
    assert scores["prior"] == pytest.approx(kl, rel=1e-4)
    groups = target[:, part] * matched, own[:, part] * matched
    pooled = [one.reshape(24, 500, 4, 4).mean(axis=3).reshape(24, -1) for one in (made, y)]
    means = [one.mean(axis=(2, 3)) for one in (made, y)]
    expected = sum(float(squared_mmd(*pair, groups=groups)) for pair in (pooled, means))
    assert scores["discrepancy"] == pytest.approx(expected, rel=1e-3)
    total = 100 * scores["reconstruction"] + 0.5 * scores["prior"] + 2 * scores["discrepancy"]
    assert scores["loss"] == pytest.approx(total, rel=1e-4)


def test_an_adversary_may_take_the_place_of_the_discrepancy(folder):
    flags = {"features_path": folder / "slices.h5", "output": folder / "none", "batch_size": 8}
    session = train.Session(
        **parsed(train.build_parser(), flags | {"translation": "adversarial", "mmd_weight": 3})
    )
    model = session.build()
    model.run_eagerly = True  # a single step
    x, y = session.training[0]
    kept = [np.array(weight) for weight in model.critic.get_weights()]
    scores = model.train_on_batch(x, y, return_dict=True)
    session.store.close()
    assert scores["critic"] == pytest.approx(2 * np.log(2) * x[-1].mean(), rel=0.2)
    parts = 1e4 * scores["reconstruction"] + scores["prior"] + scores["critic"]
    assert scores["loss"] == pytest.approx(parts, rel=1e-3)
    assert scores["discrepancy"] > 0
    assert not np.array_equal(model.critic.get_weights()[0], kept[0])


@pytest.mark.parametrize("tracker", TRACKERS)
def test_pitches_are_heard_in_each_slice(tracker):
    if tracker == "swift-f0" and not has_swift():
        pytest.skip("swift-f0 is not installed")
    notes = [make_note(pitch, (1, 0.5), 0.5) for pitch in (60, 67)]
    silence = np.zeros(RATE // 2, np.float32)
    audio = np.concatenate([silence, *notes, silence])
    heard = heard_pitches(audio, SLICES, tracker)
    seconds = np.arange(len(heard.pitches)) * SLICES.samples / 2 / RATE
    assert len(heard.pitches) == len(cut(SLICES.image(audio)[0]))
    assert (heard.pitches[seconds < 0.8] == 60).all()  # also before the first note
    assert (heard.pitches[seconds > 1.1] == 67).all()  # also after the last one
    inside = (seconds > 0.6) & (seconds < 1.3) & (np.abs(seconds + 0.0625 - 1) > 0.1)
    assert heard.voiced[inside].all()
    assert not heard.voiced[(seconds < 0.3) | (seconds > 1.75)].any()
    begins = [heard.ages[(seconds > second) & (seconds < second + 0.2)] for second in (0.4, 0.9)]
    assert [part.min() for part in begins] == [0, 0]  # where the notes begin
    later = heard.ages[(seconds > 1.3) & (seconds < 1.5)]
    assert later[0] in (4, 5, 6)
    assert (np.diff(later) == 1).all()
    nothing = heard_pitches(np.zeros(9, np.float32), SLICES, tracker, before=7)
    assert nothing.ages.tolist() == [8]
    assert nothing.pitches.tolist() == [60]
    assert not nothing.voiced.any()


def test_a_tracker_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setattr("common.music.pitch._swift", lambda: None)
    with pytest.raises(UserError, match="make notes"):
        heard_pitches(np.zeros(9, np.float32), SLICES, "swift-f0")


def test_a_recording_is_changed_in_sections_without_seams(monkeypatch):
    monkeypatch.setattr(sections, "_SECTION", 8)
    time = np.arange(3 * RATE) / RATE
    tone = np.float32(0.3 * np.sin(2 * np.pi * 330 * time))
    blocks = np.split(np.stack([tone, 0 * tone]), [1000, 9000], axis=-1)
    made = sections.change_blocks(blocks, SLICES, iterations=16)
    made = np.concatenate(list(made), axis=-1)
    assert made.shape == (2, tone.size)
    assert not made[1].any()
    levels = np.sqrt(np.square(made[0][: 46 * 1000].reshape(46, 1000)).mean(axis=1))[3:-3]
    np.testing.assert_allclose(levels, 0.3 / np.sqrt(2), rtol=0.1)
    spectrum = np.abs(np.fft.rfft(made[0] * np.hanning(tone.size)))
    assert np.argmax(spectrum) / 3 == pytest.approx(330, abs=1)


def test_a_run_folder_holds_everything(folder):
    run = folder / "run"
    rows = read_csv(run / "history.csv")
    assert len(rows) == 1
    for loss in ("loss", "reconstruction", "prior", "discrepancy"):
        assert np.isfinite([float(rows[0][loss]), float(rows[0][f"val_{loss}"])]).all()
    config = json.loads((run / "config.json").read_text())
    assert config["conditions"]["instruments"] == list(CONDITIONS.instruments)
    assert not set(config["split"]["training"]) & set(config["split"]["held_out"])
    for name in ("encoder.h5", "decoder.h5", "latents.h5", "latents.png", "transfers.png"):
        assert (run / name).stat().st_size > 0


def test_a_solo_is_transferred_beside_its_plain_inversion(folder, tmp_path):
    argv = words("--input", folder / "solo.wav", "--to", "violin", "--iterations", 4)
    argv += words("--model", folder / "run")
    assert transfer.main([*argv, "--output", str(tmp_path / "one.wav")]) == 0
    made, rate = soundfile.read(tmp_path / "one.wav")
    plain, _ = soundfile.read(tmp_path / "one_plain.wav")
    given, _ = soundfile.read(folder / "solo.wav")
    assert rate == 44100
    assert made.shape == plain.shape == given.shape
    levels = [np.sqrt(np.square(audio[4000:14000]).mean(axis=0)) for audio in (plain, given)]
    np.testing.assert_allclose(*levels, rtol=0.4)
    in_memory = transfer_to(given.T, 44100, "violin", folder / "run", iterations=4)
    np.testing.assert_allclose(in_memory.T, made, atol=0.02)


@pytest.mark.parametrize(
    ("flags", "word"),
    [
        (["--to", "tuba"], "tuba"),
        (["--to", "oboe", "--from", "drum"], "drum"),
        (["--to", "oboe", "--from", ""], "''"),
        (["--to", "oboe", "--input", "none.wav"], "none.wav"),
        (["--to", "oboe", "--output", "x.txt"], "--output"),
        (["--to", "oboe", "--model", "none"], "config.json"),
    ],
)
def test_transfers_that_cannot_be_made_are_refused(folder, tmp_path, capsys, flags, word):
    argv = words("--input", folder / "solo.wav", "--output", tmp_path / "out.wav")
    assert_refused(transfer.main, [*argv, "--model", str(folder / "run"), *flags], capsys, word)
    assert not list(tmp_path.iterdir())


def test_silence_and_stores_of_other_systems_are_refused(folder, tmp_path, capsys):
    soundfile.write(tmp_path / "silent.wav", np.zeros(RATE), RATE)
    argv = words("--input", tmp_path / "silent.wav", "--output", tmp_path / "out.wav", "--to")
    argv += words("oboe", "--model", folder / "run", "--iterations", 1)
    assert_refused(transfer.main, argv, capsys, "silent.wav", "is silent")
    assert [path.name for path in tmp_path.iterdir()] == ["silent.wav"]
    (tmp_path / "out.wav").write_bytes(b"of an earlier transfer")
    assert_refused(transfer.main, argv, capsys, "silent.wav", "is silent")
    assert (tmp_path / "out.wav").read_bytes() == b"of an earlier transfer"
    (tmp_path / "bad.h5").write_bytes(b"no store")
    argv = words("--features_path", tmp_path / "bad.h5", "--output", tmp_path / "run")
    assert_refused(train.main, argv, capsys, "bad.h5")


def test_notes_are_generated_from_points(folder, tmp_path):
    argv = words("--model", folder / "run", "--output", tmp_path, "--seconds", 0.6)
    assert generate.main([*argv, "--notes", "violin C4", "oboe, 69"]) == 0
    first = tmp_path / "violin_acoustic_000-060-100.wav"
    audio, rate = soundfile.read(first)
    assert audio.size / rate == pytest.approx(0.6, abs=0.07)
    assert 0 < np.abs(audio).max() < 1
    assert (tmp_path / "oboe_acoustic_000-069-100.wav").exists()
    assert generate.main([*argv, "--notes", "violin C4", "--points", "0", "0", "1"]) == 0
    assert not np.array_equal(soundfile.read(first)[0], audio)


@pytest.mark.parametrize(
    ("flags", "word"),
    [
        (["--notes", "violin"], "'violin C4'"),
        (["--notes", "tuba C4"], "tuba"),
        (["--notes", "violin C4", "--points", "1", "2"], "--points"),
        (["--notes", "violin C10"], "'violin C4'"),
    ],
)
def test_notes_that_cannot_be_made_are_refused(folder, tmp_path, capsys, flags, word):
    argv = words("--model", folder / "run", "--output", tmp_path / "out", *flags)
    assert_refused(generate.main, argv, capsys, word)


def test_maps_of_the_latent_space(folder, tmp_path):
    argv = words("--model", folder / "run", "--note", "oboe C4", "--points", 2)
    assert traverse.main([*argv, "--output", str(tmp_path / "maps.png")]) == 0
    assert (tmp_path / "maps.png").stat().st_size > 10_000


def test_figures_are_printed(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(TrainedMove, "note_seconds", 0.5)
    monkeypatch.setattr(evaluate, "_SPEED_SECONDS", 1)
    monkeypatch.setattr(evaluate, "_HEARD", 2)
    recorded = tmp_path / "audio"
    write_notes(recorded, {("horn_acoustic", 0): (1.0, 0.6)}, (60, 62), (80,))
    argv = words("--audio_path", folder / "notes", "--model", folder / "run", "--notes", 1)
    argv += words("--judge_path", folder / "notes", "--instruments", "oboe", "violin")
    assert evaluate.main([*argv, "--recordings", str(recorded)]) == 0
    out = capsys.readouterr().out
    for word in (
        "are held out",
        "mmd_ratio",
        "nearer_of_8",
        "pitch_class",
        "judge",
        "other_judge",
        "horn",
        "recordings",
        "LSD",
        "speed",
    ):
        assert word in out


def test_a_page_shows_space_transfers_descriptors_and_maps(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(TrainedMove, "note_seconds", 0.5)
    monkeypatch.setattr(page, "_SECONDS", 0.3)
    argv = words("--model", folder / "run", "--audio_path", folder / "notes", "--sounds", 2)
    argv += words("--notes", 2, "--points", 2, "--output", tmp_path / "space.html")
    assert page.main([*argv, "--transfers", "flute=oboe"]) == 0
    text = (tmp_path / "space.html").read_text(encoding="utf-8")
    data = json.loads(text.partition('<script type="application/json">')[2].partition("</scr")[0])
    assert sum(point["audio"] is not None for point in data["points"]) == 2
    assert text.count('<section class="exhibit">') == 3
    assert text.count("<audio controls") == 3
    assert "From flute to oboe: descriptors" in text
    assert "Maps of descriptors: oboe" in text
    for flags, word in ((["flute"], "flute=violin"), (["flute=tuba"], "tuba")):
        assert_refused(page.main, [*argv, "--transfers", *flags], capsys, word)


def test_the_ablation_is_one_command(folder, monkeypatch, capsys):
    made = []

    def without_training(**flags):
        parsed(train.build_parser(), flags)
        made.append((flags.get("modulation"), flags.get("mmd_weight"), flags["seed"]))
        return folder / "run"

    monkeypatch.setattr(train, "train", without_training)
    monkeypatch.setattr(evaluate.Evaluation, "pairs", lambda self: [])
    monkeypatch.setattr(evaluate.Evaluation, "summary", lambda self, rows: {"LSD": 0.5})
    argv = words("--audio_path", folder / "notes", "--ablation", folder / "five", "--seeds", 2)
    assert_refused(evaluate.main, argv, capsys, "--features_path")
    assert evaluate.main([*argv, "--features_path", str(folder / "slices.h5")]) == 0
    assert made[::2] == [
        (None, None, 0),
        ("none", None, 0),
        ("concatenate", None, 0),
        (None, 0, 0),
        (None, None, 0),
    ]
    lines = capsys.readouterr().out.splitlines()
    for name in evaluate.ABLATION:
        assert any(name in line and "0.500 ± 0.000" in line for line in lines)
