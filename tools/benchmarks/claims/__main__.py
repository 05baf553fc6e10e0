"""Does every stage pay in the mini world? Claim by claim, over seeds and worlds.

Example, from the root of the repository, after 'bash tools/quickstart.sh --train':
    python -m tools.benchmarks.claims --out work_dirs/claims \
        --detector work_dirs/quickstart/detector/epoch_8.pth

Cells are made one after the other and kept; run again, what is missing is made. After each of them
table.md and cells.json are written anew. What a row trains and which rows a claim compares is in
rows.py, how the intervals are made in intervals.py.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from tools.benchmarks.claims.rows import ROWS, claimed, with_starts
from tools.benchmarks.claims.runs import Cells
from tools.benchmarks.claims.scores import Scores
from tools.benchmarks.claims.tables import record, table
from vovtrack.errors import InputError
from vovtrack.files.atomic import atomic_write


def main() -> int:
    """Make what is missing, then print the table."""
    args = _arguments()
    seeds = args.seeds[:1] if args.quick else args.seeds
    out = args.out / "quick" if args.quick else args.out
    cells = Cells(out.absolute(), args.world.absolute(), args.detector, args.quick)
    try:
        done = fill(cells, with_starts(args.rows or claimed()), seeds, out)
    except InputError as error:
        print(error, file=sys.stderr)
        return 1
    print(table(done, seeds))
    return 0


def fill(
    cells: Cells, names: list[str], seeds: list[int], out: Path
) -> dict[tuple[str, int], Scores]:
    """Make the missing cells of some rows; say how fast it is going and how long it will take."""
    wanted = [(name, seed) for seed in seeds for name in names]
    done = {
        (name, seed): found
        for name, seed in wanted
        if (found := cells.scores(name, seed)) is not None
    }
    missing = [cell for cell in wanted if cell not in done]
    print(f"{len(done)} of {len(wanted)} cells are done", flush=True)
    begin = time.monotonic()
    for count, (name, seed) in enumerate(missing, start=1):
        done[name, seed] = cells.fill(name, seed)
        write(done, seeds, out)
        spent = time.monotonic() - begin
        left = sum(expected(cells.spent, row) for row, _ in missing[count:])
        print(
            f"{ROWS[name].title}, seed {seed}: {cells.spent[name][-1]:.0f} s; "
            f"{3600 * count / spent:.0f} cells per hour, {left / 60:.0f} minutes left",
            flush=True,
        )
    write(done, seeds, out)
    return done


def expected(spent: dict[str, list[float]], name: str) -> float:
    """Seconds that a cell will take: as those of its row, or of all rows."""
    known = spent.get(name) or [seconds for row in spent.values() for seconds in row]
    return sum(known) / len(known)


def write(done: dict[tuple[str, int], Scores], seeds: list[int], out: Path) -> None:
    """Write the tables of what is done."""
    with atomic_write(out / "table.md") as file:
        file.write(table(done, seeds))
    with atomic_write(out / "cells.json") as file:
        json.dump(record(done, seeds), file, indent=1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tools.benchmarks.claims", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of all runs")
    parser.add_argument(
        "--world",
        type=Path,
        default=Path("work_dirs/quickstart/world"),
        help="written by 'vovtrack synth'; default: %(default)s",
    )
    parser.add_argument(
        "--detector", type=Path, help="weights of stage 0, which then is not trained"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="default: 0 1 2")
    parser.add_argument(
        "--rows",
        nargs="+",
        choices=list(ROWS),
        metavar="ROW",
        help=f"default: those that claims speak of; of {', '.join(ROWS)}",
    )
    parser.add_argument(
        "--quick", action="store_true", help="one seed and one epoch each, in OUT/quick"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
