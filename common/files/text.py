"""JSON and CSV files, written completely or not at all."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common.files.atomic import replace_when_done


def write_json(path: Path | str, content: Any) -> None:
    """Write JSON with sorted keys; the file is complete or absent."""
    with replace_when_done(path) as temporary:
        text = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
        # parts of file names that are not UTF-8 are escaped
        temporary.write_text(text + "\n", encoding="utf-8", errors="backslashreplace")


def write_rows(path: Path | str, rows: Sequence[dict[str, Any]]) -> None:
    """Write dicts as CSV; None and missing values become empty fields."""
    names = dict.fromkeys(name for row in rows for name in row)
    with (
        replace_when_done(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.DictWriter(file, fieldnames=list(names))
        writer.writeheader()
        writer.writerows(
            {
                name: f"{value:.6g}" if isinstance(value, float) else value
                for name, value in row.items()
            }
            for row in rows
        )
