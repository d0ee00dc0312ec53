"""A headless Chromium that is driven by its DevTools protocol, over pipes."""

import base64
import itertools
import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
needs_browser = pytest.mark.skipif(BROWSER is None, reason="Chromium is not installed")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
_PATIENCE = 60  # seconds


class Chromium:
    """One page in a browser of its own; a context manager.

    Args:
        folder: Where its profile and downloads are kept.
    """

    def __init__(self, folder: Path) -> None:
        self.downloads = folder / "downloads"
        self.downloads.mkdir(exist_ok=True)
        self.problems = []  # errors of scripts, and what was said on the console
        self._numbers, self._rest, self._session = itertools.count(1), b"", None
        (out_read, out_write), (in_read, in_write) = os.pipe(), os.pipe()
        # the protocol is spoken on the file descriptors 3 and 4
        command = ["bash", "-c", f'exec "$@" 3<&{out_read} 4>&{in_write}', "bash", BROWSER, *FLAGS]
        command += ["--remote-debugging-pipe", f"--user-data-dir={folder / 'profile'}"]
        self._process = subprocess.Popen(
            command,
            pass_fds=(out_read, in_write),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(out_read)
        os.close(in_write)
        self._write, self._read = out_write, in_read

    def __enter__(self):
        try:
            self._attach()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _attach(self):
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")
        self.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(self.downloads))
        return self

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait()
        os.close(self._write)
        os.close(self._read)

    def call(self, method, **parameters):
        """Call a method of the protocol; its result."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == number:
                assert "error" not in answer, answer["error"]
                return answer["result"]
            kind, given = answer.get("method"), answer.get("params", {})
            if kind == "Runtime.exceptionThrown":
                self.problems.append(str(given["exceptionDetails"]))
            elif kind == "Runtime.consoleAPICalled" or (
                kind == "Log.entryAdded" and given["entry"]["level"] == "error"
            ):
                self.problems.append(str(given))

    def _receive(self):
        while b"\0" not in self._rest:
            part = os.read(self._read, 1 << 20)
            assert part, "the browser has ended"
            self._rest += part
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)

    def open(self, address, width=1200, height=900, *, dark=False, touch=False):
        """Go to an address, in a window of a size in pixels."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": touch}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        self.call("Emulation.setTouchEmulationEnabled", enabled=touch)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call("Page.navigate", url=address)

    def run(self, script):
        """Value of a JavaScript expression, which may be a promise."""
        found = self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def until(self, script):
        """Wait until a JavaScript expression is true."""
        end = time.monotonic() + _PATIENCE
        while not self.run(script):
            assert time.monotonic() < end, f"never true: {script}"
            time.sleep(0.02)

    def middle_of(self, selector):
        """Middle of an element that is scrolled into view: (x, y), and its width and height."""
        return self.run(
            f"(() => {{ const one = document.querySelector({selector!r});"
            "one.scrollIntoView({block: 'center'}); const box = one.getBoundingClientRect();"
            "return [box.x + box.width / 2, box.y + box.height / 2, box.width, box.height]; })()"
        )

    def mouse(self, kind, x, y):
        """Send an event of the mouse: "Pressed", "Moved" or "Released"."""
        self.call(
            "Input.dispatchMouseEvent",
            type=f"mouse{kind}",
            x=x,
            y=y,
            button="left",
            buttons=int(kind != "Released"),
            clickCount=1,
        )

    def click(self, selector):
        """Click on the middle of an element."""
        x, y, *_ = self.middle_of(selector)
        self.mouse("Pressed", x, y)
        self.mouse("Released", x, y)

    def touch(self, kind, *points):
        """Send an event of touch, such as "Start", "Move" and "End"."""
        given = [{"x": x, "y": y} for x, y in points]
        self.call("Input.dispatchTouchEvent", type=f"touch{kind}", touchPoints=given)

    def key(self, name, code=0, text=""):
        """Press a key and let it go."""
        given = {"key": name, "code": name, "windowsVirtualKeyCode": code}
        self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **given)
        self.call("Input.dispatchKeyEvent", type="keyUp", **given)

    def picture(self, path, *, whole=True):
        """Write what is seen as a PNG."""
        found = self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(found["data"]))
