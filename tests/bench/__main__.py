"""Measure, print one table, write bench.json."""

import json
import logging
import sys
from dataclasses import asdict
from pathlib import Path

import structlog
from rich.console import Console
from rich.table import Table

from tests.bench.figures import FIGURES
from tests.bench.row import Row


def main(only: str = "") -> None:
    """Run the figures whose name holds `only`."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    rows = [row for name, figure in FIGURES.items() if only in name for row in figure()]
    Console().print(_table(rows))
    Path("bench.json").write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")


def _table(rows: list[Row]) -> Table:
    table = Table("figure", "value", "unit", "aim", "holds", "detail")
    for row in rows:
        holds = {True: "yes", False: "NO", None: ""}[row.holds]
        value = "-" if row.value is None else f"{row.value:,.2f}"
        table.add_row(row.name, value, row.unit, row.aim, holds, row.detail)
    return table


main(*sys.argv[1:2])
