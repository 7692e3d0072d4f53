"""What a rental's row says that is not so, by the name of the fault that is its lot."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from pipeline.sandbox.market.gpus import GPUS, Ask
from pipeline.sandbox.market.wire import Row

AHEAD: Final = 3600.0
OTHER: Final = GPUS["RTX 3060"]  # who was promised more gets this one
SLOW: Final = 0.1  # of the claimed bandwidth


def _strings(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _strings(each) for key, each in value.items()}
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _strange(row: Row) -> Row:
    return {} if row["actual_status"] == "running" else {"actual_status": "hibernating"}


LIES: Final[Mapping[str, Callable[[Row], Row]]] = {
    "ports-null": lambda _: {"ports": None},
    "ports-other": lambda row: {"ports": {"8080/tcp": next(iter(row["ports"].values()))} if row["ports"] else {}},
    "disk-short": lambda row: {"disk_space": row["disk_space"] / 2},
    "gpu-count": lambda row: {"num_gpus": 2, "gpu_total_ram": 2 * row["gpu_ram"]},
    "clock-ahead": lambda row: {"start_date": row["start_date"] + AHEAD},
    "row-extra": lambda _: {"quantum": True, "": None, "nested": {"deep": [[{}]] * 3}, "instances": [1]},
    "row-strange": _strange,
    "row-strings": _strings,
}


def told(row: Row, lot: Mapping[str, float]) -> Row:
    """The row as its rental's lot has it told; strings last, so that the other lies are spelled so, too."""
    for name, lie in LIES.items():
        if name in lot:
            row = row | lie(row)
    return row


def really(ask: Ask, lot: Mapping[str, float]) -> Ask:
    """The machine that was in fact given: another GPU than offered, a line slower than claimed."""
    machine = ask.machine
    if "gpu-differs" in lot or "gpu-lies" in lot:
        machine = replace(machine, gpu=OTHER)
    if "slow-line" in lot:
        machine = replace(machine, honest=SLOW)
    return replace(ask, machine=machine)
