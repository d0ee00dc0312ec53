"""The listening page in a browser: playing, switching, sorting and reading, without any error."""

import base64
import contextlib
import http.server
import io
import json
import queue
import subprocess
import threading

import chromium
import numpy as np
import pytest
import soundfile
from chromium import needs_browser

from common.report.page import Clip, Plane, Section, gains, mp3, write_page
from common.report.plots import pixels_webp
from common.report.tables import Term

RATE = 44100
FLAGS = [*chromium.FLAGS, "--enable-logging=stderr", "--v=0"]
FLAGS += ["--autoplay-policy=no-user-gesture-required"]

# Wraps a script that uses the page: sends its result, or its error, to the test.
HARNESS = """
<script>
const report = value => fetch("/result", {method: "POST", body: JSON.stringify(value)});
addEventListener("error", event => report({error: event.message}));
addEventListener("unhandledrejection", event => report({error: String(event.reason)}));
const press = (key, target = document.body) =>
  target.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true, cancelable: true}));
const until = async condition => {
  while (!condition()) await new Promise(done => setTimeout(done, 10));
};
(async () => { SCRIPT })().then(report, error => report({error: String(error)}));
</script>
"""


def use(page, script, folder, width=1200):
    """Run a script in the page, in a browser window of a width in pixels; return its result."""
    text = page.read_text(encoding="utf-8") + HARNESS.replace("SCRIPT", script)
    frame = f'<!doctype html><iframe src="/page" style="width: {width}px; height: 800px"></iframe>'
    contents, results = {"/": frame, "/page": text}, queue.Queue()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.answer(contents.get(self.path, "").encode())

        def do_POST(self):
            results.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.answer(b"")

        def answer(self, body):
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            with contextlib.suppress(BrokenPipeError):  # the browser has ended
                self.wfile.write(body)

        def log_message(self, *_):
            pass

    with (
        http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server,
        (folder / "browser.log").open("w") as log,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/"
        profile = f"--user-data-dir={folder / 'profile'}"
        command = [chromium.BROWSER, *FLAGS, profile, "--remote-debugging-port=0", address]
        browser = subprocess.Popen(command, stderr=log, stdout=log)
        try:
            result = results.get(timeout=120)
        finally:
            browser.terminate()
            browser.wait()
            server.shutdown()
    assert "CONSOLE" not in (folder / "browser.log").read_text()
    assert "error" not in result, result["error"]
    return result


def noise(seed, level, seconds=2):
    """Make stationary noise below 4 kHz, which MP3 preserves: (samples,) float32."""
    rng = np.random.default_rng(seed)
    spectrum = np.fft.rfft(rng.standard_normal(round(RATE * seconds)))
    spectrum[round(4000 * seconds) :] = 0
    wave = np.fft.irfft(spectrum)
    return np.float32(level * wave / wave.std())


def picture(columns=100):
    return pixels_webp(np.eye(64, columns, dtype=np.float32))


ROWS = [{"name": "b", "L1": 10.0}, {"name": "c"}, {"name": "a", "L1": 9.5}]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A page with a loud and a soft noise of 2 s, and a table of three rows."""
    folder = tmp_path_factory.mktemp("page")
    clips = [
        Clip(label, picture(), mp3(noise(seed, level), RATE), f"score {seed}")
        for seed, (label, level) in enumerate([("piano", 0.2), ("true guitar", 0.05)])
    ]
    write_page(
        folder / "report.html",
        "Tones",
        [Section("Two noises", clips, 4.5)],
        lead="None.",
        settings={"model": "<b>"},
        tables={"scores": ROWS},
        terms={"L1": Term("a distance", "lower")},
    )
    return folder / "report.html"


# The player's sound is rendered by a context that is not heard. A key is pressed in the middle of
# it, another one later.
SWITCH = """
const offline = new OfflineAudioContext(1, 2 * 44100, 44100);
const resume = offline.resume.bind(offline);
offline.resume = async () => {};
window.AudioContext = function () { return offline; };
offline.suspend(0.8).then(() => { press("2"); resume(); });
let position;
offline.suspend(1.5).then(() => { press(" "); position = players[0].position; resume(); });
press(" ");
await until(() => players[0].playing);
const rendered = (await offline.startRendering()).getChannelData(0);
let bytes = "";
for (const value of new Uint8Array(rendered.buffer)) bytes += String.fromCharCode(value);
const pressed = players[0].sources.map(source => source.button.getAttribute("aria-pressed"));
return {sound: btoa(bytes), position, pressed, playing: players[0].playing};
"""


def lag(heard, start, stop, source):
    """Find by how many samples a part of what is heard is later than in the source."""
    part, size = heard[start:stop], 2 * len(source)
    product = np.fft.irfft(np.fft.rfft(source, size) * np.conj(np.fft.rfft(part, size)), size)
    return start - int(np.argmax(product))


def rms(audio):
    return float(np.sqrt(np.mean(np.square(audio))))


@needs_browser
def test_a_switch_in_the_middle_keeps_position_and_level(page, tmp_path):
    result = use(page, SWITCH, tmp_path)
    heard = np.frombuffer(base64.b64decode(result["sound"]), np.float32)
    sources = [
        soundfile.read(io.BytesIO(mp3(noise(seed, level), RATE)))[0]
        for seed, level in enumerate([0.2, 0.05])
    ]
    seconds = {"before": (0.1, 0.8), "after": (0.85, 1.5)}
    parts = {name: tuple(round(RATE * at) for at in ends) for name, ends in seconds.items()}
    lags = [lag(heard, *parts[name], one) for name, one in zip(parts, sources, strict=True)]
    levels = [rms(heard[slice(*part)]) for part in parts.values()]
    assert abs(lags[0] - lags[1]) <= 1
    assert 20 * abs(np.log10(levels[0] / levels[1])) < 0.5
    # never silent, not even while one gives way to the other, nor beyond full scale
    blocks = heard[round(0.75 * RATE) :][: 441 * 20].reshape(20, 441)
    assert min(map(rms, blocks)) > 0.5 * levels[0]
    assert np.abs(heard).max() < 1
    assert not heard[round(1.6 * RATE) :].any()
    assert result["position"] == pytest.approx(1.5 - 0.03, abs=0.01)
    assert result["pressed"] == ["false", "true"]
    assert not result["playing"]


BLIND = """
const player = players[0];
const button = document.querySelector(".blind");
const state = () => ({
  text: player.root.innerText,
  images: player.sources.map(source => getComputedStyle(source.image).visibility),
  spoken: player.picture.getAttribute("aria-valuetext"),
  alternatives: player.sources.map(source => source.image.alt).join(),
});
Math.random = () => 0;
const before = state();
button.click();
const blind = state();
press("1");
const first = player.chosen.label;
button.click();
return {before, blind, first, after: state()};
"""


@needs_browser
def test_blind_listening_hides_which_is_which(page, tmp_path):
    result = use(page, BLIND, tmp_path)
    for word in ("piano", "guitar", "score"):
        assert word in result["before"]["text"]
        assert word in result["after"]["text"]
        assert not any(word in str(shown) for shown in result["blind"].values())
    assert result["blind"]["images"] == ["hidden", "hidden"]
    # in random order, here the other way round
    assert result["first"] == "true guitar"
    assert "A: true guitar" in result["after"]["text"]
    assert "visible" in result["after"]["images"]


# Goes to each heading of the first table and presses it, then tells what became of it.
SORT = """
for (const details of document.querySelectorAll("details")) details.open = true;
const table = document.querySelector("table");
const order = () => [...table.tBodies[0].rows].map(row => row.cells[0].textContent).join("");
const orders = [order()];
for (const button of table.querySelectorAll("button")) {
  button.focus();
  if (document.activeElement !== button) continue;
  button.click(); orders.push(order());
  button.click(); orders.push(order());
}
return {orders, fits: document.documentElement.scrollWidth <= innerWidth};
"""


@needs_browser
@pytest.mark.parametrize("width", [420, 1200])
def test_tables_sort_by_keyboard_and_the_page_is_as_wide_as_the_window(page, tmp_path, width):
    result = use(page, SORT, tmp_path, width)
    # as written; by name up and down; by number up and down, what has none last
    assert result["orders"] == ["bca", "abc", "cba", "abc", "bac"]
    assert result["fits"]


SEEK = """
const {picture} = players[0];
const positions = [];
for (const key of ["ArrowRight", "End", "ArrowLeft", "Home"]) {
  press(key, picture);
  positions.push(Number(picture.getAttribute("aria-valuenow")));
}
const box = picture.getBoundingClientRect();
const where = {clientX: box.left + box.width / 4, clientY: box.top + 5, pointerId: 1};
picture.setPointerCapture = () => {};
picture.dispatchEvent(new PointerEvent("pointerdown", {...where, bubbles: true}));
positions.push(Number(picture.getAttribute("aria-valuenow")));
return {positions, seconds: players[0].seconds};
"""


@needs_browser
def test_the_picture_is_where_the_position_is_set(page, tmp_path):
    result = use(page, SEEK, tmp_path)
    assert result["seconds"] == pytest.approx(2, abs=0.05)
    assert result["positions"] == pytest.approx([1, 2, 1, 0, 0.5], abs=0.06)


AXIS = """
const box = players[0].picture.getBoundingClientRect();
return [...document.querySelectorAll(".axis span")].map(tick => {
  const {top, bottom, left, right} = tick.getBoundingClientRect();
  const place = (box.bottom - (top + bottom) / 2) / box.height;
  return [tick.textContent, place, left > 0, right < box.left];
});
"""


@needs_browser
@pytest.mark.parametrize("width", [1200, 420])
def test_the_frequency_axis_is_beside_the_picture(page, tmp_path, width):
    names, places, *inside = zip(*use(page, AXIS, tmp_path, width), strict=True)
    assert names == ("2", "4 kHz")
    assert places == pytest.approx((2 / 4.5, 4 / 4.5), abs=0.02)
    assert all(map(all, inside))


PLANE = """
const player = players[0];
const buttons = player.sources.map(source => source.button);
buttons[0].focus();
for (const key of ["ArrowRight", "ArrowDown", "ArrowLeft", "ArrowUp", "ArrowUp", "ArrowRight"])
  press(key, document.activeElement);
const reached = buttons.indexOf(document.activeElement);
buttons[1].click();
await until(() => player.playing && player.position > 0.2);
buttons[2].click();
await until(() => player.playing);
const start = player.position;
const pressed = buttons.map(button => button.getAttribute("aria-pressed"));
await until(() => player.position > 0.2);
return {reached, start, pressed, duration: player.chosen.buffer.duration};
"""


@needs_browser
def test_cells_of_the_plane_play_from_their_beginning_and_are_reached_by_keyboard(tmp_path):
    cells = [
        Clip(f"<{seconds}>", picture(9), mp3(noise(0, 0.1, seconds)[:RATE], RATE))
        for seconds in (1, 2, 3, 4)
    ]
    write_page(tmp_path / "plane.html", "<Plane>", [Plane("Grid", cells, 2)], lead="&")
    result = use(tmp_path / "plane.html", PLANE, tmp_path)
    assert result["reached"] == 1
    assert result["pressed"] == ["false", "false", "true", "false"]
    assert result["start"] < 0.15
    assert result["duration"] == pytest.approx(1, abs=0.1)


SILENT = """
press(" ");
press("2");
return [players[0].chosen.label, players[0].sources.map(source => source.image.className)];
"""


@needs_browser
def test_pictures_without_sound_are_switched_too(tmp_path):
    clips = [Clip(label, picture(), None) for label in ("input", "target")]
    write_page(tmp_path / "silent.html", "Silent", [Section("Images", clips)], lead="")
    assert use(tmp_path / "silent.html", SILENT, tmp_path) == ["target", ["", "shown"]]


def test_gains_level_what_is_heard_and_never_clip():
    loud, soft = noise(0, 0.3), noise(1, 0.02)
    one, other = gains([(loud[None], RATE), (soft[None], RATE)])
    assert 20 * np.log10(rms(one * loud) / rms(other * soft)) == pytest.approx(0, abs=0.3)
    # a click that is far louder than the rest turns all of them down
    clicked = soft.copy()
    clicked[100] = 1
    levelled = gains([(loud[None], RATE), (clicked[None], RATE), (0 * soft[None], RATE), None])
    assert levelled[1] == pytest.approx(0.999)
    assert levelled[0] < one
    assert levelled[2:] == [1, 1]
