"""Bytes of MIDI files: unusual ones, wrong counts and lengths, damage."""

import struct
import time

import pytest
from test_midi import ONE_NOTE, SECOND, TICKS, complaint, counts, off, on, spans, write

from common.music.midi import read_notes

__all__ = ["write"]  # a fixture


def raw(*bodies, kind=1, division=TICKS, count=None):
    """Make the bytes of a MIDI file from track bodies."""
    count = len(bodies) if count is None else count
    header = b"MThd" + struct.pack(">LHHH", 6, kind, count, division)
    return header + b"".join(b"MTrk" + struct.pack(">L", len(body)) + body for body in bodies)


@pytest.fixture
def write_raw(tmp_path):
    def write_bytes(data):
        path = tmp_path / "raw.mid"
        path.write_bytes(data)
        return path

    return write_bytes


class TestBytes:
    """Files that mido does not write, or does not read."""

    NOTE = bytes([0, 0x90, 60, 64, TICKS, 60, 0])  # running status, released by velocity 0

    def test_running_status_goes_on_over_other_events(self, write_raw):
        meta, sysex = b"\x00\xff\x01\x02hi", b"\x00\xf0\x02\x01\xf7"
        body = self.NOTE[:4] + meta + sysex + self.NOTE[4:]
        assert spans(read_notes(write_raw(raw(body)))) == [(60, 0, 50)]

    def test_unknown_meta_events_keep_their_time(self, write_raw):
        body = bytes([TICKS, 0xFF, 0x60, 1, 0]) + self.NOTE
        assert spans(read_notes(write_raw(raw(body)))) == [(60, 50, 100)]

    @pytest.mark.parametrize(
        "meta",
        [
            b"\x59\x02\x7f\x07",  # a key signature of 127 sharps
            b"\x54\x01\xff",  # a short SMPTE offset
            b"\x03\x04\xff\xfe\x80\x00",  # a name that is valid in no encoding
            b"\x51\x04\x07\xa1\x20\x00",  # a tempo with a byte too many
        ],
    )
    def test_odd_meta_events_do_no_harm(self, write_raw, meta):
        assert spans(read_notes(write_raw(raw(b"\x00\xff" + meta + self.NOTE)))) == [(60, 0, 50)]

    def test_data_above_127(self, write_raw):
        body = bytes([0, 0x90, 100, 200, 0, 0x90, 200, 64, TICKS, 0x80, 100, 0, 0, 0x80, 200, 0])
        piece = read_notes(write_raw(raw(body)), transpose=-100)
        assert [note.velocity for note in piece.notes] == [127]
        assert counts(piece) == (0, 0, 0, 1)

    def test_unknown_chunks_and_trailing_bytes(self, write_raw):
        data = raw(self.NOTE)
        data = data[:14] + b"XFIH\x00\x00\x00\x02hi" + data[14:] + b"rubbish"
        assert spans(read_notes(write_raw(data))) == [(60, 0, 50)]

    @pytest.mark.parametrize("byte", [0xF8, 0xFA, 0xFB, 0xFC, 0xFE])
    def test_bytes_of_real_time_are_passed_over(self, write_raw, byte):
        stray = bytes([0, byte])
        body = stray + self.NOTE[:4] + bytes([10, byte, TICKS - 10]) + self.NOTE[5:] + stray
        assert spans(read_notes(write_raw(raw(body, self.NOTE)))) == [(60, 0, 50)] * 2

    @pytest.mark.parametrize("place", [2, 3])
    def test_bytes_of_real_time_within_an_event_are_passed_over(self, write_raw, place):
        body = self.NOTE[:place] + b"\xf8\xfe" + self.NOTE[place:]
        assert spans(read_notes(write_raw(raw(body)))) == [(60, 0, 50)]

    @pytest.mark.parametrize("stray", [b"\xf1\x10", b"\xf2\x10\x20", b"\xf3\x01", b"\xf6"])
    def test_messages_of_the_cable_are_passed_over(self, write_raw, stray):
        assert spans(read_notes(write_raw(raw(b"\0" + stray + self.NOTE)))) == [(60, 0, 50)]

    def test_running_status_ends_with_its_track(self, write_raw):
        path = write_raw(raw(self.NOTE, self.NOTE[:1] + self.NOTE[2:]))
        assert "data without a status byte" in complaint(path)

    def test_a_missing_end_of_track_releases_at_the_last_event(self, write_raw):
        piece = read_notes(write_raw(raw(self.NOTE[:4] + b"\x82\x00\xff\x01\x00")))
        assert spans(piece) == [(60, 0, 128)]
        assert counts(piece) == (0, 1, 0, 0)

    def test_a_thousand_tempo_changes_in_one_tick_are_as_the_last(self, write_raw):
        tempos = b"".join(b"\x00\xff\x51\x03" + bytes([0, 1, low % 256]) for low in range(999))
        last = b"\x00\xff\x51\x03\x0f\x42\x40"
        assert spans(read_notes(write_raw(raw(tempos + last + self.NOTE)))) == [(60, 0, 100)]

    def test_events_after_the_end_of_the_track(self, write_raw):
        body = self.NOTE + b"\x00\xff\x2f\x00" + self.NOTE
        assert spans(read_notes(write_raw(raw(body)))) == [(60, 0, 50)]


class TestCounts:
    """The content counts, not the numbers in headers."""

    END = b"\x00\xff\x2f\x00"
    NOTE = TestBytes.NOTE + END
    LOW = TestBytes.NOTE.replace(bytes([60]), bytes([48])) + END
    BOTH = ((48, 0, 50), (60, 0, 50))

    @pytest.mark.parametrize(
        ("count", "extra", "missing"), [(0, 2, 0), (1, 1, 0), (3, 0, 1), (65535, 0, 65533)]
    )
    @pytest.mark.parametrize("kind", [0, 1])
    def test_number_of_tracks(self, write_raw, count, extra, missing, kind):
        piece = read_notes(write_raw(raw(self.NOTE, self.LOW, count=count, kind=kind)))
        assert spans(piece) == [*self.BOTH]
        assert (piece.extra_tracks, piece.missing_tracks) == (extra, missing)

    def test_sequences_of_format_2_beyond_the_count(self, write_raw):
        piece = read_notes(write_raw(raw(self.NOTE, self.LOW, count=1, kind=2)))
        assert spans(piece) == [(60, 0, 50), (48, 50, 100)]

    @pytest.mark.parametrize("length", [0, 1, 4, 7, 10, 12, 200, 2**31, 2**32 - 1])
    @pytest.mark.parametrize("place", [18, 18 + 8 + len(NOTE)])
    def test_length_of_a_track(self, write_raw, length, place):
        data = bytearray(raw(self.NOTE, self.LOW))
        data[place : place + 4] = struct.pack(">L", length)
        assert spans(read_notes(write_raw(data))) == [*self.BOTH]

    def test_bytes_between_tracks(self, write_raw):
        data = raw(self.NOTE, self.LOW)
        place = data.index(b"MTrk", 20)
        assert spans(read_notes(write_raw(data[:place] + b"\0\0?" + data[place:]))) == [*self.BOTH]

    @pytest.mark.parametrize(
        "after", [b"", bytes(100), b"rubbish", b"LIST\x05\x00\x00\x00INFOx\x00"]
    )
    def test_what_follows_the_last_track(self, write_raw, after):
        piece = read_notes(write_raw(raw(self.NOTE, self.LOW) + after))
        assert spans(piece) == [*self.BOTH]
        assert (piece.extra_tracks, piece.missing_tracks) == (0, 0)

    @pytest.mark.parametrize("before", [b"", b"LIST\x05\x00\x00\x00INFOx\x00"])
    @pytest.mark.parametrize("wrong", [0, 1000])
    def test_riff_around_a_midi_file(self, write_raw, before, wrong):
        inner = raw(self.NOTE, self.LOW)
        length = wrong or len(inner)
        for after in (b"", b"DISP\x04\x00\x00\x00\x01\x00\x00\x00"):
            chunks = before + b"data" + struct.pack("<L", length) + inner + after
            data = b"RIFF" + struct.pack("<L", 4 + len(chunks)) + b"RMID" + chunks
            assert spans(read_notes(write_raw(data))) == [*self.BOTH]

    def test_riff_that_is_cut_off(self, write_raw):
        inner = raw(self.NOTE, self.LOW)
        whole = b"RIFF" + struct.pack("<L", 12 + len(inner)) + b"RMIDdata"
        whole += struct.pack("<L", len(inner)) + inner
        boundary = len(whole) - 8 - len(self.LOW)
        for size in range(len(whole)):
            if size != boundary:
                complaint(write_raw(whole[:size]))


class TestErrors:
    NOTE = TestBytes.NOTE

    def test_missing_file(self, tmp_path):
        assert "check the path" in complaint(tmp_path / "none.mid")

    def test_folder(self, tmp_path):
        assert "cannot be read" in complaint(tmp_path)

    @pytest.mark.parametrize(
        ("data", "reason"),
        [
            (b"", "empty"),
            (b"RIFF" + bytes(40), "MThd"),
            (b"MThd", "cut off"),
            (b"MThd\x00\x00\x00\x02\x00\x01", "cut off"),
            (raw(NOTE)[:-1], "cut off"),
            (raw(NOTE, count=2), "cut off"),
            (raw(NOTE[:-1]), "cut off"),
            (raw(), "no track"),
            (raw(NOTE, kind=3), "format"),
            (raw(NOTE, division=0), "division"),
            (raw(NOTE, division=(256 - 25) << 8), "division"),
            (raw(NOTE, division=(256 - 26) << 8 | 40), "26 frames"),
            (raw(b"\x00\x3c\x40"), "status"),
            (raw(b"\x00\xf4" + NOTE), "0xf4"),
            (raw(b"\x00\xff\x51\x02\x01\x01" + NOTE), "tempo"),
            (raw(b"\x80\x80\x80\x80\x00" + NOTE[1:]), "four bytes"),
        ],
    )
    def test_corrupt_file(self, write_raw, data, reason):
        text = complaint(write_raw(data))
        assert reason in text
        assert "again" in text

    def test_every_cut_is_noticed(self, write, write_raw):
        data = write(ONE_NOTE, [on(5, 62), off(9, 62)]).read_bytes()
        boundary = data.index(b"MTrk", 20)
        for size in range(len(data)):
            if size == boundary:  # a file with a wrong number of tracks looks the same
                assert read_notes(write_raw(data[:size])).missing_tracks == 1
            else:
                complaint(write_raw(data[:size]))

    def test_no_playable_note(self, write):
        path = write([on(0, 36, channel=9), on(9, 36, channel=9), on(9, 37), off(9, 37)])
        text = complaint(path)
        assert "2 drum notes" in text
        assert "1 of no length" in text

    def test_longer_than_a_day(self, write, write_raw):
        day = 24 * 3600 * SECOND
        assert read_notes(write([on(day - 1), off(day)])).duration == 24 * 3600
        assert "24 hours" in complaint(write([on(day), off(day + 1)]))
        # the longest waiting time there is, 2^28 - 1 ticks of 8.4 s
        slow, wait = b"\x00\xff\x51\x03\xff\xff\xff", b"\xff\xff\xff\x7f"
        complaint(write_raw(raw(slow + self.NOTE[:4] + wait + self.NOTE[5:], division=2)))

    def test_long_quantity_takes_no_time(self, write_raw):
        start = time.perf_counter()
        complaint(write_raw(raw(b"\xff" * 2_000_000)))
        assert time.perf_counter() - start < 2
