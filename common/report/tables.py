"""Tables for a terminal."""


def as_text(rows):
    """Rows, dicts of numbers and texts, as aligned text below their names."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = [names] + [[_text(row.get(name, "")) for name in names] for row in rows]
    widths = [max(len(line[column]) for line in cells) for column in range(len(names))]
    return "\n".join(
        "  ".join(
            text.ljust(width) if column == 0 else text.rjust(width)
            for column, (text, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in cells
    )


def _text(value):
    return f"{value:.4f}" if isinstance(value, float) else str(value)
