"""The page: its map, its server and bad messages, and what a drag in a browser produces."""

import contextlib
import http.client
import io
import json
import socket
import sys
import threading
import time

import numpy as np
import pytest
import soundfile
from chromium import Chromium, needs_browser
from conftest import ROOT, assert_refused, outcome, snapshot
from test_latent_exploration import words

from benchmarks import latent_page
from common.cli import UserError
from latent_exploration import page
from latent_exploration.explorer import Explorer, Order, Sound
from latent_exploration.server import LARGEST, Server

RATE = 8000


class Tones:
    """A latent model of sines: a vector is their pitch in octaves above 300 Hz, and their level."""

    dims, sample_rate, rate = 2, RATE, 50.0

    def decode(self, z):
        hertz, level = (np.repeat(column, RATE // 50) for column in np.asarray(z, float).T)
        phase = 2 * np.pi * np.cumsum(300 * 2**hertz) / RATE
        return np.float32(np.clip(level, 0, 1) * np.sin(phase))


RNG = np.random.default_rng(0)
SOUNDS = [
    Sound(
        f"tone {number}",
        "low" if octave < 0.5 else "high",
        RNG.normal((octave, level), 0.01, (30, 2)),
    )
    for number, (octave, level) in enumerate([(0, 0.4), (1, 0.4), (0, 0.6), (1, 0.6), (0.5, 0.5)])
]


@pytest.fixture(scope="module")
def explorer():
    return Explorer(Tones(), SOUNDS)


def pitches(audio, rate):
    """Frequency of the highest peak of each tenth of a second, 0 where it is silent: (parts,)."""
    parts = audio[: audio.size // (rate // 10) * (rate // 10)].reshape(-1, rate // 10)
    spectra = np.abs(np.fft.rfft(parts * np.hanning(parts.shape[1]), 8 * parts.shape[1]))
    found = np.argmax(spectra, axis=1) * 10 / 8
    return np.where(np.abs(parts).max(axis=1) > 0.01, found, 0)


def test_a_sound_is_played_at_its_own_place(explorer):
    for sound, place in zip(SOUNDS, explorer.places, strict=True):
        made = explorer.path(Order(tuple(place), seconds=0.6))
        np.testing.assert_allclose(made, sound.path, atol=1e-6)
        still = explorer.path(Order(tuple(place), seconds=1, still=True))
        np.testing.assert_allclose(still, [sound.path.mean(axis=0)] * 50, atol=1e-6)
    longer = explorer.path(Order(tuple(explorer.places[0]), seconds=1))
    np.testing.assert_allclose(longer[30:], [longer[29]] * 20, atol=1e-9)


def test_between_sounds_the_mean_is_at_the_place_and_nothing_jumps(explorer):
    way = np.linspace((-1.2, -0.7), (0.9, 1.1), 400)
    means = []
    for x, y in way:
        nearest, weights = explorer.weights((x, y))
        assert weights.sum() == pytest.approx(1)
        means.append(weights @ np.eye(5)[nearest])
        held = explorer.path(Order((x, y), still=True))
        np.testing.assert_allclose(explorer.knobs.values(held)[0], (x, y), atol=1e-9)
    assert np.abs(np.diff(means, axis=0)).max() < 0.1


def test_offsets_and_curves_are_added(explorer):
    plain = explorer.knobs.values(explorer.path(Order((0.1, 0.2))))
    order = Order.of(
        {"at": [0.1, 0.2], "offsets": [0.5], "curves": {"1": [[0, -1], [1, 1]]}}, explorer.count
    )
    added = explorer.knobs.values(explorer.path(order)) - plain
    np.testing.assert_allclose(added[:, 0], 0.5, atol=1e-9)
    np.testing.assert_allclose(added[:, 1], np.linspace(-1, 1, 50), atol=1e-9)


def test_the_gain_and_what_the_axes_move():
    quiet = [Sound(one.name, one.kind, one.path * (1, 0.01)) for one in SOUNDS]
    explorer = Explorer(Tones(), quiet)
    explorer.warm([1.0])
    assert np.abs(explorer.render(Order())).max() == pytest.approx(0.5, rel=0.3)
    assert explorer.moves[0].startswith(("centroid", "rolloff"))
    with pytest.raises(UserError, match="too few"):
        Explorer(Tones(), [Sound("a", "a", np.ones((5, 2)))])


BAD = [
    1, [], "x", None, {"nothing": 1}, {"at": [0]}, {"at": [0, "x"]}, {"at": [True, 0]},
    {"at": [4, 0]}, {"at": [float("nan"), 0]}, {"at": {"0": 1}}, {"seconds": 1e9}, {"seconds": 0},
    {"seconds": 10**400}, {"still": 1}, {"offsets": [0, 0, 0]}, {"offsets": "abc"},
    {"curves": []}, {"curves": {"2": [[0, 0]]}}, {"curves": {"x": [[0, 0]]}}, {"curves": {"0": []}},
    {"curves": {"0": [[2, 0]]}}, {"curves": {"0": [[0, 9]]}}, {"curves": {"0": [[0, 0]] * 65}},
    {"curves": {"0": 5}}, {"curves": {"0": [5]}},
]  # fmt: skip


@pytest.mark.parametrize("given", BAD, ids=range(len(BAD)))
def test_wrong_orders_are_refused(given):
    with pytest.raises(UserError):
        Order.of(given, 2)


@pytest.fixture(scope="module")
def server(explorer):
    with Server(0, "tones") as made:
        made.explorer = explorer
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def ask(server, method, address, body=None, **headers):
    """Status and body of an answer; ``address`` follows the token."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
    with contextlib.closing(connection):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, f"/{server.token}/{address}", body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()


JSON = {"Content_Type": "application/json"}


def test_the_server_renders(server, explorer):
    status, body = ask(server, "POST", "render", json.dumps({"at": [0.3, 0.1]}), **JSON)
    assert status == 200
    made, rate = soundfile.read(io.BytesIO(body))
    assert rate == RATE
    np.testing.assert_allclose(made, explorer.render(Order((0.3, 0.1))), atol=1e-4)
    content = json.loads(ask(server, "GET", "map")[1])
    assert content["kinds"] == ["high", "low"]
    assert len(content["sounds"]) == 5
    for name in ("", "style.css", "page.css", "page.js", "recorder.js"):
        assert ask(server, "GET", name)[0] == 200


def test_only_the_page_itself_is_answered(server):
    own = f"http://127.0.0.1:{server.server_port}"
    order = json.dumps({})
    for headers, status in (
        ({}, 200),
        ({"Origin": own, "Sec_Fetch_Site": "same-origin"}, 200),
        ({"Host": f"localhost:{server.server_port}"}, 200),
        ({"Host": "evil.example"}, 403),
        ({"Host": f"evil.example:{server.server_port}"}, 403),
        ({"Host": "127.0.0.1"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
    ):
        assert ask(server, "GET", "map", **headers)[0] == status, headers
        assert ask(server, "POST", "render", order, **JSON, **headers)[0] == status, headers
    for token in ("", "x", server.token[:-1], server.token + "x", "é"):
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", server.server_port)) as one:
            one.putrequest("GET", "/", skip_host=True, skip_accept_encoding=True)
            one.putheader("Host", f"127.0.0.1:{server.server_port}")
            one._buffer[0] = f"GET /{token}/map HTTP/1.1".encode("latin-1")
            one.endheaders()
            assert one.getresponse().status == 404, token
    assert server.server_address[0] == "127.0.0.1"


@pytest.mark.parametrize(
    ("request_line", "body", "headers", "status"),
    [
        ("GET ../page.py", None, {}, 404),
        ("GET %2e%2e/page.py", None, {}, 404),
        ("GET /etc/passwd", None, {}, 404),
        ("GET page.js?x", None, {}, 404),
        ("GET render", None, {}, 404),
        ("POST page.js", "{}", JSON, 404),
        ("POST render", "{}", {}, 415),
        ("POST render", "{}", {"Content_Type": "text/plain"}, 415),
        ("POST render", "{", JSON, 400),
        ("POST render", "[" * 60_000, JSON, 400),
        ("POST render", b"\xff\xfe", JSON, 400),
        ("POST render", '{"at": [9, 9]}', JSON, 400),
        ("POST render", " " * (LARGEST + 1), JSON, 413),
        ("POST render", "{}", {**JSON, "Content_Length": "-2"}, 411),
        ("POST render", "{}", {**JSON, "Content_Length": "9" * 30}, 413),
        ("POST render", "{}", {**JSON, "Transfer_Encoding": "chunked"}, 411),
        ("PUT render", "{}", JSON, 501),
    ],
)
def test_what_is_not_served(server, request_line, body, headers, status):
    assert ask(server, *request_line.split(), body, **headers)[0] == status


OPENED = set()  # files that were opened by this process while a set was being filled


def _audit(event, given):
    if event == "open" and OPENED and isinstance(given[0], str):
        OPENED.add((given[0], given[1]))


def random_message(rng, server):
    """Bytes of a request that is wrong in some of many ways, or right."""
    port, token = server.server_port, server.token

    def some(right, *wrong):
        return right if rng.random() < 0.8 else wrong[rng.integers(len(wrong))]

    names = ["map", "page.js", "", "../server.py", "%2e%2e%2fdata.py", "a" * 300]
    path = f"/{token}/{some('render', *names)}"
    path = some(path, f"/{names[rng.integers(6)]}", f"//{token}//", "*", "/")
    body = some("{}", "[[", "\0" * 50, json.dumps(BAD[rng.integers(len(BAD))])).encode()
    lines = [
        f"{some('POST', 'GET', 'PUT', 'X')} {path} HTTP/{some('1.1', '1.0', '9', '')}",
        f"Host: {some(f'127.0.0.1:{port}', 'evil.example', '', chr(0))}",
        some(
            "Content-Type: application/json",
            "Content-Type: text/plain",
            "a\tb",
            "X: " + "y" * 70_000,
        ),
        f"Content-Length: {some(len(body), 0, 3, -1, 'x', 10**9, '')}",
        some("A: b", "Origin: http://evil.example", "Transfer-Encoding: chunked"),
    ]
    made = "\r\n".join(lines).encode() + b"\r\n\r\n" + body
    if rng.random() < 0.2:
        damaged = bytearray(made)
        damaged[rng.integers(len(damaged))] = rng.integers(256)
        made = bytes(damaged)
    return rng.bytes(rng.integers(1, 300)) if rng.random() < 0.05 else made


@pytest.mark.parametrize(
    "count",
    [1000, pytest.param(10_000, marks=[pytest.mark.stress, pytest.mark.slow])],
    ids=str,
)
def test_random_messages(server, tmp_path, monkeypatch, capsys, count):
    monkeypatch.chdir(tmp_path)
    sys.addaudithook(_audit)
    OPENED.add(("", "r"))
    rng, statuses = np.random.default_rng(count), {}
    before = snapshot(tmp_path)
    for _ in range(count):
        with socket.create_connection(("127.0.0.1", server.server_port), timeout=20) as one:
            with contextlib.suppress(OSError):  # the server may close before it has read all
                one.sendall(random_message(rng, server))
                one.shutdown(socket.SHUT_WR)
            with contextlib.suppress(OSError):
                status = one.recv(65_536)[9:12].decode("latin-1")
                statuses[status] = statuses.get(status, 0) + 1
    opened, _ = OPENED - {("", "r")}, OPENED.clear()
    allowed = (str(ROOT / "latent_exploration" / "assets"), str(ROOT / "common" / "report"))
    assert all(name.startswith(allowed) and mode in ("r", "rb") for name, mode in opened), opened
    assert snapshot(tmp_path) == before
    assert "500" not in statuses
    assert {"200", "400", "403", "404", "411", "413", "415", "501"} <= set(statuses)
    assert "failed" not in capsys.readouterr().err
    assert ask(server, "GET", "map")[0] == 200


def test_a_mistake_of_ours_is_told(server, monkeypatch, capsys):
    monkeypatch.setattr(Explorer, "render", lambda *_: 1 / 0)
    assert ask(server, "POST", "render", "{}", **JSON)[0] == 500
    assert "ZeroDivisionError" in capsys.readouterr().err


@pytest.fixture(scope="module")
def browser(server, tmp_path_factory):
    with Chromium(tmp_path_factory.mktemp("browser")) as made:
        yield made


def opened(browser, server, **settings):
    browser.open(server.address, **settings)
    browser.until("window.page !== undefined")
    browser.run("localStorage.clear(); page.showPresets()")


def recorded(browser):
    """What the page has recorded: ``(audio, rate)``."""
    browser.click("#record")
    file = browser.downloads / "tones.wav"
    end = time.monotonic() + 20
    while not file.is_file():
        assert time.monotonic() < end
        time.sleep(0.05)
    time.sleep(0.1)
    content = soundfile.read(file)
    file.unlink()
    return content


@needs_browser
def test_a_drag_is_heard(browser, server, explorer):
    opened(browser, server)
    browser.click("#record")
    browser.until("page.recorder.running")

    def heard_for(seconds):  # of the recording, whose clock may be behind that of a busy machine
        browser.until(f"page.recorder.seconds > {browser.run('page.recorder.seconds') + seconds}")

    x, y, width, _ = browser.middle_of("#map")
    places = []
    for kind, share in (("Pressed", -0.3), *(("Moved", -0.3 + 0.06 * step) for step in range(11))):
        browser.mouse(kind, x + share * width, y)
        played = browser.run("page.renderer.played")
        browser.until(f"page.renderer.played > {played} || !page.renderer.busy")
        places.append(browser.run("page.at"))
        heard_for(0.15)
    browser.until("!page.renderer.busy")
    assert browser.run("page.at") == places[-1]
    heard_for(0.4)
    browser.mouse("Released", x + 0.3 * width, y)
    audio, rate = recorded(browser)
    heard = pitches(audio, rate)
    heard = heard[heard > 0]
    expected = [300 * 2 ** explorer.path(Order(tuple(place), still=True))[0, 0] for place in places]
    assert abs(np.log2(expected[-1] / expected[0])) > 0.4
    assert np.log2(heard[1] / expected[0]) == pytest.approx(0, abs=0.08)
    assert np.log2(heard[-2] / expected[-1]) == pytest.approx(0, abs=0.08)
    rises = np.sign(expected[-1] - expected[0])
    assert (np.diff(heard) * rises > -15).mean() > 0.9
    assert 0.2 < np.abs(audio).max() < 1
    assert not browser.problems


@needs_browser
def test_keys_and_touch_and_labels(browser, server):
    opened(browser, server, width=390, height=844, touch=True)
    assert browser.run("document.documentElement.scrollWidth") <= 390
    x, y, width, _ = browser.middle_of("#map")
    browser.touch("Start", (x, y))
    browser.touch("Move", (x + width / 4, y))
    browser.touch("End")
    browser.until("page.renderer.played > 0 && !page.renderer.busy")
    browser.until("page.player.context.state === 'running'")
    before = browser.run("page.at")
    browser.run("document.getElementById('map').focus()")
    browser.key("ArrowRight", 39)
    browser.key("ArrowUp", 38)
    after = browser.run("page.at")
    assert after[0] > before[0]
    assert after[1] > before[1]
    browser.run("document.getElementById('curve').focus()")
    browser.key("ArrowRight", 39)
    browser.key("ArrowUp", 38)
    browser.key("Enter", 13)
    assert (
        browser.run("page.order.curves[document.getElementById('curve-axis').value][1][1]") == 0.1
    )
    tree = browser.call("Accessibility.getFullAXTree")["nodes"]
    roles = {"button", "slider", "combobox", "checkbox", "textbox"}
    unnamed = [
        node["role"]["value"]
        for node in tree
        if node.get("role", {}).get("value") in roles and not node.get("name", {}).get("value")
    ]
    assert not unnamed
    assert not browser.problems


@needs_browser
def test_presets_are_kept_and_recalled(browser, server):
    opened(browser, server)
    browser.run("page.moveTo([0.25, -0.5]); page.setPoint(3, 0.7)")
    browser.run("document.getElementById('preset-name').value = '<b>'")
    browser.click("#preset-form button")
    browser.run("page.moveTo([0, 0])")
    browser.click("#curve-clear")
    browser.open(server.address)
    browser.until("window.page !== undefined")
    assert browser.run("document.querySelector('#presets button').textContent") == "<b>"
    browser.click("#presets button")
    assert browser.run("page.at") == [0.25, -0.5]
    assert browser.run("page.curves[page.axis][3]") == 0.7
    browser.until("page.renderer.played > 0")
    browser.click("#presets button:last-child")
    assert browser.run("document.querySelectorAll('#presets li').length") == 0
    assert not browser.problems


def test_the_script_begins(tmp_path, capsys, monkeypatch):
    for number, hertz in enumerate((220, 440, 880)):
        tone = 0.5 * np.sin(2 * np.pi * hertz * np.arange(16000) / 16000)
        soundfile.write(tmp_path / f"flute_acoustic_000-0{60 + number}-100.wav", tone, 16000)
    soundfile.write(tmp_path / "silent.wav", np.zeros(16000), 16000)
    found = []

    def serve_forever(self):
        found.append(self)

    monkeypatch.setattr(Server, "serve_forever", serve_forever)
    monkeypatch.setattr("latent_exploration.explorer.AXES", 2)  # each of them takes a second
    argv = words("--model", ROOT / "models" / "granular_drums", "--input", tmp_path, "--port", 0)
    status, out, err = outcome(page.main, argv, capsys)
    assert status == 1  # a silent recording is skipped, and named
    assert err[0].endswith("silent.wav: is silent; give another recording")
    assert out[-1].endswith(found[0].address)
    assert [one.kind for one in found[0].explorer.sounds] == ["flute"] * 3
    assert found[0].explorer.gain > 0


def test_mistakes_of_the_command_line(tmp_path, capsys):
    assert_refused(page.main, words("--input", tmp_path), capsys, "no recordings")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        argv = words("--port", taken.getsockname()[1])
        assert_refused(page.main, argv, capsys, "--port", "in use")


def test_the_benchmark_measures_answers(explorer):
    spent, worked = latent_page.answer_times(explorer, 3)
    assert len(spent) == len(worked) == 3
    assert 0 < max(spent) < 5
