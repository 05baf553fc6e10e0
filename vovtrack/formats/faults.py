"""What is wrong with the input: refused at the first fault, or dropped, counted and listed."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from vovtrack.errors import InputError

EXAMPLES = 20  # records listed per file and reason


class InputFaults:
    """Decides what happens to a faulty record.

    Strict, the first fault raises. Lenient, the caller leaves the record out, and this object
    counts it and remembers the first few by name, so that nothing disappears unseen.

    Args:
        lenient: Drop and count instead of raising.
    """

    def __init__(self, lenient: bool = False) -> None:
        self.lenient = lenient
        self._counts: Counter[tuple[str, str]] = Counter()
        self._examples: dict[tuple[str, str], list[str]] = defaultdict(list)

    def report(self, file: str | Path, record: str, reason: str, count: int = 1) -> None:
        """Refuse a record or note that it is dropped.

        Args:
            file: Where it stands.
            record: Which one, in words ("result 17 (image 3, track 5)").
            reason: What is wrong with it and what was expected; the same words for the same fault.
            count: How many records share this fault, if the caller counted them at once.

        Raises:
            InputError: Always, unless lenient.
        """
        if not self.lenient:
            more = f" ({count} such records)" if count > 1 else ""
            raise InputError(f"{file}: {record}: {reason}{more}.")
        key = (str(file), reason)
        self._counts[key] += count
        if len(self._examples[key]) < EXAMPLES:
            self._examples[key].append(record)

    @property
    def total(self) -> int:
        """Number of records dropped."""
        return self._counts.total()

    def listing(self) -> list[dict[str, Any]]:
        """JSON-ready list: file, reason, number of records, and the first of them."""
        return [
            dict(file=file, reason=reason, count=count, examples=self._examples[file, reason])
            for (file, reason), count in sorted(self._counts.items())
        ]
