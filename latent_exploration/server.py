"""The server of the page: for one machine, one address, and a few small messages."""

from __future__ import annotations

import hmac
import io
import json
import secrets
import sys
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np

from common.cli import UserError, one_line, printable
from latent_exploration.explorer import Explorer, Order

HOST = "127.0.0.1"
LARGEST = 65_536  # bytes of a message
_AT_ONCE = 16  # messages that are answered at a time; more are refused
_PATIENCE = 10  # seconds without a byte after which a connection is closed
_HERE = Path(__file__).parent
_COMMON = _HERE.parent / "common" / "report"
# Everything that the server reads; nothing in an address names a file.
_ASSETS = {
    "": (_HERE / "assets" / "page.html", "text/html; charset=utf-8"),
    "style.css": (_COMMON / "page.css", "text/css; charset=utf-8"),
    "page.css": (_HERE / "assets" / "page.css", "text/css; charset=utf-8"),
    "page.js": (_HERE / "assets" / "page.js", "text/javascript; charset=utf-8"),
    "recorder.js": (_HERE / "assets" / "recorder.js", "text/javascript; charset=utf-8"),
}
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src data:; form-action 'none'; frame-ancestors 'none'; "
    "base-uri 'none'",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Server(ThreadingHTTPServer):
    """Serves the page of an explorer on 127.0.0.1.

    Args:
        port: Port; 0 for any that is free.
        title: What the page is called.

    Attributes:
        explorer: ``Explorer``, to be set before ``serve_forever``.
        token: Unguessable part of the address.
        address: Address of the page.

    Raises:
        OSError: The port cannot be had.
    """

    daemon_threads = True
    explorer: Explorer

    def __init__(self, port: int, title: str) -> None:
        super().__init__((HOST, port), _Handler)
        self.title, self.token = title, secrets.token_urlsafe(16)
        self.rendering = threading.Lock()
        self.places = threading.BoundedSemaphore(_AT_ONCE)
        self.hosts = {f"{name}:{self.server_port}" for name in (HOST, "localhost")}

    @property
    def address(self) -> str:
        """Address of the page."""
        return f"http://{HOST}:{self.server_port}/{self.token}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Tell of a mistake of ours in one line; connections may break."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            print(f"failed: {type(error).__name__}: {one_line(error or '')}", file=sys.stderr)


class _Refusal(Exception):
    """A message that is not served: ``(status, reason)``."""


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    timeout = _PATIENCE
    server_version, sys_version = "latent", ""

    def do_GET(self):
        self._do(self._read)

    def do_POST(self):
        self._do(self._render)

    def _do(self, work):
        if not self.server.places.acquire(blocking=False):
            self.close_connection = True  # the message is not read
            self._send(HTTPStatus.SERVICE_UNAVAILABLE, b"busy", "text/plain")
            return
        try:
            self._send(HTTPStatus.OK, *work(self._asked()))
        except _Refusal as refusal:
            status, reason = refusal.args
            self.close_connection = True  # what is left of the message is not read
            self._send(status, printable(reason).encode(), "text/plain; charset=utf-8")
        except (ConnectionError, TimeoutError):
            self.close_connection = True
        except Exception as error:  # a message must not end anything; a mistake of ours is told
            print(printable(f"failed: {type(error).__name__}: {one_line(error)}"), file=sys.stderr)
            self.close_connection = True
            self._send(HTTPStatus.INTERNAL_SERVER_ERROR, b"failed", "text/plain")
        finally:
            self.server.places.release()

    def _asked(self):
        """What follows the token in the address, if the message comes from the page itself."""
        hosts, origins = (self.headers.get_all(name, []) for name in ("Host", "Origin"))
        own = {f"http://{host}" for host in self.server.hosts}
        if len(hosts) != 1 or hosts[0] not in self.server.hosts or not set(origins) <= own:
            raise _Refusal(HTTPStatus.FORBIDDEN, "not from this page")
        if self.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
            raise _Refusal(HTTPStatus.FORBIDDEN, "not from this page")
        begin, _, rest = self.path.removeprefix("/").partition("/")
        if not hmac.compare_digest(begin.encode("utf-8", "replace"), self.server.token.encode()):
            raise _Refusal(HTTPStatus.NOT_FOUND, "no such page; use the whole address")
        return rest

    def _read(self, name):
        if name == "map":
            content = {"title": self.server.title, **self.server.explorer.describe()}
            return json.dumps(content).encode(), "application/json"
        if name not in _ASSETS:
            raise _Refusal(HTTPStatus.NOT_FOUND, "no such page")
        path, kind = _ASSETS[name]
        return path.read_bytes(), kind

    def _render(self, name):
        if name != "render":
            raise _Refusal(HTTPStatus.NOT_FOUND, "no such page")
        explorer, begin = self.server.explorer, time.perf_counter()
        try:
            order = Order.of(self._message(), explorer.count)
            with self.server.rendering:
                audio = explorer.render(order)
        except UserError as error:
            raise _Refusal(HTTPStatus.BAD_REQUEST, str(error)) from error
        taken = f"render;dur={1000 * (time.perf_counter() - begin):.1f}"
        return wav(audio, explorer.model.sample_rate), "audio/wav", {"Server-Timing": taken}

    def _message(self):
        if self.headers.get_content_type() != "application/json":
            raise _Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send JSON")
        size = self.headers.get("Content-Length", "")
        if not (size.isascii() and size.isdigit()) or "Transfer-Encoding" in self.headers:
            raise _Refusal(HTTPStatus.LENGTH_REQUIRED, "send a length")
        if len(size) > 9 or int(size) > LARGEST:
            raise _Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"at most {LARGEST:,} bytes")
        try:
            return json.loads(self.rfile.read(int(size)).decode("utf-8"))
        except (ValueError, RecursionError) as error:
            raise _Refusal(HTTPStatus.BAD_REQUEST, "not JSON") from error

    def _send(self, status, body, kind, headers=None):
        try:
            self.send_response(status)
            for name, value in {**_HEADERS, **(headers or {}), "Content-Type": kind}.items():
                self.send_header(name, value)
            if self.close_connection:
                self.send_header("Connection", "close")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except OSError:  # who has asked is gone
            self.close_connection = True

    def log_message(self, *_):
        """Nothing: requests are not worth a line each."""


def wav(audio: np.ndarray, sample_rate: int) -> bytes:
    """WAV file of 16 bits of an audio (samples,) in [-1, 1]."""
    import soundfile

    written = io.BytesIO()
    soundfile.write(written, audio, sample_rate, "PCM_16", format="WAV")
    return written.getvalue()
