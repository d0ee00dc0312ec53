"""Style frames: their instruments, the pieces that they avoid, and how they are drawn."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.cli import UserError
from common.files.audio import AudioFileError
from common.files.split import is_held_out
from data import BINS, FRAME_COLUMNS, HOP, SAMPLE_RATE, load_audio, write_audio
from pix2pix_timbre.features import FeatureStore, magnitude_image, write_store
from pix2pix_timbre.pairs import PairedFrames, Source, split_pairs
from pix2pix_timbre.style import (
    StyledFrames,
    distances_by_style,
    fullest_frame,
    read_style,
    voice_of,
)

PIECES = ("arpeggio", "march", "scale", "waltz")  # at a share of 0.3 "arpeggio" is held out
SUFFIXES = ("", "~transpose+3", "@004", "~transpose+3@004")
PLAYED = {  # instrument -> renderings; each has its own constant level
    "piano": [f"{piece}{suffix}" for piece in PIECES for suffix in SUFFIXES[:2]],
    "guitar": [f"{piece}{suffix}" for piece in PIECES for suffix in SUFFIXES],
    "violin": [f"{piece}{suffix}" for piece in PIECES for suffix in SUFFIXES[:1]],
}
LEVELS = {
    float(np.float16(0.1 + 0.01 * number)): (instrument, rendering)
    for number, (instrument, rendering) in enumerate(
        (instrument, rendering) for instrument, names in PLAYED.items() for rendering in names
    )
}


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stores")
    for instrument, names in PLAYED.items():
        images = []
        for level, (player, rendering) in LEVELS.items():
            if player == instrument:
                columns = 300 + 20 * names.index(rendering)
                images.append((rendering, np.full((columns, BINS), level, np.float16)))
        write_store(folder / f"{instrument}.h5", images, instrument)
    opened = {instrument: FeatureStore(folder / f"{instrument}.h5") for instrument in PLAYED}
    yield opened
    for store in opened.values():
        store.close()


def split(stores, targets=("guitar", "violin"), share=0.3):
    """Split the pairs of the piano and each target: (training, held out)."""
    sides = [split_pairs(stores["piano"], stores[target], share)[:2] for target in targets]
    return tuple([*itertools.chain(*side)] for side in zip(*sides, strict=True))


def dataset(stores, batch_size=4, kind=StyledFrames, **settings):
    return kind(split(stores)[0], batch_size, **{"shuffle": True, "seed": 3, **settings})


def player_of(frame):
    """Find instrument and rendering of a frame by its level."""
    (level,) = set(np.unique(np.asarray(frame, np.float64))) - {-1.0}
    return LEVELS[float(np.float16((level + 1) / 2))]


def preset(rendering):
    return rendering.partition("@")[2]


def piece(rendering):
    return rendering.partition("~")[0].partition("@")[0]


@pytest.mark.parametrize("offsets", [False, True])
def test_batches_have_the_style_as_second_channel_beside_what_they_had(stores, offsets):
    styled = dataset(stores, random_offsets=offsets)
    plain = dataset(stores, kind=PairedFrames, random_offsets=offsets)
    assert len(styled) == len(plain) > 4
    for epoch in (0, 5):
        styled.epoch = plain.epoch = epoch
        for index in (0, 3, len(plain) - 1):
            given, target = styled[index]
            origin, expected = plain[index]
            assert given.shape == (*origin.shape[:3], 2)
            assert given.dtype == target.dtype == np.float32
            np.testing.assert_array_equal(given[..., :1], origin)
            np.testing.assert_array_equal(target, expected)


def test_a_style_is_the_voice_of_its_target_with_another_piece_of_the_same_split(stores):
    for side, held_out in zip(split(stores, share=0.8), (False, True), strict=True):
        assert {is_held_out(piece(origin.rendering), 0.8) for origin, _ in side} == {held_out}
        frames = StyledFrames(side, 4, shuffle=True)
        found = set()
        for epoch in range(4):
            windows = frames.windows(epoch)
            given, target = frames.cut(range(len(windows)), epoch)
            for style, frame, window in zip(given[..., 1], target, windows, strict=True):
                instrument, rendering = player_of(frame)
                assert window.target[:2] == (stores[instrument], rendering)
                player, played = player_of(style)
                assert (player, preset(played)) == (instrument, preset(rendering))
                assert piece(played) != piece(rendering)
                assert is_held_out(piece(played), 0.8) == held_out
                found.add((player, played))
        # every rendering of every target, in all its variations, becomes a style
        pieces = {piece(origin.rendering) for origin, _ in side}
        assert len(pieces) == 2
        assert found == {
            (instrument, rendering)
            for instrument in ("guitar", "violin")
            for rendering in PLAYED[instrument]
            if piece(rendering) in pieces
        }


def test_the_styles_of_a_single_piece_are_its_own_frames(stores):
    _, held_out = split(stores)
    frames = StyledFrames(held_out, 4)
    windows = frames.windows(0)
    assert {piece(window.target.rendering) for window in windows} == {"arpeggio"}
    given, _ = frames.cut(range(len(windows)), 0)
    for style, window in zip(given[..., 1], windows, strict=True):
        player, played = player_of(style)
        assert player == window.target.store.instrument
        assert piece(played) == "arpeggio"
        assert preset(played) == preset(window.target.rendering)


def test_styles_follow_from_seed_and_epoch_and_place_alone(stores):
    frames, again = dataset(stores), dataset(stores)
    again.cut([2], 7)  # other draws change nothing
    again.epoch = 7
    # without the order of the epoch: one target at each place
    target = next(target for _, target in split(stores)[0] if voice_of(target) == ("guitar", ""))
    styles, places = {}, range(12)
    for epoch in range(3):
        for place in places:
            styles[epoch, place] = frames.style(target, place, epoch)
            np.testing.assert_array_equal(again.style(target, place, epoch), styles[epoch, place])
    other = dataset(stores, seed=4)
    styles |= {("other", place): other.style(target, place, 0) for place in places}
    assert {style.shape for style in styles.values()} == {(BINS, FRAME_COLUMNS, 1)}
    for changed in ((0, 1, 2), (0, "other")):
        rows = {tuple(player_of(styles[name, place]) for place in places) for name in changed}
        assert len(rows) == len(changed)
    assert len({player_of(styles[0, place]) for place in places}) > 1


def test_an_epoch_of_styles_may_be_cut_anyhow(stores):
    frames = dataset(stores, random_offsets=True, steps=3)
    frames.epoch = 1
    whole, _ = frames.cut(range(12), 1)
    np.testing.assert_array_equal(np.concatenate([frames[index][0] for index in range(3)]), whole)
    np.testing.assert_array_equal(frames.cut(range(3, 9), 1)[0], whole[3:9])
    np.testing.assert_array_equal(frames.cut([5], 1)[0], whole[5:6])
    assert len({player_of(style) for style in whole[..., 1]}) > 3


def test_another_voice_may_play_the_style(stores):
    frames = dataset(stores)
    voices = [("guitar", ""), ("guitar", "004"), ("violin", "")]
    assert sorted(frames.voices) == voices
    target = next(target for _, target in split(stores)[0] if voice_of(target) == ("violin", ""))
    for voice in voices:
        for position in range(6):
            player, played = player_of(frames.style(target, position, 0, voice))
            assert (player, preset(played)) == voice
            assert piece(played) != piece(target.rendering)
    assert player_of(frames.style(target))[0] == "violin"


def test_a_voice_is_instrument_and_preset(stores):
    played = {
        "march": ("guitar", ""),
        "march~transpose+3": ("guitar", ""),
        "march~transpose+3@004": ("guitar", "004"),
    }
    for rendering, voice in played.items():
        assert voice_of(Source(stores["guitar"], rendering)) == voice


def test_of_two_frames_the_fuller_one_is_shown(tmp_path):
    sound = np.full((512, BINS), 0.5, np.float16)
    images = [("a", sound), ("b", np.zeros_like(sound)), ("c", sound)]
    write_store(tmp_path / "one.h5", images, "one")
    with FeatureStore(tmp_path / "one.h5") as store:
        sources = [Source(store, rendering) for rendering in "abc"]
        frames = StyledFrames([(source, source) for source in sources], 4)
        silent = [frames.style(sources[0], place, 0).max() == -1 for place in range(400)]
    # of "b" and "c", one of four pairs is of silent frames alone: 100, with a deviation of 9
    assert 60 < sum(silent) < 140


def test_styles_are_cut_anywhere_up_to_the_end_of_their_piece(tmp_path):
    columns = np.arange(300, dtype=np.float16)[:, np.newaxis] / 512
    images = [("a", np.zeros((10, BINS), np.float16)), ("b", np.repeat(columns, BINS, axis=1))]
    write_store(tmp_path / "one.h5", images, "one")
    with FeatureStore(tmp_path / "one.h5") as store:
        short, long = (Source(store, rendering) for rendering in "ab")
        frames = StyledFrames([(short, short), (long, long)], 4)
        starts = set()
        for place in range(300):
            style = (frames.style(short, place, 0)[0, :, 0] + 1) * 256
            np.testing.assert_allclose(np.diff(style), 1)
            starts.add(round(float(style[0])))
        assert starts <= set(range(45))
        assert max(starts) == 44  # the last frame that is full
        # shorter than a frame: the rest is silent
        assert (frames.style(long) == -1).all()


# The fullest frame


@settings(max_examples=60)
@given(
    columns=st.integers(1, 1100),
    bursts=st.lists(st.tuples(st.integers(0, 1100), st.integers(1, 300)), max_size=4),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_fullest_frame_is_found_as_by_trying_each(columns, bursts, seed):
    # multiples of 1/64 in a power of two of bins: sums are exact
    image = np.random.default_rng(seed).integers(0, 8, (4, columns)).astype(np.float32) / 64
    for start, length in bursts:
        image[:, start : start + length] += 0.5
    starts = [0]
    while starts[-1] + FRAME_COLUMNS // 4 <= columns - FRAME_COLUMNS:
        starts.append(starts[-1] + FRAME_COLUMNS // 4)
    sums = [image[:, start : start + FRAME_COLUMNS].sum(dtype=float) for start in starts]
    assert fullest_frame(image) == starts[sums.index(max(sums))]


def test_the_fullest_frame_lies_within_the_image():
    image = np.zeros((BINS, 1000), np.float16)
    assert fullest_frame(image) == 0
    image[:, 990:] = 1  # no whole frame begins late enough to contain it
    assert fullest_frame(image) == 0
    image[:, 930:] = 1
    assert fullest_frame(image) == 704
    assert fullest_frame(image[:, :256]) == 0
    assert fullest_frame(image[:, :100]) == 0


# The style of a recording


@pytest.fixture
def recording(tmp_path):
    """Recording of 9 s of noise, which is loudest from second 6 on."""
    noise = np.random.default_rng(0).normal(0, 0.05, 9 * SAMPLE_RATE)
    noise[5 * SAMPLE_RATE :] *= 4
    write_audio(tmp_path / "style.wav", noise)
    return tmp_path / "style.wav"


@pytest.mark.parametrize("offset", [None, 0, 1.5, 8.0])
def test_the_style_is_the_frame_at_an_offset_or_the_fullest_one(recording, offset):
    image = magnitude_image(load_audio(recording)[0]).T
    style, seconds = read_style(recording, offset)
    start = fullest_frame(image) if offset is None else round(offset * SAMPLE_RATE / HOP)
    assert seconds == pytest.approx(start * HOP / SAMPLE_RATE)
    assert (style.shape, style.dtype) == ((BINS, FRAME_COLUMNS), np.float32)
    expected = image[:, start : start + FRAME_COLUMNS]
    np.testing.assert_allclose(style[:, : expected.shape[1]], expected, atol=2e-3)
    assert not style[:, expected.shape[1] :].any()
    if offset is None:
        assert 4.2 < seconds < 6.1
        # the offset can be given again
        np.testing.assert_array_equal(read_style(recording, seconds)[0], style)


def test_a_style_that_is_none_is_one_line(recording, tmp_path):
    with pytest.raises(UserError, match=r"--style_offset 9\.5: .*style\.wav lasts 9\.0 s only"):
        read_style(recording, 9.5)
    write_audio(tmp_path / "silent.wav", np.zeros(SAMPLE_RATE))
    with pytest.raises(UserError, match=r"silent\.wav: silent; --style needs"):
        read_style(tmp_path / "silent.wav")
    (tmp_path / "none.wav").write_bytes(b"no audio")
    with pytest.raises(AudioFileError, match=r"none\.wav"):
        read_style(tmp_path / "none.wav")


# Distances by style


def test_distances_are_means_over_the_frames_of_each_target_in_each_style(stores):
    frames = StyledFrames(split(stores)[0], 4, seed=3)
    shown = {"guitar": 0.2, "guitar@004": 0.5, "violin": 0.9}

    def name(player, played):
        return "@".join([player, preset(played)]).strip("@")

    def predict(inputs, styles):
        assert inputs.shape == (len(styles), BINS, FRAME_COLUMNS, 1)
        assert {player_of(image * 2 - 1)[0] for image in inputs} == {"piano"}
        played = [name(*player_of(style * 2 - 1)) for style in styles]
        return np.stack([np.full_like(inputs[0], shown[voice]) for voice in played])

    rows = distances_by_style(predict, frames)
    assert [row["style"] for row in rows] == list(rows[0])[1:]
    assert set(rows[0]) == {"style", *shown}
    _, targets = frames.cut(range(frames.frame_count), 0)
    voices = [name(*player_of(target)) for target in targets]
    assert len({voices.count(voice) for voice in shown}) > 1
    for row in rows:
        level = shown[row["style"]] * 2 - 1
        for voice in shown:
            of_voice = [t for t, played in zip(targets, voices, strict=True) if played == voice]
            assert row[voice] == pytest.approx(np.abs(level - np.stack(of_voice)).mean(), rel=1e-5)
