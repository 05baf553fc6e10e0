"""The list of recordings that are accepted: what the check says, and what a person decides.

``accepted.csv`` in the work folder has the columns ``recording``, ``check`` (yes or no),
``decision`` (empty, or a person's yes or no, which counts more) and ``reasons``.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from vovtrack.errors import InputError
from vovtrack.evaluation.reports.csv_tables import harmless, write_rows

NAME = "accepted.csv"
_HEADER = ("recording", "check", "decision", "reasons")


def read_decisions(work: str | Path) -> dict[str, bool]:
    """Whether each recording of the list is accepted; empty if there is no list.

    Raises:
        InputError: Not such a list, or a decision that is neither yes nor no.
    """
    rows = _read(Path(work) / NAME)
    return {name: (row["decision"] or row["check"]) == "yes" for name, row in rows.items()}


def write_list(work: str | Path, reasons: Mapping[str, Sequence[str]]) -> None:
    """Write what the check says; decisions of a person, and other recordings, stay.

    Args:
        work: The work folder.
        reasons: Why each recording is in doubt, by name; it is accepted if there are none.

    Raises:
        InputError: The list that is there cannot be read.
        WriteError: It cannot be written.
    """
    path = Path(work) / NAME
    rows = _read(path)
    for name, words in reasons.items():
        decision = rows.get(name, {}).get("decision", "")
        rows[name] = dict(
            recording=name,
            check="no" if words else "yes",
            decision=decision,
            reasons="; ".join(words),
        )
    cells = ([harmless(row[column]) for column in _HEADER] for row in rows.values())
    write_rows(path, _HEADER, cells)


def _read(path: Path) -> dict[str, dict[str, str]]:
    """Rows by recording."""
    if not path.is_file():
        return {}
    try:
        text = path.read_text(encoding="utf-8-sig")
        table = list(csv.reader(io.StringIO(text), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"'{path}' is not a table in CSV: {error}.") from None
    if not table or tuple(table[0]) != _HEADER:
        raise InputError(f"'{path}' must begin with the columns {','.join(_HEADER)}.")
    rows = {}
    for number, cells in enumerate(table[1:], start=2):
        words = [cell.strip() for cell in cells] if len(cells) == len(_HEADER) else []
        if not words or words[1] not in ("yes", "no") or words[2] not in ("", "yes", "no"):
            raise InputError(
                f"'{path}', line {number}: expected four columns, yes or no in 'check', and yes, "
                "no or nothing in 'decision'."
            )
        rows[words[0].removeprefix("'")] = dict(zip(_HEADER, words, strict=True))
    return rows
