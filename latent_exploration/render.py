"""Change sounds in the latent space of a model, and write what they become.

    python -m latent_exploration.render --input solo.wav --output far.wav --spread 2 --bias 2=0.5
    python -m latent_exploration.render --input a.wav b.wav --output between.wav --crossfade 0 1.3
    python -m latent_exploration.render --input a.wav b.wav c.wav d.wav --output e.wav --mix 0.5 0.2

Operations are done in the order in which they are given, and may be given repeatedly. Before
--crossfade or --mix, they are done to each of the sounds. Without any, the model just plays the
sound. DIM counts the dimensions of the latent space from 1, or the axes of --axes.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from common.cli import Parser, UserError, add_seed_flag, number, parser, run, say
from common.files.audio import require_audio_suffix, write_audio
from common.work.lock import only_run
from latent_exploration.scripts import add_model_flags, open_session, read_sound, require_sound

_NUMBER = number(float, -1000, 1000)
_JOINS = {"cross_fade": 2, "mix": 4}  # operation -> number of sounds


class _Operation(argparse.Action):
    """Append the operation to the list ``operations``, with its arguments."""

    def __call__(
        self,
        built: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        values = values if isinstance(values, list) else [values]
        namespace.operations = [*namespace.operations, (self.dest, values)]


def of_dimension(text: str) -> tuple[float, int | None]:
    """Argument type: "3=0.5", a number for one dimension, or "0.5", one for all of them."""
    dim, equals, value = text.rpartition("=")
    return _NUMBER(value), number(int, 1)(dim) - 1 if equals else None


def point(text: str) -> tuple[float, float]:
    """Argument type: "0.5:1.2", a time from 0 to 1 and a value."""
    time, _, value = text.partition(":")
    return number(float, 0, 1)(time), _NUMBER(value)


def _dimension_or_point(text):
    return point(text) if ":" in text else number(int, 1)(text) - 1


def build_parser() -> Parser:
    """Flags of the script."""
    built = parser(__doc__)
    built.add_argument("--input", type=Path, nargs="+", required=True, help="recordings")
    built.add_argument("--output", type=Path, required=True, help="audio file to write")
    operations = built.add_argument_group("operations")

    def add(flag, what, **settings):
        operations.add_argument(flag, action=_Operation, help=what, **settings)

    one = {"type": of_dimension, "nargs": "+", "metavar": "[DIM=]X"}
    add("--scale", "multiply all dimensions, or those that are named", **one)
    add("--bias", "add to all dimensions, or to those that are named", **one)
    add("--spread", "multiply the distance from the mean of the path", type=_NUMBER, metavar="X")
    add(
        "--curve",
        "replace a dimension by lines through points; TIME runs from 0 to 1",
        type=_dimension_or_point,
        nargs="+",
        metavar=("DIM", "TIME:VALUE"),
    )
    add(
        "--randomise",
        "add noise with this standard deviation, drawn by --seed",
        type=number(float, 0, 1000),
        metavar="X",
    )
    add("--reverse", "go the path backwards", nargs=0)
    add(
        "--smooth",
        "moving average over a number of vectors",
        type=number(int, 1, 100_000),
        metavar="N",
    )
    add(
        "--crossfade",
        "fade from the first of two sounds to the second: a share from 0 to 1 throughout, or one "
        "at the begin and one at the end; below 0 and above 1 extrapolates",
        type=_NUMBER,
        nargs="+",
        metavar="X",
        dest="cross_fade",
    )
    add(
        "--mix",
        "mix four sounds by a point of a square: 0 0 is the first, 1 0 the second, 0 1 the third, "
        "1 1 the fourth",
        type=_NUMBER,
        nargs=2,
        metavar=("X", "Y"),
    )
    add(
        "--feedback",
        "feed the sound back a number of times, through a band-pass with a centre and a quality",
        type=number(float, above=0, high=100_000),
        nargs=3,
        metavar=("ROUNDS", "HERTZ", "QUALITY"),
    )
    add_model_flags(built)
    add_seed_flag(built, "--randomise")
    built.set_defaults(operations=[])
    return built


def _steps(operations: Sequence[tuple[str, list]], sounds: int, seed: int) -> list[Callable]:
    """Functions that turn a list of sessions into another; mistakes are told at once."""
    steps = []
    for name, values in operations:
        if name in _JOINS:
            if sounds != _JOINS[name] or len(values) > 2:
                flag = "--crossfade" if name == "cross_fade" else "--mix"
                raise UserError(
                    f"{flag}: takes {_JOINS[name]} sounds and at most two numbers, but there are "
                    f"{sounds} and {len(values)}"
                )
            sounds = 1
        if name == "curve" and not (
            len(values) > 1
            and isinstance(values[0], int)
            and all(isinstance(value, tuple) for value in values[1:])
        ):
            raise UserError("--curve: give a dimension and points, such as 2 0:0 0.5:1 1:0")
        if name == "feedback" and not (values[0].is_integer() and values[0] <= 100):
            raise UserError("--feedback: ROUNDS must be a whole number up to 100")
        steps.append(_step(name, values, seed))
    if sounds != 1:
        raise UserError(
            f"--input: {sounds} sounds; join two by --crossfade or four by --mix, or give one"
        )
    return steps


def _step(name, values, seed):
    if name == "cross_fade":
        share = values[0] if len(values) == 1 else tuple(values)
        return lambda sessions: [sessions[0].cross_fade(sessions[1], share)]
    if name == "mix":
        return lambda sessions: [sessions[0].mix(sessions[1:], *values)]

    def change(session):
        if name in ("scale", "bias"):
            for value, dim in values:
                session = getattr(session, name)(value, dim)
            return session
        if name == "curve":
            return session.curve(values[0], values[1:])
        if name == "feedback":
            return session.feedback(int(values[0]), *values[1:])
        return getattr(session, name)(*values, **({"seed": seed} if name == "randomise" else {}))

    return lambda sessions: [change(session) for session in sessions]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; its exit status."""
    args = build_parser().parse_args(argv)
    require_audio_suffix(args.output)
    for path in args.input:
        require_sound(path)
    steps = _steps(args.operations, len(args.input), args.seed)
    session = open_session(args)
    rate = session.model.sample_rate
    with only_run(args.output, folder=False):
        sessions = [session.load(read_sound(path, rate)) for path in args.input]
        for step in steps:
            sessions = step(sessions)
        audio = sessions[0].render()
        write_audio(args.output, audio, rate)
    path = sessions[0].path
    size = f"{len(path)} vectors of {path.shape[1]} dimensions"
    say(f"{args.output}: {audio.size / rate:.2f} s of {size}")
    return 0


if __name__ == "__main__":
    run(main)
