"""Operations on latent paths against closed forms, the scripts, and the OSC server."""

import json

import numpy as np
import pytest
import soundfile
from conftest import assert_refused, outcome, read_csv

from common.cli import UserError
from common.latent import principal_axes
from common.trained import MODELS, shipped
from latent_exploration import axes, open_session, paths, render
from latent_exploration.filters import band_pass
from latent_exploration.knobs import Knobs, read_knobs
from latent_exploration.session import LatentSession, open_latent

RATE = 8000
RNG = np.random.default_rng(0)
PATH = RNG.normal(0, (3, 1, 0.5, 0.1), (50, 4))
OTHERS = [RNG.normal(size=(steps, 4)) for steps in (50, 50, 20)]


class Blocks:
    """A latent model that loses nothing: a vector is a block of samples."""

    dims, sample_rate = 4, RATE
    rate = RATE / 4

    def encode(self, audio):
        return np.pad(audio, (0, -audio.size % 4)).reshape(-1, 4)

    def decode(self, z):
        return np.asarray(z, np.float32).reshape(-1)


def tone(hertz=440, seconds=0.1):
    return np.float32(0.5 * np.sin(2 * np.pi * hertz * np.arange(round(RATE * seconds)) / RATE))


def loaded(audio=None, knobs=None):
    return LatentSession(Blocks(), knobs=knobs).load(tone() if audio is None else audio)


def test_single_dimensions_are_scaled_and_moved():
    np.testing.assert_allclose(paths.scale(PATH, 2), 2 * PATH)
    np.testing.assert_allclose(paths.bias(PATH, 2), PATH + 2)
    for made, change in (
        (paths.scale(PATH, 3, 1), lambda column: 3 * column),
        (paths.bias(PATH, 3, 1), lambda column: column + 3),
    ):
        np.testing.assert_allclose(made[:, 1], change(PATH[:, 1]))
        np.testing.assert_array_equal(np.delete(made, 1, 1), np.delete(PATH, 1, 1))


def test_a_curve_goes_through_its_points():
    made = paths.curve(PATH[:5], 2, [(1, 8), (0.5, 0), (0.25, -1)])
    np.testing.assert_allclose(made[:, 2], [-1, -1, 0, 4, 8])
    np.testing.assert_array_equal(np.delete(made, 2, 1), np.delete(PATH[:5], 2, 1))


def test_noise_has_its_deviation_and_its_seed():
    long = np.zeros((20000, 3))
    noise = paths.randomise(long, 0.5, seed=1)
    np.testing.assert_allclose(noise.std(axis=0), 0.5, rtol=0.03)
    np.testing.assert_array_equal(noise, paths.randomise(long, 0.5, seed=1))
    assert not np.array_equal(noise, paths.randomise(long, 0.5, seed=2))


def test_a_path_is_stretched_linearly():
    np.testing.assert_allclose(paths.stretch(PATH, 50), PATH)
    long = paths.stretch(PATH, 99)
    np.testing.assert_allclose(long[::2], PATH)
    np.testing.assert_allclose(long[1::2], (PATH[1:] + PATH[:-1]) / 2)
    np.testing.assert_allclose(paths.stretch(PATH[:1], 3), np.repeat(PATH[:1], 3, axis=0))


def test_a_cross_fade_is_as_published_and_extrapolates():
    n = np.arange(50)[:, np.newaxis] / 49
    made = paths.cross_fade(PATH, OTHERS[0], (0, 1))
    np.testing.assert_allclose(made, PATH * (1 - n) + OTHERS[0] * n)
    np.testing.assert_allclose(paths.cross_fade(PATH, OTHERS[0], 1.5), 1.5 * OTHERS[0] - PATH / 2)
    assert len(paths.cross_fade(PATH, OTHERS[2], 0.5)) == 50


def test_corners_and_middle_of_a_mixture():
    four = [PATH, *OTHERS]
    corners = [(0, 0), (1, 0), (0, 1), (1, 1)]
    for path, (x, y) in zip(four, corners, strict=True):
        np.testing.assert_allclose(paths.mix(four, x, y), paths.stretch(path, 50), atol=1e-12)
    mean = np.mean([paths.stretch(path, 50) for path in four], axis=0)
    np.testing.assert_allclose(paths.mix(four, 0.5, 0.5), mean)
    moving = paths.mix(four, np.linspace(0, 1, 50), 0)
    np.testing.assert_allclose(moving, paths.cross_fade(PATH, OTHERS[0], (0, 1)))


def test_the_band_pass_has_gain_one_at_its_centre_and_half_the_power_at_its_edges():
    centre, quality = 1000, 5
    click = np.zeros(2 * RATE)
    click[0] = 1
    gain = np.abs(np.fft.rfft(band_pass(click, centre, quality, RATE)))  # bins of 0.5 Hz
    assert gain[2000] == pytest.approx(1, abs=1e-6)
    inside = np.flatnonzero(gain >= np.sqrt(0.5)) / 2
    assert inside[-1] - inside[0] == pytest.approx(centre / quality, rel=0.06)
    with pytest.raises(UserError, match="4000"):
        band_pass(click, 5000, 1, RATE)


def test_knobs_cover_the_vectors_and_leave_the_rest():
    knobs = Knobs.of(PATH, 2)
    inside = np.abs(knobs.values(PATH)) <= 1
    assert inside.mean(axis=0) == pytest.approx(0.997, abs=0.02)
    np.testing.assert_allclose(knobs.turned(PATH, knobs.values(PATH)), PATH)
    wanted = knobs.values(PATH) + np.array([0.5, 0])
    turned = knobs.turned(PATH, wanted)
    np.testing.assert_allclose(knobs.values(turned), wanted)
    beyond = principal_axes(PATH, 4).directions[2:]
    np.testing.assert_allclose((turned - PATH) @ beyond.T, 0, atol=1e-12)
    assert len(Knobs.of(PATH[:, [0, 0]], 2).reach) == 1  # two equal dimensions have one axis


def test_knobs_are_written_and_read(tmp_path):
    file = tmp_path / "axes.json"
    Knobs.of(PATH, 3).write(file)
    again = read_knobs(file, 4)
    np.testing.assert_allclose(again.values(PATH), Knobs.of(PATH, 3).values(PATH))
    with pytest.raises(UserError, match="4 dimensions, but the model has 5"):
        read_knobs(file, 5)
    content = json.loads(file.read_text())
    for damage in ({"reach": [1, 0, 1]}, {"mean": "x"}, {"directions": [[1e999] * 4] * 3}):
        file.write_text(json.dumps(content | damage))
        with pytest.raises(UserError, match="no file of axes"):
            read_knobs(file, 4)


def test_a_session_gives_back_what_it_took():
    session, audio = loaded(), tone()
    before = session.path.copy()
    np.testing.assert_array_equal(session.render(), audio)
    np.testing.assert_array_equal(session.transfer(-audio), -audio)
    same = session.reverse().reverse().scale(2).scale(0.5).bias(1).bias(-1).spread(1).smooth(1)
    np.testing.assert_allclose(same.render(), audio, atol=1e-6)
    np.testing.assert_allclose(session.randomise(0).curve(0, [(0, 0)]).path[:, 0], 0)
    np.testing.assert_array_equal(session.path, before)
    assert session.seconds == pytest.approx(0.1)


def test_operations_turn_knobs_where_there_are_any():
    knobs = Knobs.of(loaded().path, 2)
    session = loaded(knobs=knobs)
    assert (session.count, loaded().count) == (2, 4)
    made = session.bias(0.25, 1)
    np.testing.assert_allclose(made.values - session.values, [[0, 0.25]] * 200, atol=1e-6)


def test_sessions_are_mixed():
    one, two = loaded(), loaded(tone(900))
    np.testing.assert_allclose(one.cross_fade(two, 1).render(), tone(900), atol=1e-6)
    np.testing.assert_allclose(one.mix([two, two, two], 1, 0).render(), tone(900), atol=1e-6)
    with pytest.raises(UserError, match="four"):
        one.mix([two], 0, 0)


def test_feedback_leaves_what_passes_the_filter():
    audio = (tone(500, 0.5) + tone(2000, 0.5)) / 2
    made = loaded(audio).feedback(3, 2000, 10).render()
    assert made.size == 4 * audio.size
    np.testing.assert_allclose(made[: audio.size], audio, atol=1e-6)
    power = np.square(np.abs(np.fft.rfft(made[-audio.size // 2 :])))
    assert power[500] > 1000 * power[125]  # bins of 4 Hz
    assert np.std(made[-audio.size // 2 :]) == pytest.approx(np.std(audio), rel=0.1)


def test_mistakes_of_a_session():
    for wrong, words in (
        (lambda: LatentSession(Blocks()).render(), "no sound is loaded"),
        (lambda: loaded(np.zeros(80, np.float32)), "silent"),
        (lambda: loaded().bias(1, 4), "dimension 5: give one from 1 to 4"),
        (lambda: loaded().scale(1e300).scale(1e300).render(), "smaller amounts"),
    ):
        with pytest.raises(UserError, match=words):
            wrong()


def test_models_without_a_latent_space_are_refused():
    with pytest.raises(UserError, match="no latent space"):
        open_latent(shipped("keyboard_acoustic_2_guitar_acoustic"))


def play(model):
    """Change a second of a sound by a model."""
    audio = np.float32(0.3 * np.sin(2 * np.pi * 440 * np.arange(model.sample_rate) / 16000))
    session = LatentSession(model).load(audio)
    made = session.reverse().scale(0.5, 0).render()
    return session.seconds, made.size / model.sample_rate, np.abs(made).max()


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("vae_notes_plane", {}),
        ("move_orchestra", {"pitch": 69, "voice": "flute"}),
        ("time_stretching", {}),
    ],
)
def test_shipped_models_are_played(name, settings):
    expected, seconds, loudest = play(open_latent(shipped(name), **settings))
    assert seconds == pytest.approx(expected, abs=1.1)
    assert loudest > 1e-3


@pytest.mark.slow
@pytest.mark.stress
def test_all_shipped_models_with_a_latent_space_are_played():
    refused = []
    for folder in sorted(path.parent for path in MODELS.glob("*/config.json")):
        try:
            model = open_latent(folder)
        except UserError:
            refused.append(folder.name)
            continue
        assert play(model)[2] > 1e-4, folder
    assert all(name.startswith(("keyboard_", "light_mir_")) for name in refused), refused


def test_a_conditional_model_plays_the_note_that_it_is_told():
    model = open_latent(shipped("vae_notes_conditional"), pitch=57, voice="string")
    rate = model.sample_rate
    path = model.encode(np.float32(0.3 * np.sin(2 * np.pi * 440 * np.arange(2 * rate) / rate)))
    low = slice(4 * 210, 4 * 230)  # quarters of a hertz: only A3 has a partial there
    power = []
    for pitch in (57, 69):
        model.pitch = pitch
        power.append(np.abs(np.fft.rfft(model.decode(path), 4 * rate))[low].max())
    assert power[0] > 3 * power[1]
    with pytest.raises(UserError, match="beyond the model's 20 to 108"):
        model.pitch = 120


def test_only_what_a_model_is_told_can_be_chosen():
    plane, orchestra = shipped("vae_notes_plane"), shipped("move_orchestra")
    for folder, settings, words in (
        (plane, {"pitch": 60}, "--pitch"),
        (plane, {"voice": "flute"}, "--voice"),
        (orchestra, {"voice": "kazoo"}, "kazoo"),
    ):
        with pytest.raises(UserError, match=words):
            open_latent(folder, **settings)


def words(*parts):
    return [str(part) for part in parts]


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    """Four sounds of two seconds, and one that is silent."""
    folder = tmp_path_factory.mktemp("sounds")
    for number, hertz in enumerate((220, 440, 660, 880)):
        audio = tone(hertz, 2) * np.linspace(1, number / 4, 2 * RATE)
        soundfile.write(folder / f"{number}.wav", audio, RATE)
    soundfile.write(folder / "silent.wav", np.zeros(RATE), RATE)
    return folder


PLANE = words("--model", shipped("vae_notes_plane"))


def test_operations_are_done_in_their_order(sounds, tmp_path):
    argv = words("--input", sounds / "0.wav", sounds / "1.wav", "--output", tmp_path / "a.wav")
    argv += words("--scale", 2, "--bias", "1=0.5", "2=-1", "--crossfade", -0.2, 1.3, "--reverse")
    argv += words("--randomise", 0.1, "--seed", 7, "--curve", 2, "0:0", "1:1", "--smooth", 2)
    argv += words("--spread", 0.5)
    assert render.main([*argv, *PLANE]) == 0
    made, rate = soundfile.read(tmp_path / "a.wav")
    session = open_session(shipped("vae_notes_plane"))
    assert rate == session.model.sample_rate
    one, two = (
        session.load(render.read_sound(sounds / f"{name}.wav", rate)).scale(2).bias(0.5, 0)
        for name in (0, 1)
    )
    fade = one.bias(-1, 1).cross_fade(two.bias(-1, 1), (-0.2, 1.3)).reverse().randomise(0.1, 7)
    expected = fade.curve(1, [(0, 0), (1, 1)]).smooth(2).spread(0.5).render()
    np.testing.assert_allclose(made, expected, atol=1e-3)


def test_axes_are_reported_and_can_be_played(sounds, tmp_path, capsys):
    argv = words("--input", sounds, "--output", tmp_path / "axes", "--seconds", 0.2, "--count", 1)
    status, out, err = outcome(axes.main, [*argv, *PLANE], capsys)
    assert status == 1  # a silent recording is skipped, and named
    assert err[0].endswith("silent.wav: is silent; give another recording")
    assert "of 4 sounds" in "\n".join(out)
    rows = read_csv(tmp_path / "axes" / "axes.csv")
    assert [row["axis"] for row in rows] == ["1"]
    assert all(abs(float(row[name])) <= 1 for row in rows for name in axes.DESCRIPTORS)
    files = words("--input", *(sounds / f"{name}.wav" for name in range(4)))
    argv = [*files, *words("--output", tmp_path / "b.wav", "--axes", tmp_path / "axes/axes.json")]
    argv += words("--mix", 0.5, 0.5, "--bias", "1=0.5", "--feedback", 1, 500, 2)
    assert render.main([*argv, *PLANE]) == 0
    assert soundfile.info(tmp_path / "b.wav").duration > 3


def test_links_and_correlations():
    flat = dict.fromkeys(axes.DESCRIPTORS, 1.0)
    measured = [{**flat, "centroid": place**2, "loudness": -place} for place in range(5)]
    measured[1] = dict.fromkeys(axes.DESCRIPTORS, np.nan)
    links = axes.rank_correlations(measured)
    assert (links["centroid"], links["loudness"], links["flatness"]) == (1, -1, 0)
    assert not any(axes.rank_correlations(measured[:2]).values())
    one = RNG.normal(size=1000)
    assert axes.mean_correlation(np.stack([one, -2 * one, 0 * one], axis=1)) == pytest.approx(1)
    assert axes.mean_correlation(Knobs.of(PATH, 3).values(PATH)) == pytest.approx(0, abs=1e-9)


def test_a_sweep_moves_along_its_axis():
    """Blocks are louder the farther they are from zero."""
    vectors = np.array([[0.1, -0.1, 0.1, -0.1], [1, -1, 1, -1], [0.5, -0.5, 0.5, -0.5]])
    knobs = Knobs.of(vectors, 1)
    measured = axes.sweep(Blocks(), knobs, np.full((4, 4), 0.001), 0)
    levels = [one["loudness"] for one in measured]
    positions = knobs.axes.mean + np.outer(np.linspace(-1, 1, 9), knobs.axes.directions)
    expected = np.argsort(np.abs(positions[:, 0]))
    assert np.argmin(levels) == expected[0]
    assert np.argmax(levels) == expected[-1]


def test_the_loudest_part_of_a_path():
    path, audio = np.arange(20)[:, np.newaxis], np.zeros(1000)
    audio[610:690] = 0.5  # steps 12 and 13
    assert 12 in axes.loudest(path, audio, 2)
    assert axes.loudest(path, audio, 3).shape == (3, 1)
    np.testing.assert_array_equal(axes.loudest(path, audio, 1), [[12]])
    np.testing.assert_array_equal(axes.loudest(path, audio, 100), path)


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (["--crossfade", "0"], "--crossfade: takes 2 sounds"),
        (["--mix", "0", "0"], "--mix: takes 4 sounds"),
        (["--curve", "1"], "--curve: give a dimension and points"),
        (["--curve", "0:1", "1"], "--curve: give a dimension and points"),
        (["--curve", "1", "2:1"], "must be at most 1"),
        (["--bias", "x=1"], "not a whole number"),
        (["--bias", "nan"], "must be finite"),
        (["--scale", "3=2"], "dimension 3: give one from 1 to 2"),
        (["--feedback", "0.5", "400", "1"], "ROUNDS"),
        (["--axes", "nowhere.json"], "nowhere.json"),
        (["--pitch", "H9"], "no pitch"),
        (["--input", "nowhere.wav"], "nowhere.wav"),
    ],
)
def test_mistakes_of_a_command_line(sounds, tmp_path, capsys, flags, reason):
    argv = words("--input", sounds / "0.wav", "--output", tmp_path / "a.wav", *PLANE)
    assert_refused(render.main, [*argv, *flags], capsys, reason)
    assert not list(tmp_path.iterdir())


def test_axes_need_sounds_that_differ(sounds, tmp_path, capsys):
    argv = words("--output", tmp_path / "axes", *PLANE, "--input")
    (tmp_path / "empty").mkdir()
    assert_refused(axes.main, [*argv, str(tmp_path / "empty")], capsys, "no recordings")
    short = tmp_path / "short.wav"
    soundfile.write(short, tone(440, 0.2), RATE)
    assert_refused(axes.main, [*argv, str(short)], capsys, "too few")
