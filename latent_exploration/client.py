"""Play a script of timed messages to the OSC server, and print its answers.

    python -m latent_exploration.client latent_exploration/piece.txt --port 9000

Each line of a script is a time in seconds, an address and its arguments; # begins a comment:

    0    /load example_input.ogg
    0.5  /scale 1.5
    2    /render scaled.wav

Exit status 1 if the server has reported an error, or has not answered each message.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from common.cli import Parser, UserError, number, parser, run, say
from latent_exploration.osc import HOST
from latent_exploration.scripts import read_lines

if TYPE_CHECKING:
    from pythonosc.osc_message import OscMessage

_LONGEST_PACKET = 65_535  # bytes of UDP


class Line(NamedTuple):
    """A message of a script.

    Attributes:
        seconds: When it is sent, after the beginning.
        address: Such as "/scale".
        values: Its arguments: whole numbers, other numbers, strings.
    """

    seconds: float
    address: str
    values: list[Any]


def build_parser() -> Parser:
    """Flags of the script."""
    built = parser(__doc__)
    built.add_argument("script", type=Path, help="text file of messages")
    add_link_flags(built)
    return built


def add_link_flags(built: Parser) -> None:
    """Add ``--port`` and ``--wait``."""
    built.add_flag("--port", 9000, "port of the server", type=number(int, 1, 65_535))
    built.add_flag(
        "--wait", 60.0, "longest time in seconds to wait for an answer", type=number(float, 0.1)
    )


def read_script(path: Path) -> list[Line]:
    """Read a script: its messages, sorted by time.

    Raises:
        UserError: No such file, or a line that is no message.
    """
    remedy = "no message; write a time, an address and its arguments, such as 0.5 /scale 1.5"
    return sorted(read_lines(path, _line, remedy), key=lambda line: line.seconds)


def _line(words):
    seconds, address, *values = words
    found = Line(float(seconds), address, [word_value(word) for word in values])
    if not (0 <= found.seconds < 1e6 and address.startswith("/")):
        raise ValueError(address)
    return found


def word_value(word: str) -> int | float | str:
    """A word of a script as what it says: a whole number, another number, or a string."""
    for kind in (int, float):
        try:
            return kind(word)
        except ValueError:
            continue
    return word


def play(lines: Sequence[Line], port: int, wait: float) -> int:
    """Send messages at their times, and print what is answered: the number of errors.

    A message that is due while the server is still busy with another one waits for its answer.

    Args:
        lines: Messages, sorted by time.
        port: Port of the server.
        wait: Longest time in seconds to wait for an answer.

    Raises:
        UserError: The server does not answer.
    """
    errors, begin = 0, time.monotonic()
    with Link(port, wait) as link:
        for line in lines:
            time.sleep(max(begin + line.seconds - time.monotonic(), 0))
            answer = link.ask(line.address, line.values)
            say(f"{time.monotonic() - begin:.2f} s  {told(answer)}")
            errors += answer.address == "/error"
    return errors


class Link:
    """A connection to the server; a context manager.

    Args:
        port: Port of the server.
        wait: Longest time in seconds to wait for an answer.
    """

    def __init__(self, port: int, wait: float) -> None:
        self._port = port
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.connect((HOST, port))
        self._socket.settimeout(wait)

    def __enter__(self) -> Link:
        return self

    def __exit__(self, *exception: Any) -> None:
        self._socket.close()

    def ask(self, address: str, values: Sequence[Any]) -> OscMessage:
        """Send a message: its answer.

        Raises:
            UserError: The server does not answer.
        """
        from pythonosc.osc_message import OscMessage
        from pythonosc.osc_message_builder import build_msg

        try:
            self._socket.send(build_msg(address, values).dgram)
            return OscMessage(self._socket.recv(_LONGEST_PACKET))
        except OSError as error:  # refused, or too late
            raise UserError(
                f"--port {self._port}: no answer to {address}; start the server with python -m "
                "latent_exploration.osc, or raise --wait"
            ) from error


def told(answer: OscMessage) -> str:
    """An answer in a line."""
    said = " ".join(f"{one:g}" if isinstance(one, float) else str(one) for one in answer)
    return f"{answer.address} {said}".rstrip()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; its exit status."""
    args = build_parser().parse_args(argv)
    return 1 if play(read_script(args.script), args.port, args.wait) else 0


if __name__ == "__main__":
    run(main)
