"""The listening page in a browser: its players play, its tables sort, nothing complains."""

import re
import shutil
import subprocess

import numpy as np
import pytest

from common.report.page import Clip, Plane, Section, mp3, write_page
from common.report.plots import image_png, pixels_png

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
needs_browser = pytest.mark.skipif(BROWSER is None, reason="Chromium is not installed")

# Tabs to each heading of the first table and presses it, then tells what became of it and how long
# each player's sound is.
PROBE = """
<script>
addEventListener("error", event => { document.title += "error: " + event.message; });
const players = [...document.querySelectorAll("audio")];
const ready = players.map(player => new Promise(done => {
  if (player.readyState) done(); else player.addEventListener("loadedmetadata", done);
}));
Promise.all(ready).then(() => {
  const table = document.querySelector("table");
  const order = () => [...table.tBodies[0].rows].map(row => row.cells[0].textContent).join("");
  const orders = [order()];
  for (const button of table.querySelectorAll("button")) {
    button.focus();
    if (document.activeElement !== button) continue;
    button.click(); orders.push(order());
    button.click(); orders.push(order());
  }
  const result = document.createElement("output");
  result.textContent = orders.join(" ") + "|" + players.map(player => player.duration).join(" ");
  document.body.append(result);
});
</script>
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A page with a table of three rows and two sounds of 1 and 2 s."""
    folder = tmp_path_factory.mktemp("page")
    clips = []
    for seconds in (1, 2):
        sound = mp3(0.1 * np.sin(np.arange(44100 * seconds) / 20), 44100)
        clips.append(Clip(f"{seconds} s", image_png(np.eye(256, 100)), sound))
    rows = [{"name": "b", "L1": 10.0}, {"name": "c"}, {"name": "a", "L1": 9.5}]
    sections = [Section("tones", rows, clips)]
    settings = {"explanation": "none", "settings": {"model": "<b>"}, "tables": {"scores": rows}}
    write_page(folder / "report.html", "Tones", sections, **settings)
    return folder / "report.html"


def probe(page, script, folder):
    """What a script adds to a page as ``output``, in a browser that complains of nothing."""
    probed = folder / "probed.html"
    probed.write_text(page.read_text(encoding="utf-8") + script, encoding="utf-8")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--v=0"]
    flags += [f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=10000"]
    flags += ["--autoplay-policy=no-user-gesture-required"]
    done = subprocess.run(
        [BROWSER, *flags, "--dump-dom", probed.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "CONSOLE" not in done.stderr
    assert "error:" not in done.stdout.partition("</title>")[0]
    (result,) = re.findall("<output>(.*)</output>", done.stdout)
    return result


@needs_browser
def test_players_have_their_length_tables_sort_by_keyboard_and_nothing_fails(page, tmp_path):
    orders, durations = probe(page, PROBE, tmp_path).split("|")
    # as written; by name up and down; by number up and down, what has none last
    assert orders.split() == ["bca", "abc", "cba", "abc", "bac"]
    assert [float(duration) for duration in durations.split()] == pytest.approx([1, 2], abs=0.1)


PLANE_PROBE = """
<script>
{
addEventListener("error", event => { document.title += "error: " + event.message; });
const player = document.querySelector("audio");
const buttons = [...document.querySelectorAll(".plane button")];
buttons[0].focus();
for (const key of ["ArrowRight", "ArrowDown", "ArrowLeft", "ArrowUp", "ArrowUp", "ArrowRight"])
  document.activeElement.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}));
const reached = buttons.indexOf(document.activeElement);
player.addEventListener("loadedmetadata", () => {
  const pressed = buttons.map(button => button.getAttribute("aria-pressed")).join(" ");
  const result = document.createElement("output");
  result.textContent = reached + "|" + pressed + "|" + player.duration;
  document.body.append(result);
});
buttons[2].click();
}
</script>
"""


@needs_browser
def test_cells_of_the_plane_are_heard_and_reached_by_keyboard(tmp_path):
    tones = [np.float32(0.1 * np.sin(np.arange(16000 * seconds) / 9)) for seconds in (1, 2, 3, 4)]
    cells = [
        Clip(f"<{index}>", pixels_png(np.eye(9)), mp3(tone, 16000))
        for index, tone in enumerate(tones)
    ]
    write_page(tmp_path / "plane.html", "<Plane>", explanation="&", plane=Plane(cells, 2))
    reached, pressed, duration = probe(tmp_path / "plane.html", PLANE_PROBE, tmp_path).split("|")
    assert reached == "1"
    assert pressed.split() == ["false", "false", "true", "false"]
    assert float(duration) == pytest.approx(3, abs=0.2)


def test_pictures_are_png_of_the_image():
    picture = image_png(np.zeros((256, 50)))
    assert picture.startswith(b"\x89PNG")
    assert image_png(np.zeros((256, 50))) == picture
    assert image_png(np.ones((256, 50))) != picture
