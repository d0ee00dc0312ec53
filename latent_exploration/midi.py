"""Play a model by MIDI: turn controllers, keys and the pitch wheel into messages of OSC.

    python -m latent_exploration.midi latent_exploration/midi.txt --file performance.mid
    python -m latent_exploration.midi latent_exploration/midi.txt --live "nanoKONTROL"

Each line of a map names a source, a range and a message; # begins a comment. In the message, $ is
the value of the source, brought to the range:

    cc 1     -1 1    /bias $ 1
    wheel    -1 1    /set 2 $
    note 60          /take 1

The server, python -m latent_exploration.osc, has to run. Live ports need python-rtmidi
(requirements-midi.txt). Live, while a message waits for its answer, only the last value of a
controller counts; of a file, all are sent, late if need be. Exit status 1 if the server has
reported an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from common.cli import Parser, UserError, one_line, parser, run, say
from latent_exploration.client import Link, add_link_flags, told, word_value
from latent_exploration.scripts import read_lines

if TYPE_CHECKING:
    from mido import Message

_WHEEL = 8192  # steps of the pitch wheel on each side
_SOURCES = ("cc", "note", "wheel")


class Rule(NamedTuple):
    """A line of a map.

    Attributes:
        source: "cc", "note" or "wheel".
        number: Number of the controller or key; 0 for the wheel.
        low, high: What the smallest and the largest value become.
        address: Of OSC.
        values: Arguments; None stands for the value.
    """

    source: str
    number: int
    low: float
    high: float
    address: str
    values: list[Any]

    def message(self, share: float) -> tuple[str, list[Any]]:
        """Address and arguments for a value, given as a share of its range."""
        value = self.low + share * (self.high - self.low)
        return self.address, [value if one is None else one for one in self.values]


def build_parser() -> Parser:
    """Flags of the script."""
    built = parser(__doc__)
    built.add_argument("map", type=Path, help="text file of rules")
    source = built.add_mutually_exclusive_group(required=True)
    source.add_argument("--file", type=Path, help="MIDI file to play at its tempo")
    source.add_argument(
        "--live", metavar="PORT", help="MIDI port, by its name or the beginning of it"
    )
    add_link_flags(built)
    return built


def read_map(path: Path) -> list[Rule]:
    """Read a map.

    Raises:
        UserError: No such file, or a line that is no rule.
    """
    remedy = "no rule; write a source, a range and a message, such as cc 1 -1 1 /bias $ 1"
    return read_lines(path, _rule, remedy)


def _rule(words):
    source, rest = words[0], words[1:]
    if source not in _SOURCES:
        raise ValueError(source)
    number = 0 if source == "wheel" else int(rest.pop(0))
    place = next(index for index, word in enumerate([*rest, "/"]) if word.startswith("/"))
    low, high = map(float, rest[:place] or ("0", "1"))
    if not 0 <= number < 128 or not abs(low) + abs(high) < float("inf"):
        raise ValueError(number)
    values = [None if word == "$" else word_value(word) for word in rest[place + 1 :]]
    return Rule(source, number, low, high, rest[place], values)


def share_of(message: Message) -> tuple[str, int, float] | None:
    """Source, number and share of the range of a MIDI message; None for any other.

    Keys count when they are pressed, with their velocity.
    """
    if message.type == "control_change":
        return "cc", message.control, message.value / 127
    if message.type == "note_on" and message.velocity:
        return "note", message.note, message.velocity / 127
    if message.type == "pitchwheel":
        return "wheel", 0, min((message.pitch + _WHEEL) / (2 * _WHEEL - 1), 1.0)
    return None


def play(rules: Sequence[Rule], groups: Iterable[Sequence[Message]], link: Link) -> int:
    """Send what the rules make of MIDI messages, and print what is answered: number of errors.

    Args:
        rules: List of ``Rule``.
        groups: Iterable of the messages that have come since the last one; of each source, the last
            one counts.
        link: ``Link`` to the server.
    """
    errors = 0
    for group in groups:
        last = {}
        for message in group:
            found = share_of(message)
            if found is not None:
                last[found[:2]] = found[2]
        for (source, number), share in last.items():
            for rule in rules:
                if (rule.source, rule.number) == (source, number):
                    answer = link.ask(*rule.message(share))
                    say(told(answer))
                    errors += answer.address == "/error"
    return errors


def of_file(path: Path) -> Iterator[list[Message]]:
    """Messages of a MIDI file, at their times.

    Raises:
        UserError: Missing, or no MIDI file.
    """
    import mido

    try:
        file = mido.MidiFile(path)
    except (OSError, EOFError, ValueError, KeyError, IndexError) as error:
        raise UserError(f"{path}: cannot be read as MIDI ({one_line(error)})") from error
    for message in file.play():
        yield [message]


def of_port(name: str) -> Iterator[list[Message]]:
    """Messages of a live port, as they come.

    Raises:
        UserError: No such port, or python-rtmidi is missing.
    """
    import mido

    try:
        names = mido.get_input_names()
    except Exception as error:  # a missing package, or what the system says without MIDI
        raise UserError(
            f"--live: no MIDI here ({one_line(error)}); install requirements-midi.txt, or play a "
            "--file"
        ) from error
    found = next((one for one in names if one.startswith(name)), None)
    if found is None:
        known = f"there are {', '.join(names)}" if names else "there are none"
        raise UserError(f"--live {name}: no such port; {known}")
    with mido.open_input(found) as port:
        for message in port:
            yield [message, *port.iter_pending()]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; its exit status."""
    args = build_parser().parse_args(argv)
    rules = read_map(args.map)
    groups = of_port(args.live) if args.file is None else of_file(args.file)
    with Link(args.port, args.wait) as link:
        return 1 if play(rules, groups, link) else 0


if __name__ == "__main__":
    run(main)
