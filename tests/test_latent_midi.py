"""The MIDI map, the patches for Max and Pure Data, and a piece that is made by messages alone."""

import json
import re
import shutil
import socket
import subprocess
import threading

import mido
import numpy as np
import pytest
import soundfile
from conftest import INSTALLED, ROOT, assert_refused, outcome
from mido import Message
from test_latent_exploration import words
from test_latent_osc import player, port  # noqa: F401 (fixtures)

from common.audio.descriptors import describe_shape, mean_power
from common.trained import shipped
from latent_exploration import client, midi
from latent_exploration.osc import serve
from latent_exploration.session import LatentSession, open_latent
from latent_exploration.table import ADDRESSES, Player

FOLDER = ROOT / "latent_exploration"


def test_values_are_brought_to_their_range():
    rule = midi.Rule("cc", 1, -2, 2, "/set", [1, None])
    assert rule.message(0) == ("/set", [1, -2.0])
    assert rule.message(1) == ("/set", [1, 2.0])
    for message, expected in (
        (Message("control_change", control=7, value=127), ("cc", 7, 1)),
        (Message("note_on", note=60, velocity=0), None),
        (Message("note_on", note=60, velocity=127), ("note", 60, 1)),
        (Message("note_off", note=60), None),
        (Message("pitchwheel", pitch=-8192), ("wheel", 0, 0)),
        (Message("pitchwheel", pitch=8191), ("wheel", 0, 1)),
        (Message("clock"), None),
    ):
        assert midi.share_of(message) == expected


def test_the_example_map_names_known_addresses():
    rules = midi.read_map(FOLDER / "midi.txt")
    assert {rule.address for rule in rules} <= {*ADDRESSES}
    assert rules[0] == midi.Rule("cc", 1, 0, 1, "/crossfade", [None])
    assert midi.Rule("note", 60, 0, 1, "/take", [1]) in rules


@pytest.mark.parametrize(
    "line",
    ["cc", "cc x /undo", "cc 1 2 /undo", "cc 128 /undo", "knob 1 /undo", "note 60", "cc 1 'x"],
)
def test_another_map_is_refused(tmp_path, capsys, line):
    (tmp_path / "map.txt").write_text(f"note 60 /undo\n{line}\n")
    argv = words(tmp_path / "map.txt", "--file", tmp_path / "none.mid")
    assert_refused(midi.main, argv, capsys, "map.txt", "line 2")


def test_a_midi_file_plays_the_server(port, tmp_path, capsys):  # noqa: F811
    track = mido.MidiTrack([Message("note_on", note=60, velocity=90)])
    track += [Message("control_change", control=1, value=value, time=10) for value in (0, 127)]
    track += [Message("note_on", note=61, velocity=1, time=10), Message("note_on", note=99)]
    mido.MidiFile(tracks=[track]).save(tmp_path / "a.mid")
    (tmp_path / "map.txt").write_text(
        "note 60 /load a.wav\ncc 1 0 0.5 /scale $ 1 # loud\nnote 61 /render from_midi.wav\n"
    )
    argv = words(tmp_path / "map.txt", "--file", tmp_path / "a.mid", "--port", port)
    status, out, _ = outcome(midi.main, argv, capsys)
    assert status == 0
    assert [line.split()[0] for line in out] == [
        "/reply/load",
        "/reply/scale",
        "/reply/scale",
        "/reply/render",
    ]
    assert (tmp_path / "output" / "from_midi.wav").is_file()
    (tmp_path / "map.txt").write_text("note 60 /load nowhere.wav\n")
    assert midi.main(argv) == 1


def test_of_a_controller_the_last_value_counts(port, capsys):  # noqa: F811
    rules = [
        midi.Rule("note", 60, 0, 1, "/load", ["a.wav"]),
        midi.Rule("cc", 1, 0, 1, "/set", [1, None]),
    ]
    burst = [Message("control_change", control=1, value=value) for value in (5, 50, 100)]
    with client.Link(port, 10) as link:
        assert midi.play(rules, [[Message("note_on", note=60, velocity=1)], burst], link) == 0
    assert capsys.readouterr().out.count("/reply/set") == 1


def test_mistakes_of_the_command_line(tmp_path, capsys):
    example = FOLDER / "midi.txt"
    (tmp_path / "no.mid").write_bytes(b"nothing")
    for name in ("no.mid", "none.mid"):
        argv = words(example, "--file", tmp_path / name)
        assert_refused(midi.main, argv, capsys, name, "cannot be read as MIDI")
    assert_refused(midi.main, words(example, "--live", "no such port"), capsys, "--live")
    assert_refused(midi.main, words(example), capsys, "--file --live")


def test_a_piece_of_a_minute_is_made_by_messages_alone(tmp_path, capsys):
    session = LatentSession(open_latent(shipped("granular_orchestra")))
    ends = threading.Event()
    lines = [line._replace(seconds=0) for line in client.read_script(FOLDER / "minute.txt")]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", 0))
        bound.settimeout(0.1)
        made = Player(session, ROOT / "docs", tmp_path)
        thread = threading.Thread(target=serve, args=(made, bound, lambda: not ends.is_set()))
        thread.start()
        assert client.play(lines, bound.getsockname()[1], 60) == 0
        ends.set()
        thread.join()
    audio, rate = soundfile.read(tmp_path / "minute.wav")
    assert audio.size / rate == pytest.approx(60, abs=0.5)
    assert 0.3 < np.abs(audio).max() < 1
    parts = audio[: rate * 56].reshape(14, -1)
    levels = 20 * np.log10(parts.std(axis=1))
    assert np.all(levels > -60)
    assert np.ptp(levels) > 6
    centroids = [describe_shape(*mean_power(part, rate))["centroid"] for part in parts]
    assert max(centroids) > 1.5 * min(centroids)


def objects_of(text):
    """Objects and connections of a patch of Pure Data."""
    lines = [line.split() for line in re.split(r"(?<!\\);\n", text) if line]
    objects = [line for line in lines if line[0] == "#X" and line[1] != "connect"]
    return objects, [list(map(int, line[2:])) for line in lines if line[1] == "connect"]


def test_the_patch_for_pure_data_speaks_the_table():
    objects, connections = objects_of((FOLDER / "patches" / "latent.pd").read_text())
    named = {f"/{line[5]}" for line in objects if line[4] == "oscformat"}
    assert len(named) > 8
    assert named <= {*ADDRESSES}
    assert all(max(one, other) < len(objects) for one, _, other, _ in connections)
    (sender,) = (place for place, line in enumerate(objects) if line[4] == "netsend")
    assert objects[sender][5:] == ["-u", "-b"]
    assert sum(other == sender for _, _, other, _ in connections) == 3


@pytest.mark.skipif(shutil.which("pd") is None, reason=f"Pure Data is {INSTALLED}")
def test_pure_data_loads_its_patch():
    command = ["pd", "-nogui", "-noaudio", "-nomidi", "-stderr", "-open"]
    command += [str(FOLDER / "patches" / "latent.pd"), "-send", "pd quit"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert not re.search("create|fail|error|method", done.stderr)


def test_the_patch_for_max_speaks_the_table():
    patch = json.loads((FOLDER / "patches" / "latent.maxpat").read_text())["patcher"]
    boxes = {box["box"]["id"]: box["box"] for box in patch["boxes"]}
    said = {box["text"].split()[0] for box in boxes.values() if box["maxclass"] == "message"}
    assert len(said) > 8
    assert said <= {*ADDRESSES}
    assert boxes["send"]["text"] == "udpsend 127.0.0.1 9000"
    for line in patch["lines"]:
        (source, outlet), (destination, inlet) = (
            line["patchline"][end] for end in ("source", "destination")
        )
        assert outlet < boxes[source]["numoutlets"]
        assert inlet < boxes[destination]["numinlets"]
