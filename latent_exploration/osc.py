"""Play a model by Open Sound Control, from Max, Pure Data or any other program.

    python -m latent_exploration.osc --model models/move_orchestra --sounds recordings --port 9000

Listens on 127.0.0.1 only. Each message is answered, to the port that it came from: by /reply and
its address, with results, or by /error, its address and the reason. README.md lists the addresses.
Recordings are read below --sounds, and written into --output. Ctrl-C ends it.
"""

from __future__ import annotations

import logging
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.cli import (
    Parser,
    UserError,
    existing_folder,
    number,
    one_line,
    parser,
    printable,
    require_folder,
    run,
    say,
)
from latent_exploration.scripts import add_model_flags, open_session
from latent_exploration.table import ADDRESSES, Player

if TYPE_CHECKING:
    from pythonosc.osc_message import OscMessage

HOST = "127.0.0.1"
_LONGEST_PACKET = 65_535  # bytes of UDP
_LONGEST_REASON = 400  # characters


def build_parser() -> Parser:
    """Flags of the script."""
    built = parser(__doc__, converts=())
    built.add_flag("--port", 9000, "UDP port to listen on", type=number(int, 0, 65_535))
    built.add_argument(
        "--reply_port",
        type=number(int, 1, 65_535),
        help="port that all answers go to (default: the port that a message came from)",
    )
    built.add_argument(
        "--sounds",
        type=existing_folder,
        default=Path(),
        help="folder of the recordings that can be loaded (default: the current one)",
    )
    built.add_argument(
        "--output",
        type=Path,
        default=Path("rendered"),
        help="folder of the sounds that are rendered (default: rendered)",
    )
    add_model_flags(built)
    return built


def messages(packet: bytes) -> Iterator[OscMessage]:
    """Messages of a packet, those of bundles as well; ``UserError`` if it is no OSC.

    The times of bundles are not waited for: a false one would block the server for years.
    """
    from pythonosc.osc_packet import OscPacket

    try:
        found = [timed.message for timed in OscPacket(packet).messages]
        for message in found:
            message.address.encode("ascii")
    except Exception as error:  # the parser raises many kinds, also by mistake
        raise UserError(f"not a message of OSC ({type(error).__name__})") from error
    yield from found


def answers(player: Player, packet: bytes) -> list[tuple[str, list[Any]]]:
    """Do what a packet asks for: ``(address, arguments)`` of each answer.

    No packet raises an error.
    """
    try:
        found = list(messages(packet))
    except UserError as error:
        return [("/error", ["", str(error)])]
    return [_answer(player, message.address, message.params) for message in found]


def _answer(player, address, given):
    try:
        return f"/reply{address}", player.play(address, given)
    except (UserError, OSError) as error:
        reason = one_line(error)
    except Exception as error:  # a message must not end the server; a mistake of ours is told
        reason = f"failed ({type(error).__name__}: {one_line(error)})"
        print(printable(f"{address}: {reason}"), file=sys.stderr)
    return "/error", [printable(address)[:_LONGEST_REASON], reason[:_LONGEST_REASON]]


def serve(
    player: Player,
    bound: socket.socket,
    goes_on: Callable[[], bool] = lambda: True,
    reply_port: int | None = None,
) -> None:
    """Answer packets as long as ``goes_on()`` is true, which is asked after each packet.

    Args:
        player: ``Player``.
        bound: UDP socket that is bound to a port.
        goes_on: Function.
        reply_port: Port of this machine that is answered; default the one that has asked.
    """
    from pythonosc.osc_message_builder import build_msg

    while goes_on():
        try:
            packet, sender = bound.recvfrom(_LONGEST_PACKET)
        except TimeoutError:
            continue
        for address, values in answers(player, packet):
            text = [
                value.encode("ascii", "replace").decode() if isinstance(value, str) else value
                for value in values
            ]
            try:
                bound.sendto(build_msg(address, text).dgram, (sender[0], reply_port or sender[1]))
            except OSError as error:  # who has asked is gone
                print(f"{address}: {one_line(error)}", file=sys.stderr)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; its exit status."""
    args = build_parser().parse_args(argv)
    require_folder(args.output)
    logging.disable(logging.WARNING)  # python-osc would tell of each damaged packet
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        try:
            bound.bind((HOST, args.port))
        except OSError as error:
            raise UserError(f"--port {args.port}: {one_line(error.strerror)}") from error
        player = Player(open_session(args), args.sounds, args.output)
        say(f"listens on {HOST}, port {bound.getsockname()[1]}, for {len(ADDRESSES)} addresses")
        sys.stdout.flush()
        serve(player, bound, reply_port=args.reply_port)
    return 0


if __name__ == "__main__":
    run(main)
