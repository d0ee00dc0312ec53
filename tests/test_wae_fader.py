"""WAE-Fader: images, networks and losses against closed forms, and the scripts."""

import json

import keras
import numpy as np
import pytest
import soundfile
from conftest import assert_refused, frequency_of, make_note, outcome, read_csv, write_notes

from common.cli import UserError
from common.networks.adversary import build_classifier
from common.networks.conditions import NoteConditions
from common.report.note_judges import read_from
from common.report.space import require_three, spread_out
from common.trained import open_model
from common.training.flags import parsed
from common.training.weights import save_h5
from wae_fader import (
    evaluate,
    export,
    generate,
    generate_note,
    mix,
    page,
    preprocess,
    renderers,
    restyle,
    train,
    train_mcnn,
)
from wae_fader.batches import Notes
from wae_fader.images import SIZES, NoteImages
from wae_fader.mcnn import strides_of
from wae_fader.model import Architecture, Fader, build_decoder, build_encoder
from wae_fader.store import NoteStore
from wae_fader.trained import load_trained, read_latents
from wae_fader.ways import parse_weights

RATE = 16000
IMAGES = SIZES["small"]
VOICES = {
    ("flute_acoustic", 0): (1.0, 0.1),
    ("oboe_acoustic", 0): (0.3, 1.0, 0.8, 0.5),
    ("violin_acoustic", 0): (1.0, 0.7, 0.6, 0.5, 0.4),
}
PITCHES = (48, 50, 53, 55, 57, 60, 62, 64, 65, 67, 69, 70)
NUMBER = len(PITCHES) * len(VOICES)
CONDITIONS = NoteConditions(tuple(name for name, _ in VOICES))
ROW = {"LSD": 0.5, "mmd_of_samples": 0.1}  # of a table


def words(*parts):
    return [str(part) for part in parts]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Notes, their store and a trained model."""
    base = tmp_path_factory.mktemp("wae_fader")
    write_notes(base / "notes", VOICES, PITCHES, (80,))
    argv = words("--audio_path", base / "notes", "--features_path", base / "notes.h5")
    assert preprocess.main([*argv, "--jobs", "1"]) == 0
    argv = words("--features_path", base / "notes.h5", "--output", base / "run")
    argv += words("--epochs", 1, "--steps_per_epoch", 2, "--validation_split", 0.5)
    assert train.main(argv) == 0
    return base


@pytest.fixture(scope="module")
def trained(folder):
    return load_trained(folder / "run")


def test_images_are_as_published():
    images = SIZES["published"].check()
    assert (images.sample_rate, images.samples, images.bins, images.frames) == (
        22050,
        34560,
        500,
        128,
    )
    assert (images.transform.size, images.transform.hop) == (2048, 256)
    with pytest.raises(UserError, match="4000 bands"):
        IMAGES._replace(bins=4000).check()
    with pytest.raises(UserError, match="make no image"):
        IMAGES._replace(hop=2000).check()


def test_an_image_is_relative_to_its_loudest_value_and_tells_its_level():
    time = np.arange(IMAGES.samples) / RATE
    row = 40
    peak = IMAGES.mel.basis[row].argmax() * RATE / IMAGES.fft_size  # middle of a band
    image, level = IMAGES.image(np.float32(0.5 * np.sin(2 * np.pi * peak * time)))
    assert image.shape == (192, 64)
    assert image.max() == 1
    assert (image.argmax(axis=0) == row).all()
    quieter, lower = IMAGES.image(np.float32(0.05 * np.sin(2 * np.pi * peak * time)))
    assert level - lower == pytest.approx(20, abs=1e-3)
    np.testing.assert_allclose(quieter, image, atol=1e-3)
    silent, nothing = IMAGES.image(np.zeros(9, np.float32))
    assert not silent.any()
    assert nothing == -np.inf


def test_the_sound_of_an_image_has_its_pitch_and_level():
    note = make_note(60, (1.0, 0.5), IMAGES.seconds)
    image, level = IMAGES.image(note)
    audio = IMAGES.audio(image, level)
    assert audio.size == IMAGES.samples
    assert audio[0] == audio[-1] == 0
    middle = slice(RATE // 4, RATE)
    spectrum = np.abs(np.fft.rfft(audio[middle] * np.hanning(audio[middle].size)))
    hertz = np.fft.rfftfreq(audio[middle].size, 1 / RATE)
    assert hertz[spectrum.argmax()] == pytest.approx(frequency_of(60), rel=0.025)
    levels = [np.sqrt(np.square(one[middle]).mean()) for one in (audio, note)]
    assert levels[0] == pytest.approx(levels[1], rel=0.2)
    np.testing.assert_array_equal(IMAGES.audio(image, level), audio)


@pytest.mark.parametrize("pitch", [40, 60, 83])
def test_a_sound_is_loudest_where_the_note_is(pitch):
    note = make_note(pitch, (1.0, 0.5), IMAGES.seconds)
    audio = IMAGES.audio(*IMAGES.image(note))
    begin, within, end = np.split(np.abs(audio), [RATE // 10, -RATE // 10])
    assert max(begin.max(), end.max()) < 2 * within.max()


def test_styles_are_instruments_techniques_or_folders(tmp_path, capsys):
    voices = {("flute_acoustic", 0): (1.0,), ("flute_acoustic", 1): (0.5, 1.0)}
    notes = tmp_path / "notes"
    write_notes(notes, voices, (9, 60), (80,))
    soundfile.write(notes / "song.wav", make_note(60), RATE)
    soundfile.write(notes / "flute_acoustic_000-061-080.wav", np.zeros(RATE), RATE)
    (notes / "flute_acoustic_000-062-080.wav").write_bytes(b"RIFF")
    argv = words("--audio_path", notes, "--features_path", tmp_path / "x.h5", "--jobs", 1)
    status, out, err = outcome(preprocess.main, argv, capsys)
    assert status == 1
    assert "2 notes, 1 style, 1 silent note left out, 2 notes out of reach" in out[0]
    assert "1 file that tells no style or pitch left out" in out[0]
    assert any("000-062-080.wav" in line for line in err)
    assert_refused(preprocess.main, [*argv, "--styles", "techniques"], capsys, "examples.json")
    assert_refused(preprocess.main, [*argv, "--take", "tuba"], capsys, "--take tuba")
    (notes / "flute_acoustic_000-062-080.wav").unlink()
    told = {"flute_acoustic_000-060-080": "ordinary", "flute_acoustic_001-060-080": "staccato"}
    examples = {name: {"technique": technique} for name, technique in told.items()}
    (notes / "examples.json").write_text(json.dumps(examples))
    assert preprocess.main([*argv, "--styles", "techniques"]) == 0
    with NoteStore(tmp_path / "x.h5") as store:
        assert [(row.style, row.instrument) for row in store.rows] == [
            ("ordinary", "flute_acoustic"),
            ("staccato", "flute_acoustic"),
        ]
    for style, name in (("warm", "A4"), ("bright", "take C#5"), ("bright", "hum")):
        (tmp_path / "tags" / style).mkdir(parents=True, exist_ok=True)
        soundfile.write(tmp_path / "tags" / style / f"{name}.wav", make_note(69), RATE)
    argv[1] = str(tmp_path / "tags")
    assert preprocess.main([*argv, "--styles", "folders"]) == 0
    with NoteStore(tmp_path / "x.h5") as store:
        found = sorted((row.style, row.instrument, row.pitch) for row in store.rows)
    assert found == [("bright", "bright", 73), ("warm", "warm", 69)]


def test_a_store_holds_the_images_and_their_levels(folder):
    with NoteStore(folder / "notes.h5") as store:
        assert store.images == IMAGES
        row = store.rows[4]
        note = make_note(row.pitch, VOICES[row.instrument, 0], level=0.7 * 80 / 127)
        image, level = IMAGES.image(note)
        assert row.level == pytest.approx(level, abs=0.01)
        np.testing.assert_allclose(store.read([4])[0], image, atol=0.02)  # the file has 16 bits
        vectors = CONDITIONS.vectors([row.style for row in store.rows], np.arange(NUMBER) + 40)
        batches = Notes(store, range(NUMBER), 8, conditions=vectors, shuffle=True, steps=3, seed=1)
        (images, conditions), truth = batches[0]
        assert images.shape == (8, 192, 64, 1)
        np.testing.assert_array_equal(images, truth)
        drawn = [tuple(row) for batch in range(3) for row in batches[batch][0][1]]
        assert len(set(drawn)) == 24
        np.testing.assert_array_equal(batches[0][0][1], conditions)
        batches.epoch = 1
        assert not np.array_equal(batches[0][0][1], conditions)


def test_networks_are_of_stock_layers_and_the_decoder_alone_hears_of_note_and_style(tmp_path):
    architecture = Architecture(192, 64, CONDITIONS.length).check()
    encoder, decoder = build_encoder(architecture), build_decoder(architecture)
    assert encoder.count_params() + decoder.count_params() < 2e6
    assert len(encoder.inputs) == 1
    rng = np.random.default_rng(0)
    # modulations begin as none
    decoder.set_weights([w + rng.normal(0, 0.05, w.shape) for w in decoder.get_weights()])
    names, pitches = ["flute_acoustic", "oboe_acoustic", "oboe_acoustic"], [60, 60, 61]
    latent, notes = np.ones((3, 3), np.float32), CONDITIONS.vectors(names, pitches)
    decoded = np.asarray(decoder([latent, notes]))
    assert decoded.shape == (3, 192, 64, 1)
    assert not np.allclose(decoded[0], decoded[1], atol=1e-3)
    assert not np.allclose(decoded[1], decoded[2], atol=1e-3)
    assert encoder(decoded).shape == (3, 3)
    save_h5(decoder, tmp_path / "decoder.h5")
    again = keras.models.load_model(tmp_path / "decoder.h5", compile=False)
    assert {type(layer).__module__.partition(".")[0] for layer in again.layers} == {"keras"}
    np.testing.assert_allclose(again([latent, notes]), decoded, atol=1e-5)
    assert len(build_decoder(architecture._replace(condition=0)).inputs) == 1


def test_published_widths():
    architecture = Architecture(500, 128, 33, "published").check()
    encoder, decoder = build_encoder(architecture), build_decoder(architecture)
    assert decoder.output_shape == (None, 500, 128, 1)
    assert encoder.get_layer("encoder_convolution_5").output.shape == (None, 16, 4, 256)
    assert decoder.get_layer("decoder_dense_3").units == 16 * 4 * 256
    with pytest.raises(UserError):
        architecture._replace(size="huge").check()


def test_the_loss_is_the_sum_of_its_parts():
    keras.utils.set_random_seed(0)
    architecture = Architecture(32, 16, CONDITIONS.length)
    networks = build_encoder(architecture), build_decoder(architecture), build_classifier(3, 3)
    model = Fader(*networks, weight=50.0, prior=2.0, published_kernel=True, pitch=21)
    model.compile(keras.optimizers.Adam(1e-3), run_eagerly=True)
    model.alpha.assign(4.0)
    rng = np.random.default_rng(0)
    images = rng.random((6, 32, 16, 1), np.float32)
    notes = CONDITIONS.vectors(list(CONDITIONS.instruments) * 2, np.arange(6) + 60)
    scores = model.evaluate([images, notes], images, batch_size=6, verbose=0, return_dict=True)
    latent = np.asarray(model.encoder(images))
    decoded = np.asarray(model.decoder([latent, notes]))
    assert scores["reconstruction"] == pytest.approx(np.square(images - decoded).mean(), rel=1e-4)
    logits = np.asarray(model.classifier(latent), np.float64)
    own = (logits * notes[:, 21:]).sum(axis=1)
    expected = np.mean(np.log(np.exp(logits).sum(axis=1)) - own)
    assert scores["classifier"] == pytest.approx(expected, rel=1e-4)
    total = 50 * scores["reconstruction"] + 2 * scores["prior"] + scores["classifier"]
    assert scores["loss"] == pytest.approx(total, rel=1e-4)
    # the kernel exp(-d / 9) of three dimensions, as the authors' earlier code has it
    assert model.kernel == {"width": 9, "scales": (1.0,)}
    assert 0 < scores["prior"] < 2


def test_the_adversary_rises_from_none_to_alpha_at_half_of_the_training(folder):
    flags = parsed(
        train.build_parser(),
        {"features_path": folder / "notes.h5", "output": folder / "none", "epochs": 20},
    )
    for adversary, last in (("on", 4.0), ("off", 0.0)):
        session = train.Session(**flags | {"adversary": adversary})
        session.store.close()
        model = session.build()
        (ramp,) = session.callbacks(model, 0)
        seen = []
        for epoch in range(20):
            ramp.on_epoch_begin(epoch)
            seen.append(float(model.alpha.numpy()))
        assert seen[1] == 0
        assert seen[9] == seen[19] == last
        np.testing.assert_allclose(np.diff(seen[1:10]), last / 8, rtol=1e-5)


def test_a_run_folder_holds_everything(folder, trained):
    run = folder / "run"
    (row,) = read_csv(run / "history.csv")
    for loss in ("loss", "reconstruction", "prior", "classifier"):
        assert np.isfinite([float(row[loss]), float(row[f"val_{loss}"])]).all()
    config = json.loads((run / "config.json").read_text())
    assert config["styles"] == list(CONDITIONS.instruments)
    split = config["split"]
    assert split["held_out"]
    assert not set(split["training"]) & set(split["held_out"])
    for name in ("encoder.h5", "decoder.h5", "latents.png", "reconstructions.png"):
        assert (run / name).stat().st_size > 0
    rows, latents = read_latents(run)
    assert latents.shape == (len(rows), 3)
    with NoteStore(folder / "notes.h5") as store:
        index = store.rows.index(rows[2])
        found = trained.encode_images(store.read([index]))[0]
    np.testing.assert_allclose(latents[2], found, atol=2e-3 * np.abs(found).max() + 1e-4)


def test_styles_are_names_or_weights(trained):
    vectors = trained.vectors([60, 61], [{"violin": 0.5, "oboe": 0.75}, "flute"])
    np.testing.assert_array_equal(vectors[0, 21:], [0, 0.75, 0.5])
    np.testing.assert_array_equal(vectors[1, 21:], [1, 0, 0])
    assert vectors[:, :21].sum() == 4
    with pytest.raises(UserError, match="tuba"):
        trained.vectors([60], "tuba")
    z = np.zeros((1, 3))
    one, other = (trained.decode_images(z, [60], {"violin": weight}) for weight in (1.0, 2.0))
    assert one.shape == (1, 192, 64)
    np.testing.assert_array_equal(trained.decode_images(z, [60], "violin"), one)
    assert not np.array_equal(one, other)
    assert parse_weights(["violin", "oboe=-0.5"]) == {"violin": 1.0, "oboe": -0.5}
    assert parse_weights(["a=b=2"]) == {"a=b": 2.0}


def test_notes_are_generated_from_points(folder, tmp_path):
    argv = words("--model", folder / "run", "--output", tmp_path)
    assert generate.main([*argv, "--notes", "violin C4", "oboe, 69"]) == 0
    first = tmp_path / "violin_acoustic_000-060-100.wav"
    audio, rate = soundfile.read(first)
    assert audio.size == IMAGES.samples
    assert 0 < np.abs(audio).max() < 1
    assert (tmp_path / "oboe_acoustic_000-069-100.wav").exists()
    point = ("--point", "0", "0", "1")
    assert generate.main([*argv, "--notes", "violin C4", *point]) == 0
    assert not np.array_equal(soundfile.read(first)[0], audio)
    output = tmp_path / "mixed.wav"
    argv = words("--model", folder / "run", "--note", "C4", "--output", output, *point)
    assert mix.main([*argv, "--styles", "violin=0.6", "oboe=0.8"]) == 0
    mixed = soundfile.read(output)[0]
    in_memory, rate = generate_note({"violin": 0.6, "oboe": 0.8}, 60, (0, 0, 1), folder / "run")
    assert rate == RATE
    assert np.corrcoef(mixed, in_memory)[0, 1] > 0.999


def test_a_note_is_restyled_at_its_level(folder, tmp_path):
    levels = []
    for level in (0.02, 0.002):
        note = np.stack([make_note(62, (1, 0.5, 0.3), 1.0, level, 44100)] * 2, axis=-1)
        soundfile.write(tmp_path / "note.wav", note, 44100)
        argv = words("--input", tmp_path / "note.wav", "--to", "violin", "--model", folder / "run")
        assert restyle.main([*argv, "--output", str(tmp_path / "made.wav")]) == 0
        levels.append(np.square(soundfile.read(tmp_path / "made.wav")[0]).mean())
    assert 10 * np.log10(levels[0] / levels[1]) == pytest.approx(20, abs=3)


@pytest.mark.parametrize(
    "case",
    [
        (generate, "--notes violin --output OUT", "'violin C4'"),
        (generate, "--notes tuba,C4 --output OUT", "tuba"),
        (generate, "--notes violin,C4 --output OUT --point 1 2", "coordinates"),
        (generate, "--notes violin,C10 --output OUT", "'violin C4'"),
        (mix, "--note H4 --styles violin --output OUT.wav", "--note 'H4'"),
        (mix, "--note C4 --styles violin=much --output OUT.wav", "violin=0.5"),
        (mix, "--note C4 --styles violin --output OUT.txt", "--output"),
        (restyle, "--input none.wav --to violin --output OUT.wav", "none.wav"),
        (restyle, "--input SILENT --to violin --output OUT.wav", "is silent"),
        (restyle, "--input SILENT --to violin --output OUT.wav --pitch x", "--pitch"),
        (restyle, "--input SILENT --to violin --output OUT.wav --pitch=", "--pitch"),
        (restyle, "--input SILENT --to tuba --output OUT.wav", "error: --to: 'tuba': not known"),
        (restyle, "--input CANCELLING --to violin --output OUT.wav", "give one channel"),
        (mix, "--note C9 --styles violin --output OUT.wav", "--note: pitch 120"),
        (mix, "--note C4 --styles violin=1e300 --output OUT.wav", "--styles: 'violin=1e300'"),
        (mix, "--note C4 --styles =1 --output OUT.wav", "write STYLE"),
        (mix, "--note C4 --styles violin violin=2 --output OUT.wav", "twice"),
        (mix, "--note C4 --styles violin --point 1e40 0 0 --output OUT.wav", "at most 100"),
        (export, "--output SILENT", "is a file; name a folder"),
    ],
)
def test_notes_that_cannot_be_made_are_refused(folder, tmp_path, capsys, case):
    script, flags, word = case
    (tmp_path / "in").mkdir()
    note = make_note(60)
    given = {"SILENT": np.zeros(RATE), "CANCELLING": np.stack([note, -note], axis=-1)}
    for name, audio in given.items():
        soundfile.write(tmp_path / "in" / f"{name}.wav", audio, RATE, subtype="FLOAT")
        flags = flags.replace(name, str(tmp_path / "in" / f"{name}.wav"))
    flags = flags.replace("OUT", str(tmp_path / "out"))
    assert_refused(script.main, [*flags.split(), "--model", str(folder / "run")], capsys, word)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_a_missing_model_is_named_and_not_the_styles(tmp_path, capsys):
    argv = words("--note", "C4", "--styles", "violin", "--output", tmp_path / "out.wav")
    _, _, (line,) = outcome(mix.main, [*argv, "--model", str(tmp_path / "none")], capsys)
    assert "none/config.json" in line
    assert "--styles" not in line


def test_a_style_without_bounds_is_refused(trained):
    for weight in (1e300, np.nan, -101):
        with pytest.raises(UserError, match="from -100 to 100"):
            trained.vectors([60], {CONDITIONS.instruments[0]: weight})


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="SavedModel")
def test_the_exported_decoder_is_the_decoder(folder, trained, tmp_path, capsys):
    import tensorflow as tf

    argv = words("--model", folder / "run", "--output", tmp_path / "out")
    assert export.main(argv) == 0
    described = json.loads((tmp_path / "out" / "decoder.json").read_text())
    assert described["styles"] == list(CONDITIONS.instruments)
    assert described["inputs"]["condition"]["style"] == [21, 24]
    decoder = tf.saved_model.load(tmp_path / "out" / "decoder")
    z, notes = np.ones((1, 3), np.float32), trained.vectors([64], "oboe")
    found = np.asarray(decoder.serve([z, notes]))
    expected = trained.decoder.predict_on_batch([z, notes])
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert_refused(export.main, argv, capsys, "exists")


def test_figures_are_printed(folder, capsys, monkeypatch):
    monkeypatch.setattr(evaluate, "_SPEED_NOTES", 1)
    argv = words(
        "--features_path",
        folder / "notes.h5",
        "--model",
        folder / "run",
        "--notes",
        1,
        "--sounds",
        3,
    )
    assert evaluate.main([*argv, "--judge_path", str(folder / "notes.h5")]) == 0
    out = capsys.readouterr().out
    for word in ("are held out", "LSD", "style_from_z", "style_in_range", "other_judge", "octave"):
        assert word in out
    assert "true notes" in out
    assert "chance" in out
    # judges that say nothing are refused
    for name, flags, word in (
        ("one", ("--take", "oboe_acoustic"), "only"),
        ("other", ("--size", "published"), "another size"),
    ):
        store = words("--audio_path", folder / "notes", "--features_path", folder / f"{name}.h5")
        assert preprocess.main([*store, *flags, "--jobs", "1"]) == 0
        argv = [*argv[:4], "--judge_path", str(folder / f"{name}.h5")]
        assert_refused(evaluate.main, argv, capsys, "--judge_path", word)


def test_a_network_may_make_the_sounds(folder, tmp_path, capsys):
    argv = words("--model", folder / "run", "--features_path", folder / "notes.h5")
    argv += words("--audio_path", folder / "notes")
    assert_refused(renderers.main, argv, capsys, "train_mcnn")
    flags = words("--epochs", 1, "--steps_per_epoch", 1, "--heads", 2, "--width", 8)
    assert train_mcnn.main([*argv, *flags]) == 0
    assert renderers.main([*argv, "--notes", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[-3:]] == ["renderer", "Griffin-Lim,", "MCNN"]
    argv = words("--model", folder / "run", "--note", "C4", "--styles", "oboe", "--render", "mcnn")
    assert mix.main([*argv, "--output", str(tmp_path / "made.wav")]) == 0
    audio, rate = soundfile.read(tmp_path / "made.wav")
    assert (audio.size, rate) == (IMAGES.samples, RATE)
    opened = open_model(folder / "run" / "mcnn")
    image = IMAGES.image(make_note(60))[0]
    one, other = (opened.audio(image, level) for level in (0.0, -20.0))
    np.testing.assert_allclose(10 * other, one, rtol=1e-4, atol=1e-6)
    assert one[0] == one[-1] == 0


def test_strides_of_the_network_of_sounds():
    assert strides_of(512) == (8, 8, 8)
    assert strides_of(256) == (8, 8, 4)
    with pytest.raises(UserError, match="power of 2"):
        strides_of(300)


def test_the_ablation_is_four_lines_of_a_table(folder, monkeypatch, capsys):
    made = []

    def without_training(**flags):
        parsed(train.build_parser(), flags)
        made.append((flags["conditions"], flags["adversary"], flags["seed"]))
        return folder / "run"

    monkeypatch.setattr(train, "train", without_training)
    monkeypatch.setattr(evaluate.Evaluation, "row", lambda self, name, _: {"model": name} | ROW)
    argv = words("--features_path", folder / "notes.h5", "--ablation", folder / "four")
    assert evaluate.main([*argv, "--seeds", "2", "--epochs", "3"]) == 0
    four = ("none", "off"), ("note", "off"), ("style", "off"), ("style", "on")
    assert made == [(*one, seed) for one in four for seed in (0, 1)]
    lines = capsys.readouterr().out.splitlines()
    for name in ("WAE-MMD", "WAE-note", "WAE-style", "WAE-Fader"):
        assert sum(line.startswith(name) and "0.500 ± 0.000" in line for line in lines) == 1


def test_a_page_shows_the_space_and_plays_its_notes(folder, tmp_path, capsys):
    argv = words("--model", folder / "run", "--sounds", 3, "--points", 2, "--notes", 2)
    told = words("--audio_path", folder / "notes", "--transfers", "flute=oboe")
    assert page.main([*argv, *told, "--output", str(tmp_path / "space.html")]) == 0
    text = (tmp_path / "space.html").read_text(encoding="utf-8")
    data = json.loads(text.partition('<script type="application/json">')[2].partition("</scr")[0])
    rows, latents = read_latents(folder / "run")
    assert len(data["points"]) == len(rows)
    heard = [point for point in data["points"] if point["audio"]]
    assert len(heard) == 3
    assert all(point["audio"].startswith("data:audio/mpeg;base64,") for point in heard)
    places = np.array([point["at"] for point in data["points"]])
    assert np.corrcoef(places[:, 1], latents[:, 1])[0, 1] > 0.99
    assert text.count('<section class="exhibit">') == 4
    assert "From flute to oboe: descriptors" in text
    assert "Maps of descriptors: flute, pitch 60" in text
    assert_refused(page.main, [*argv, "--output", "x.html", "--note", "tuba C4"], capsys, "tuba")
    assert [name for name, _ in data["colours"]["style"]["shown"]] == ["flute", "oboe", "violin"]
    assert "http" not in text.replace("http-equiv", "")
    assert_refused(page.main, [*argv, "--output", str(tmp_path / "space.txt")], capsys, ".html")
    told = words("--transfers", "flute=tuba", "--output", tmp_path / "x.html")
    assert_refused(page.main, [*argv, *told], capsys, "tuba")


def test_a_page_of_styles_that_are_no_instruments_has_no_pairs(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(page, "NOTES", tmp_path)
    argv = words("--model", folder / "run", "--sounds", 1, "--points", 2)
    assert page.main([*argv, "--output", str(tmp_path / "space.html")]) == 0
    text = (tmp_path / "space.html").read_text(encoding="utf-8")
    assert text.count('<section class="exhibit">') == 2


def test_notes_to_hear_are_far_from_each_other():
    line = np.array([[0.0], [1.0], [2.0], [3.0], [9.0]])
    assert spread_out(line, 3) == [3, 4, 0]
    assert sorted(spread_out(line, 9)) == [0, 1, 2, 3, 4]


def test_a_page_shows_three_dimensions(tmp_path):
    require_three(tmp_path, 3)
    with pytest.raises(UserError, match="4 latent dimensions"):
        require_three(tmp_path, 4)


def test_measures_have_closed_forms():
    rng = np.random.default_rng(0)
    latents, labels = rng.normal(size=(80, 3)), np.arange(80) % 2
    told = latents + 5 * labels[:, np.newaxis]
    assert read_from(told[:40], labels[:40], told[40:], labels[40:], 0) > 0.95
    assert read_from(latents[:40], labels[:40], latents[40:], labels[40:], 0) < 0.75


def test_settings_of_a_damaged_run_are_refused(folder, tmp_path):
    config = json.loads((folder / "run" / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"styles": []}))
    with pytest.raises(UserError, match=r"config\.json: damaged"):
        load_trained(tmp_path)
    assert NoteImages(**config["images"]) == IMAGES
