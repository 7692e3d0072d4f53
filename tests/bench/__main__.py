"""Measure, print one table, write bench.json."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench.figures import FIGURES
from tests.bench.row import Row


def main(only: str = "") -> None:
    """Run the figures whose name holds `only`."""
    rows = [row for name, figure in FIGURES.items() if only in name for row in figure()]
    Console().print(_table(rows))
    Path("bench.json").write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")


def _table(rows: list[Row]) -> Table:
    table = Table("figure", "value", "unit", "aim", "holds", "detail")
    for row in rows:
        holds = {True: "yes", False: "NO", None: ""}[row.holds]
        table.add_row(row.name, f"{row.value:,.2f}", row.unit, row.aim, holds, row.detail)
    return table


main(*sys.argv[1:2])
