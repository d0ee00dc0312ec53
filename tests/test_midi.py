"""Reading MIDI files: closed-form cases, mido as an independent writer and reader, fuzzing."""

import math

import mido
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.cli import UserError
from common.music.midi import Note, read_notes

TICKS = 100  # per quarter note; at the default tempo a tick takes 5 ms
SECOND = 2 * TICKS  # ticks of a second at the default tempo


def on(tick, pitch=60, velocity=64, channel=0):
    return tick, mido.Message("note_on", note=pitch, velocity=velocity, channel=channel)


def off(tick, pitch=60, channel=0):
    return tick, mido.Message("note_off", note=pitch, velocity=0, channel=channel)


def pedal(tick, value, channel=0):
    return tick, mido.Message("control_change", control=64, value=value, channel=channel)


def tempo(tick, microseconds):
    return tick, mido.MetaMessage("set_tempo", tempo=microseconds)


def end(tick):
    return tick, mido.MetaMessage("end_of_track")


@pytest.fixture
def write(tmp_path):
    """Function that writes tracks, each a list of (absolute tick, message), and returns the path.

    Events of one tick keep their order.
    """

    def write_tracks(*tracks, kind=1, division=TICKS):
        file = mido.MidiFile(type=kind, ticks_per_beat=division)
        for events in tracks:
            track, now = file.add_track(), 0
            for tick, message in sorted(events, key=lambda event: event[0]):
                track.append(message.copy(time=tick - now))
                now = tick
        path = tmp_path / "piece.mid"
        file.save(path)
        return path

    return write_tracks


def spans(piece):
    """List (pitch, start, end) of the notes, with times in hundredths of a second."""
    return [
        (note.pitch, round(note.start * 100, 6), round(note.end * 100, 6)) for note in piece.notes
    ]


def counts(piece):
    return piece.drums, piece.unreleased, piece.empty, piece.out_of_range


ONE_NOTE = [on(0), off(SECOND)]


def test_notes_are_sorted_by_start_then_pitch(write):
    piece = read_notes(
        write(
            [on(100, 72, 1), off(150, 72), on(0, 64, 127), off(200, 64)], [on(0, 60), off(200, 60)]
        )
    )
    assert piece.notes == (
        Note(60, 64, 0.0, 1.0),
        Note(64, 127, 0.0, 1.0),
        Note(72, 1, 0.5, 0.75),
    )
    assert piece.duration == 1.0
    assert counts(piece) == (0, 0, 0, 0)
    assert piece.notes[0] < piece.notes[1] < piece.notes[2]


def test_format_0(write):
    assert spans(read_notes(write(ONE_NOTE, kind=0))) == [(60, 0, 100)]


class TestTime:
    def test_tempo_of_another_track_acts_on_all(self, write):
        # half a second per quarter for two quarters, then a whole one; in a track after the notes
        path = write([on(0), off(100), on(300), off(400)], [tempo(200, 1_000_000)])
        assert spans(read_notes(path)) == [(60, 0, 50), (60, 200, 300)]

    def test_tempo_within_a_note(self, write):
        path = write([tempo(0, 250_000), tempo(100, 1_000_000)], [on(50), off(150)])
        assert spans(read_notes(path)) == [(60, 12.5, 75)]

    def test_last_tempo_of_a_tick_holds(self, write):
        path = write([tempo(0, 1), tempo(0, 1_000_000)], [on(100), off(200)])
        assert spans(read_notes(path)) == [(60, 100, 200)]

    def test_tempo_zero_is_ignored(self, write):
        path = write([tempo(0, 1_000_000), tempo(50, 0)], [on(100), off(200)])
        assert spans(read_notes(path)) == [(60, 100, 200)]

    def test_format_2_plays_its_sequences_one_after_the_other(self, write):
        path = write(
            [tempo(0, 1_000_000), on(0, 60), off(100, 60), pedal(50, 127), end(200)],
            [on(100, 62), off(200, 62)],
            kind=2,
        )
        # the first lasts 2 s, its pedal to its end; the second has neither its tempo nor its pedal
        assert spans(read_notes(path)) == [(60, 0, 200), (62, 250, 300)]

    @pytest.mark.parametrize(("frames", "rate"), [(24, 24), (25, 25), (29, 30000 / 1001), (30, 30)])
    def test_smpte_time_is_absolute(self, write, frames, rate):
        # mido writes the division as a signed number: minus the frame rate, ticks per frame
        path = write(
            [tempo(0, 123), on(0), off(40 * 10)], division=((256 - frames) << 8 | 40) - 0x10000
        )
        (note,) = read_notes(path).notes
        assert note.end == pytest.approx(10 / rate, rel=1e-15)

    def test_playback_speed_divides_times(self, write):
        path = write([on(SECOND), off(3 * SECOND)])
        assert spans(read_notes(path, playback_speed=2)) == [(60, 50, 150)]
        assert spans(read_notes(path, playback_speed=0.5)) == [(60, 200, 600)]

    @pytest.mark.parametrize("speed", [0, -1, math.inf, math.nan])
    def test_impossible_playback_speed(self, write, speed):
        with pytest.raises(ValueError, match="playback_speed"):
            read_notes(write(ONE_NOTE), playback_speed=speed)

    def test_no_error_adds_up_over_tempo_changes(self, write):
        changes = [tempo(tick, 333_333 + tick % 7) for tick in range(10_000)]
        ticks = [on(10_000), off(10_001)]
        (note,) = read_notes(write(changes, ticks)).notes
        assert note.start == sum(333_333 + tick % 7 for tick in range(10_000)) / (TICKS * 1e6)

    def test_times_of_mido(self, write):
        path = write(
            [
                tempo(0, 612_345),
                tempo(333, 234_567),
                tempo(334, 1_500_000),
                tempo(1000, 16_777_215),
            ],
            [event for tick in range(0, 2000, 37) for event in (on(tick, 60), off(tick + 17, 60))],
            [event for tick in range(5, 2000, 91) for event in (on(tick, 48), off(tick + 90, 48))],
        )
        expected, sounding, now = [], {}, 0.0
        for message in mido.MidiFile(path):
            now += message.time
            if message.type == "note_on":
                sounding[message.note] = now
            elif message.type == "note_off":
                expected.append((sounding.pop(message.note), message.note, now))
        notes = read_notes(path).notes
        assert len(notes) == len(expected) > 50
        for note, (start, pitch, stop) in zip(notes, sorted(expected), strict=True):
            assert note.pitch == pitch
            assert (note.start, note.end) == pytest.approx((start, stop), abs=1e-9)


class TestKeys:
    def test_velocity_zero_releases(self, write):
        piece = read_notes(write([on(0), on(50, velocity=0), on(100), off(150)]))
        assert spans(piece) == [(60, 0, 25), (60, 50, 75)]

    def test_striking_a_sounding_pitch_ends_the_former_note(self, write):
        piece = read_notes(write([on(0), on(100, velocity=99), off(200), off(300)]))
        assert spans(piece) == [(60, 0, 50), (60, 50, 100)]
        assert [note.velocity for note in piece.notes] == [64, 99]
        assert counts(piece) == (0, 0, 0, 0)

    def test_other_tracks_and_channels_keep_their_notes(self, write):
        path = write([on(0), off(200), on(100, channel=1), off(300, channel=1)], [on(50), off(60)])
        assert spans(read_notes(path)) == [(60, 0, 100), (60, 25, 30), (60, 50, 150)]

    @pytest.mark.parametrize("repeat", [[off(100), on(100)], [on(100), off(100)]])
    def test_repeated_note_in_either_order(self, write, repeat):
        piece = read_notes(write([on(0), *repeat, off(200)]))
        assert spans(piece) == [(60, 0, 50), (60, 50, 100)]
        assert counts(piece) == (0, 0, 0, 0)

    def test_unreleased_note_ends_with_its_track(self, write):
        piece = read_notes(write([on(0), end(300)], [on(0, 72), off(400, 72)]))
        assert spans(piece) == [(60, 0, 150), (72, 0, 200)]
        assert counts(piece) == (0, 1, 0, 0)

    def test_empty_notes_are_left_out(self, write):
        piece = read_notes(write([on(0), off(0), on(50), off(100)]))
        assert spans(piece) == [(60, 25, 50)]
        assert counts(piece) == (0, 0, 1, 0)

    @pytest.mark.parametrize(("first", "second"), [(64, 99), (99, 64)])
    def test_a_pitch_struck_twice_at_once_is_one_note(self, write, first, second):
        """FluidSynth plays merged voices like this: one string, damped by the first release."""
        strikes = [on(50, velocity=first), on(50, velocity=second)]
        piece = read_notes(write([*strikes, off(100), off(150), on(200), off(250)]))
        assert spans(piece) == [(60, 25, 50), (60, 100, 125)]
        assert piece.notes[0].velocity == 99
        assert counts(piece) == (0, 0, 0, 0)
        assert piece.doubled == 1

    def test_struck_twice_while_it_sounds(self, write):
        piece = read_notes(write([on(0), on(100), on(100), off(100), off(200)]))
        assert spans(piece) == [(60, 0, 50), (60, 50, 100)]
        assert piece.doubled == 1

    def test_drums_are_left_out(self, write):
        piece = read_notes(write([*ONE_NOTE, on(0, 36, channel=9), off(9, 36, channel=9)]))
        assert spans(piece) == [(60, 0, 100)]
        assert counts(piece) == (1, 0, 0, 0)

    def test_transposition(self, write):
        path = write([on(0, 0), off(100, 0), on(0, 127), off(100, 127)])
        assert [note.pitch for note in read_notes(path).notes] == [0, 127]
        up, down = read_notes(path, transpose=1), read_notes(path, transpose=-127)
        assert [note.pitch for note in up.notes] == [1]
        assert [note.pitch for note in down.notes] == [0]
        assert counts(up) == counts(down) == (0, 0, 0, 1)


class TestPedal:
    """Times in hundredths of a second, two ticks each; the key is down from 0 to 50."""

    NOTE = (on(0), off(100))

    @pytest.mark.parametrize(
        ("events", "stop"),
        [
            ([pedal(0, 127), pedal(300, 0)], 150),
            ([pedal(0, 64), pedal(300, 63)], 150),
            ([pedal(0, 63), pedal(300, 0)], 50),
            ([pedal(50, 127), pedal(300, 0)], 150),  # pressed while the key is down
            ([pedal(0, 127), pedal(50, 0)], 50),  # lifted while the key is down
            ([pedal(0, 127), pedal(100, 0)], 50),  # lifted with the release
            ([pedal(100, 127), pedal(300, 0)], 50),  # pressed with the release
            ([pedal(101, 127), pedal(300, 0)], 50),  # pressed after the release
            ([pedal(0, 127), pedal(200, 100), pedal(300, 0)], 150),  # a second press is no lift
            ([pedal(0, 127), pedal(200, 0), pedal(200, 127), pedal(300, 0)], 100),
            ([pedal(0, 127), pedal(200, 127), pedal(200, 0), pedal(300, 0)], 100),
            ([pedal(50, 127), pedal(50, 0), pedal(300, 0)], 50),  # pressed and lifted in one tick
            ([pedal(0, 127, channel=1)], 50),
            ([pedal(0, 127)], 200),  # never lifted
            ([pedal(0, 127), on(250), off(300)], 125),  # struck again
            ([pedal(0, 127), on(100), off(101), pedal(101, 0)], 50),  # struck at the release
            ([pedal(0, 127), on(250, 62), off(300, 62), pedal(300, 0)], 150),  # another pitch
            ([pedal(0, 127), on(250, channel=1), off(300, channel=1)], 200),  # another channel
        ],
    )
    @pytest.mark.parametrize("together", [True, False])
    def test_release_under_the_pedal(self, write, events, stop, together):
        tracks = [[*events, *self.NOTE, end(400)]] if together else [self.NOTE, [*events, end(400)]]
        assert read_notes(write(*tracks)).notes[0] == Note(60, 64, 0.0, stop / 100)

    def test_switched_off(self, write):
        path = write([*self.NOTE, pedal(0, 127), pedal(300, 0)])
        assert spans(read_notes(path, sustain=False)) == [(60, 0, 50)]

    @pytest.mark.parametrize("first", [True, False])
    def test_legato_pedalling(self, write, first):
        """A pedal change on the second chord separates the chords and holds the second."""
        change = [pedal(100, 0), pedal(100, 127)]
        chords = [off(100, 60), on(100, 62), off(150, 62)]
        events = [*change, *chords] if first else [*chords, *change]
        path = write([pedal(0, 127), on(0, 60), *events, pedal(300, 0)])
        assert spans(read_notes(path)) == [(60, 0, 50), (62, 50, 150)]

    def test_late_change_of_the_pedal(self, write):
        """As pianists do it: the first chord rings into the second until the pedal is lifted."""
        path = write(
            [pedal(0, 127), on(0, 60), off(90, 60), on(100, 62), off(190, 62)],
            [pedal(110, 0), pedal(130, 127), pedal(300, 0)],
        )
        assert spans(read_notes(path)) == [(60, 0, 55), (62, 50, 150)]

    def test_reset_of_the_controllers_lifts(self, write):
        reset = 300, mido.Message("control_change", control=121, value=127)
        path = write([*self.NOTE, pedal(0, 127), reset, end(400)])
        assert spans(read_notes(path)) == [(60, 0, 150)]


def control(tick, number, value=0, channel=0):
    message = mido.Message("control_change", control=number, value=value, channel=channel)
    return tick, message


class TestReleases:
    """Controllers that end all notes of their channel; times in hundredths of a second."""

    @pytest.mark.parametrize("number", [120, 123, 124, 125, 126, 127])
    @pytest.mark.parametrize("together", [True, False])
    def test_all_keys_of_the_channel_go_up(self, write, number, together):
        notes = [on(0, 60), on(50, 64), on(0, 67, channel=1), end(400)]
        change = [control(100, number), on(100, 72), off(150, 72)]
        tracks = [[*change, *notes]] if together else [notes, change]
        piece = read_notes(write(*tracks))
        assert spans(piece) == [(60, 0, 50), (67, 0, 200), (64, 25, 50), (72, 50, 75)]
        assert piece.unreleased == 1  # the note of the other channel
        assert piece.controls == 0

    def test_a_late_release_is_of_no_account(self, write):
        piece = read_notes(write([on(0), control(100, 123), on(200), off(300), off(350)]))
        assert spans(piece) == [(60, 0, 50), (60, 100, 150)]

    @pytest.mark.parametrize(("number", "stop"), [(120, 75), (123, 150)])
    def test_only_silence_ends_what_the_pedal_holds(self, write, number, stop):
        piece = read_notes(write([pedal(0, 127), on(0), off(100), control(150, number), end(300)]))
        assert spans(piece) == [(60, 0, stop)]

    def test_keys_that_the_pedal_holds_after_their_release(self, write):
        held = [pedal(0, 127), on(0), control(100, 123), pedal(200, 0), end(300)]
        assert spans(read_notes(write(held))) == [(60, 0, 100)]
        assert spans(read_notes(write(held), sustain=False)) == [(60, 0, 50)]


def test_what_is_not_played_is_counted(write):
    bends = [
        (tick, mido.Message("pitchwheel", pitch=pitch)) for tick, pitch in enumerate([0, 9, 0])
    ]
    sostenuto = [control(tick, 66, value) for tick, value in enumerate([127, 90, 0, 64])]
    others = [
        control(0, 7, 100),
        control(0, 10, 64),
        (5, mido.Message("program_change", program=3)),
    ]
    drums = [on(0, 36, channel=9), off(9, 36, channel=9), control(0, 7, 9, channel=9)]
    piece = read_notes(write([*ONE_NOTE, *bends, *sostenuto, *others, *drums, pedal(0, 127)]))
    assert (piece.bends, piece.sostenuto, piece.controls, piece.drums) == (2, 2, 2, 1)
    assert piece.counts["bends"] == 2


def complaint(path):
    """Return the error that reading raises: one line that begins with the path."""
    with pytest.raises(UserError) as caught:
        read_notes(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert "\n" not in text
    return text


def write_song(path, song, gap=1):
    """Write notes (wait, length, pitch, velocity) one after another; return those to expect."""
    events, expected, free = [], [], {}
    now = 0
    for wait, length, pitch, velocity in song:
        now = max(now + wait, free.get(pitch, 0))
        free[pitch] = now + length + gap
        events += [on(now, pitch, velocity), off(now + length, pitch)]
        expected.append((now / SECOND, pitch, velocity, (now + length) / SECOND))
    file = mido.MidiFile(ticks_per_beat=TICKS)
    track, last = file.add_track(), 0
    for tick, message in sorted(events, key=lambda event: (event[0], event[1].type == "note_on")):
        track.append(message.copy(time=tick - last))
        last = tick
    file.save(path)
    return sorted(expected)


SONGS = st.lists(
    st.tuples(st.integers(0, 300), st.integers(1, 1000), st.integers(0, 127), st.integers(1, 127)),
    min_size=1,
    max_size=30,
)
# the folder of a function-scoped fixture is written anew by every example
EXAMPLES = settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])


@EXAMPLES
@given(song=SONGS, gap=st.integers(0, 1))
def test_random_notes_come_back(tmp_path, song, gap):
    path = tmp_path / "song.mid"
    expected = write_song(path, song, gap)
    piece = read_notes(path)
    notes = [(note.start, note.pitch, note.velocity, note.end) for note in piece.notes]
    assert [note[1:3] for note in notes] == [note[1:3] for note in expected]
    assert [note[::3] for note in notes] == [
        pytest.approx(note[::3], abs=0.5 / SECOND) for note in expected
    ]
    assert counts(piece) == (0, 0, 0, 0)


@EXAMPLES
@given(
    changes=st.lists(st.tuples(st.integers(0, 10**6), st.binary(max_size=4)), max_size=8),
    cut=st.one_of(st.none(), st.integers(0, 10**6)),
)
def test_damaged_files_are_read_or_refused(tmp_path, changes, cut):
    path = tmp_path / "damaged.mid"
    write_song(path, [(10, 50, 60, 64), (0, 70, 64, 80), (30, 20, 60, 100)])
    data = bytearray(path.read_bytes())
    for position, replacement in changes:
        start = position % (len(data) + 1)
        data[start : start + max(len(replacement), 1)] = replacement
    path.write_bytes(data[: None if cut is None else cut % (len(data) + 1)])
    try:
        piece = read_notes(path)
    except UserError as error:
        assert str(error).startswith(f"{path}: ")
        assert "\n" not in str(error)
    else:
        assert piece.notes
        for note in piece.notes:
            assert 0 <= note.pitch <= 127
            assert 1 <= note.velocity <= 127
            assert 0 <= note.start < note.end <= 24 * 3600
