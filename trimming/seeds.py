"""What lotteries of several seeds and models lost where 80, 90 and 99 % of the weights are gone.

    python -m trimming.seeds --tickets runs/ddsp_?/width_68 runs/sing_?/width_128 --output runs/all

Each folder of --tickets holds the rounds of `trimming.lottery` or `trimming.generator_lottery` from
one seed; those that differ in the seed alone belong together. The output folder gets bars.csv and
tickets.png.

Multipliers are errors over that of the whole network of the same seed, in the first round where
that many of the weights are gone. With several seeds, means and standard deviations are shown. In
the picture, the mean error is divided by the mean error of the whole networks.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common.cli import Parser, UserError, about, existing_folder, parser, run, say
from common.files.text import write_rows
from common.report.ablation import over_seeds
from common.report.tables import as_text
from common.report.tickets import (
    TICKET,
    group_lotteries,
    plot_tickets,
    read_rounds,
    table_of,
)
from common.work.lock import only_run
from trimming.flags import CONTROL_AT, CONTROLS, is_reached


def build_parser() -> Parser:
    """Flags of the script."""
    built = parser(__doc__, converts=("tickets",))
    built.add_argument(
        "--tickets", type=existing_folder, nargs="+", required=True, help="folders of rounds"
    )
    built.add_argument("--output", type=Path, required=True, help="folder to write")
    return built


def bars_of(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The multipliers of one seed where CONTROL_AT of the weights are gone.

    Args:
        rows: As ``common.report.tickets.read_rounds`` gives them.

    Returns:
        Rows, fewer than CONTROL_AT if the lottery ended before: ``gone``, ``weights``, ``flops``,
        ``multiplier``, perhaps ``test_multiplier``, and the ``multiplier`` of each control that
        there is, by its name.
    """
    tickets, found = [row for row in rows if row["kind"] == TICKET], []
    for share in CONTROL_AT:
        ticket = next((row for row in tickets if is_reached(share, row["left"])), None)
        if ticket is None:
            break
        bar = {"gone": f"{share:.0%}"}
        names = ("weights", "flops", "multiplier", "test_multiplier")
        bar |= {name: ticket[name] for name in names if name in ticket}
        beside = {row["kind"]: row for row in rows if row["round"] == ticket["round"]}
        bar |= {kind: beside[kind]["multiplier"] for kind in CONTROLS if kind in beside}
        found.append(bar)
    return found


def titles(groups: Sequence[dict[str, Any]]) -> list[str]:
    """Titles of groups of lotteries, which tell them apart.

    Args:
        groups: Their settings, all different, as of ``common.report.tickets.group_lotteries``.

    Returns:
        A string for each: model, width and what else is always told; and what distinguishes it from
        those for which that is the same.
    """
    short, found = [_short_title(settings) for settings in groups], []
    for title, settings in zip(short, groups, strict=True):
        same = [other for name, other in zip(short, groups, strict=True) if name == title]
        names = sorted({name for other in same for name in other})
        differ = [name for name in names if any(one.get(name) != same[0].get(name) for one in same)]
        words = [f"{name} {settings.get(name, 'unknown')}" for name in differ]
        found.append(" ".join([title, *words]))
    return found


def _short_title(settings):
    words = [settings.get("model"), settings.get("width"), settings.get("criterion", "magnitude")]
    words.append(settings.get("scope", "global"))
    if words[-1] != "local":
        words.append(f"scale {settings.get('scale', 'max')}")
    words.append(f"{settings.get('share', 0.3):g} a round")
    if settings.get("notes"):
        words.append(f"{settings['notes']} notes")
    data = settings.get("dataset_path") or settings.get("audio_path")
    if data:
        words.append(f"of {data}")
    if settings["rewind"] == "learning_rate":
        words.append("learning rate rewound")
    if settings["distil"]:
        words.append("distilled")
    return " ".join(str(word) for word in words if word is not None)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; exit status 0."""
    args = build_parser().parse_args(argv)
    with about("--tickets"):
        found = group_lotteries(args.tickets)
    names = titles([settings for settings, _ in found])
    groups = {
        name: [read_rounds(folder) for folder in folders]
        for name, (_, folders) in zip(names, found, strict=True)
    }
    table = []
    for name, lotteries in groups.items():
        bars = [{bar["gone"]: bar for bar in bars_of(rows)} for rows in lotteries]
        for gone in map("{:.0%}".format, CONTROL_AT):
            rows = [one[gone] for one in bars if gone in one]
            if len(rows) < len(bars):
                say(f"{name}: {len(rows)} of {len(bars)} have cut {gone}, which is left out")
                continue
            # of a control that not all seeds have, those that have it
            columns = dict.fromkeys(key for row in rows for key in row)
            row = {"model": name, "seeds": str(len(rows))}
            for key in columns:
                known = [one[key] for one in rows if key in one]
                if key in ("weights", "flops"):
                    row[key] = str(round(sum(known) / len(known)))
                else:
                    row |= over_seeds([{key: value} for value in known])
            table.append(row)
    if not table:
        raise UserError(
            f"--tickets: no lottery has cut {CONTROL_AT[0]:.0%} of the weights; let it go on, with "
            "more --rounds if it has ended"
        )
    with only_run(args.output):
        write_rows(args.output / "bars.csv", table)
        tables = {textwrap.fill(name, 32): table_of(one) for name, one in groups.items()}
        plot_tickets(args.output / "tickets.png", tables)
    print(as_text([{name: _text(value) for name, value in row.items()} for row in table]))
    say(f"{args.output}: bars.csv, tickets.png")
    return 0


def _text(value):
    return f"{value:.3f}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    run(main)
