"""The OSC server: what its addresses do, bad messages, and the client."""

import logging
import re
import socket
import threading

import numpy as np
import pytest
import soundfile
from conftest import ROOT, assert_refused, outcome, snapshot
from pythonosc.osc_bundle_builder import OscBundleBuilder
from pythonosc.osc_message_builder import OscMessageBuilder, build_msg
from test_latent_exploration import RATE, Blocks, tone, words

from common.audio.descriptors import describe_shape, mean_power
from common.cli import UserError
from common.trained import shipped
from latent_exploration import client, osc
from latent_exploration.knobs import Knobs
from latent_exploration.osc import answers, serve
from latent_exploration.session import LatentSession, open_latent
from latent_exploration.table import ADDRESSES, Player


@pytest.fixture(autouse=True)
def logs():
    """The script turns logs off for its process."""
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def player(tmp_path):
    """A player with two sounds, and a secret beside its folders."""
    (tmp_path / "sounds").mkdir()
    soundfile.write(tmp_path / "sounds" / "a.wav", tone(), RATE, subtype="FLOAT")
    soundfile.write(tmp_path / "sounds" / "b.wav", tone(900), RATE, subtype="FLOAT")
    soundfile.write(tmp_path / "secret.wav", tone(100), RATE)
    (tmp_path / "sounds" / "link.wav").symlink_to(tmp_path / "secret.wav")
    return Player(LatentSession(Blocks()), tmp_path / "sounds", tmp_path / "output")


def ask(player, address, *given):
    """What one message is answered: (address, values)."""
    (answer,) = answers(player, build_msg(address, given).dgram)
    return answer


def heard(player, tmp_path):
    address, (path, seconds) = ask(player, "/render", "x.wav")
    assert address == "/reply/render"
    audio, rate = soundfile.read(path)
    assert audio.size / rate == seconds
    assert path == str(tmp_path / "output" / "x.wav")
    return audio


def test_addresses_do_what_the_session_does(player, tmp_path):
    session = LatentSession(Blocks()).load(tone())
    assert ask(player, "/load", "a.wav") == ("/reply/load", [200, 4, 2000.0])
    for message, expected in (
        (("/scale", 0.5), session.scale(0.5)),
        (("/scale", 0.5, 2), session.scale(0.5, 1)),
        (("/bias", 0.25, 4.0), session.bias(0.25, 3)),  # Pure Data knows no whole numbers
        (("/set", 1, 0.5), session.curve(0, [(0, 0.5)])),
        (("/curve", 2, 0, 0, 1, 0.5), session.curve(1, [(0, 0), (1, 0.5)])),
        (("/spread", 0.5), session.spread(0.5)),
        (("/randomise", 0.01, 3), session.randomise(0.01, 3)),
        (("/reverse",), session.reverse()),
        (("/smooth", 3), session.smooth(3)),
        (("/feedback", 1, 440, 2), session.feedback(1, 440, 2)),
    ):
        assert ask(player, *message)[0] == f"/reply{message[0]}"
        np.testing.assert_allclose(heard(player, tmp_path), expected.render(), atol=1e-4)
        assert ask(player, "/undo") == ("/reply/undo", [200, 4, 2000.0])
    assert ask(player, "/undo")[0] == "/error"


def test_slots_are_joined(player, tmp_path):
    for slot, name in enumerate("abab", 1):
        ask(player, "/load", f"{name}.wav")
        assert ask(player, "/keep", slot) == ("/reply/keep", [slot])
    for message, expected in (
        (("/take", 1), tone()),
        (("/append", 2), np.concatenate([tone(), tone(900)])),
        (("/crossfade", 1), tone(900)),
        (("/crossfade", 0.5), (tone() + tone(900)) / 2),
        (("/mix", 0, 1), tone()),
    ):
        ask(player, *message)
        np.testing.assert_allclose(heard(player, tmp_path), expected, atol=1e-4)
    ask(player, "/crossfade", 0, 1)
    made = heard(player, tmp_path)
    assert made[4] == pytest.approx(tone()[4], abs=0.02)
    assert made[-5] == pytest.approx(tone(900)[-5], abs=0.02)


def test_curves_of_a_descriptor_and_of_the_loudness(tmp_path):
    """The descriptor synthesis of a VQ model, played by messages alone."""
    player = Player(
        LatentSession(open_latent(shipped("vq_trumpet"))), tmp_path, tmp_path / "output"
    )
    address, (steps, dims, rate) = ask(player, "/follow", "centroid", 3, 0, 800, 1, 2400)
    assert (address, dims, steps) == ("/reply/follow", 33, round(3 * rate))
    ask(player, "/loudness", 0, -40, 1, -10)
    audio = heard(player, tmp_path)
    parts = np.array_split(audio, 6)[:-1]
    levels = [20 * np.log10(np.std(part)) for part in parts]
    np.testing.assert_allclose(np.diff(levels), 5, atol=2.5)
    centroids = [describe_shape(*mean_power(part, 22050))["centroid"] for part in parts]
    assert np.all(np.diff(centroids) > 0)
    assert "it follows centroid" in ask(player, "/follow", "speed", 3, 0, 1)[1][1]


def test_knobs_are_counted_as_dimensions(tmp_path):
    knobs = Knobs.of(Blocks().encode(tone()), 2)
    player = Player(LatentSession(Blocks(), knobs=knobs), tmp_path, tmp_path)
    assert ask(player, "/size") == ("/reply/size", [0, 2, 2000.0])


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (("/nothing",), "unknown; there are /size"),
        (("/s*ale", 1), "unknown"),
        (("/scale",), "takes n [i], but got 0"),
        (("/scale", 1, 2, 3), "but got 3"),
        (("/scale", "1"), "takes numbers"),
        (("/scale", float("nan")), "takes numbers"),
        (("/scale", 1e9), "up to 100,000"),
        (("/bias", 1, 5), "dimension 5: give one from 1 to 4"),
        (("/bias", 1, 0), "dimension 0"),
        (("/bias", 1, 0.5), "whole number"),
        (("/curve", 1, 0, 1, 0.5), "pairs"),
        (("/curve", 1, 2, 1), "0 to 1"),
        (("/smooth", 0), "at least 1"),
        (("/loudness", 0, -6), "no control 'loudness'; it has none"),
        (("/follow", "centroid", 1, 0, 500), "does not follow a curve of 'centroid'"),
        (("/follow", "centroid", 1e4, 0, 500), "up to 600 seconds"),
        (("/append", 2), "empty"),
        (("/take", 5), "1 to 4"),
        (("/take", 3), "empty"),
        (("/feedback", 100_000, 400, 1), "1 to 20 rounds"),
        (("/feedback", 1, 5000, 1), "between 0 and 4000"),
        (("/load", "c.wav"), "c.wav"),
        (("/load", "../secret.wav"), "give the name of a file"),
        (("/load", "link.wav"), "give the name of a file"),
        (("/load", "/etc/passwd"), "give the name of a file"),
        (("/render", "../a.wav"), "give the name of a file"),
        (("/render", "a/b.wav"), "without folder"),
        (("/render", "a.py"), "without folder"),
        (("/render", ".a.wav"), "give the name of a file"),
    ],
)
def test_wrong_messages_are_answered_by_a_reason(player, tmp_path, message, reason):
    ask(player, "/load", "a.wav")
    before = snapshot(tmp_path)
    address, (about, said) = ask(player, *message)
    assert (address, about) == ("/error", message[0])
    assert reason in said
    assert snapshot(tmp_path) == before
    assert ask(player, "/size")[1][0] == 200


def test_a_path_that_leaves_the_space_is_refused(player):
    ask(player, "/load", "a.wav")
    said = [ask(player, "/scale", 100_000) for _ in range(10)]
    assert said[-1][1][1].startswith("would leave the latent space")
    assert ask(player, "/smooth", 3)[0] == "/reply/smooth"


def random_packet(rng):
    """A message that is wrong, or right, or bytes of any kind."""
    values = (0, 1, 2, 3, -1, 0.5, 1e30, float("inf"), 2**40, "a.wav", "../b.wav", "", b"\0", True)
    if rng.random() < 0.2:
        return rng.bytes(rng.integers(0, 200))
    names = [*ADDRESSES, "/", "/*", "/load/", "/" + "{" * 50]
    name = str(rng.choice(names))
    built = OscMessageBuilder(address=name)
    given = [values[number] for number in rng.integers(0, len(values), rng.integers(0, 5))]
    if name in ADDRESSES and rng.random() < 0.5:  # what it takes
        right = {"n": 0.5, "i": 2, "s": "a.wav"}
        given = [right[kind] for kind in ADDRESSES[name].takes.split() if kind in right]
    for value in given:
        built.add_arg(value, "h" if value == 2**40 else None)
    packet = built.build().dgram
    if rng.random() < 0.2:
        bundle = OscBundleBuilder(2.08e9)  # far from now
        bundle.add_content(built.build())
        packet = bundle.build().dgram
    if rng.random() < 0.2:
        damaged = bytearray(packet)
        damaged[rng.integers(len(damaged))] = rng.integers(256)
        packet = bytes(damaged)
    return packet[: rng.integers(len(packet))] if rng.random() < 0.1 else packet


@pytest.mark.parametrize("count", [1000, pytest.param(10_000, marks=pytest.mark.stress)], ids=str)
def test_random_messages(player, tmp_path, count):
    rng = np.random.default_rng(count)
    ask(player, "/load", "a.wav")
    before = snapshot(tmp_path)
    said = [answer for _ in range(count) for answer in answers(player, random_packet(rng))]
    assert not [one for one in said if one[0] == "/error" and "failed (" in one[1][1]]
    done = [address for address, _ in said if address != "/error"]
    assert 50 < len(done) < len(said) - 300
    new = {name for name, *_ in snapshot(tmp_path) - before}  # a damaged name may still be one
    assert all(re.fullmatch(r"output(/[^/]+\.wav)?", name) for name in new), new
    assert ask(player, "/load", "a.wav")[0] == "/reply/load"


def test_nested_bundles_end_as_an_error(player):
    packet = build_msg("/size", []).dgram
    for _ in range(2500):
        packet = b"#bundle\0" + bytes(7) + b"\1" + len(packet).to_bytes(4, "big") + packet
    assert answers(player, packet)[0][0] == "/error"


@pytest.fixture
def port(player):
    """Port of a server that runs in a thread."""
    ends = threading.Event()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind((osc.HOST, 0))
        bound.settimeout(0.1)
        thread = threading.Thread(target=serve, args=(player, bound, lambda: not ends.is_set()))
        thread.start()
        yield bound.getsockname()[1]
        ends.set()
        thread.join()


def test_a_script_is_played(port, tmp_path, capsys):
    script = tmp_path / "script.txt"
    script.write_text("# begin\n0.2 /render c.wav # end\n0 /load a.wav\n0.1 /scale 0.5 1\n")
    status, out, _ = outcome(client.main, words(script, "--port", port), capsys)
    assert status == 0
    assert [line.split()[2] for line in out] == ["/reply/load", "/reply/scale", "/reply/render"]
    assert [float(line.split()[0]) >= 0.1 * row for row, line in enumerate(out)] == [True] * 3
    assert (tmp_path / "output" / "c.wav").is_file()
    script.write_text("0 /load nowhere.wav")
    status, out, _ = outcome(client.main, words(script, "--port", port), capsys)
    assert status == 1
    assert "nowhere.wav" in out[0]


@pytest.mark.parametrize("line", ["/scale 1", "0", "x /scale", "0 scale", "-1 /scale", "0 '"])
def test_a_script_of_something_else_is_refused(tmp_path, capsys, line):
    script = tmp_path / "script.txt"
    script.write_text(f"0 /size\n{line}\n")
    assert_refused(client.main, [str(script)], capsys, script, "line 2")


def test_without_a_server_the_client_says_so(tmp_path, capsys):
    (tmp_path / "script.txt").write_text("0 /size\n")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind((osc.HOST, 0))
        port = free.getsockname()[1]
    argv = words(tmp_path / "script.txt", "--port", port, "--wait", 0.5)
    assert_refused(client.main, argv, capsys, "no answer to /size")


def test_mistakes_of_the_command_line(tmp_path, capsys):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind((osc.HOST, 0))
        argv = words("--port", taken.getsockname()[1], "--output", tmp_path / "out")
        assert_refused(osc.main, argv, capsys, "--port", "in use")
    assert_refused(osc.main, words("--sounds", tmp_path / "none"), capsys, "no such folder")
    (tmp_path / "file").touch()
    assert_refused(osc.main, words("--output", tmp_path / "file"), capsys, "is a file")


def test_the_server_begins(tmp_path, capsys, monkeypatch):
    """The script up to its first packet."""
    found = []
    monkeypatch.setattr(osc, "open_session", lambda args: LatentSession(Blocks()))
    monkeypatch.setattr(osc, "serve", lambda player, bound, **_: found.append(bound.getsockname()))
    status, out, _ = outcome(osc.main, words("--port", 0, "--output", tmp_path / "out"), capsys)
    assert (status, found[0][0]) == (0, "127.0.0.1")
    assert f"port {found[0][1]}" in out[0]


def test_the_readme_and_the_example_know_the_addresses():
    text = (ROOT / "latent_exploration" / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`/.*?`) \|", text, re.MULTILINE)
    named = [address for row in rows for address in re.findall(r"`(.*?)`", row)]
    assert sorted(named) == sorted(ADDRESSES)
    lines = client.read_script(ROOT / "latent_exploration" / "piece.txt")
    assert {line.address for line in lines} <= {*ADDRESSES}


def test_any_mistake_of_ours_is_told(player, monkeypatch, capsys):
    def broken(*_):
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(Player, "play", broken)
    assert ask(player, "/size")[1] == ["/size", "failed (ZeroDivisionError: oh)"]
    assert "ZeroDivisionError" in capsys.readouterr().err
    with pytest.raises(UserError):
        list(osc.messages(b"nonsense"))
