"""One request in, one answer out: {"task", "bounds", ...} -> {"done": ...} or {"fault": [blame, code, facts]}.

What is neither a Fault nor one of our limits goes to stderr as a traceback with exit code 1: a bug of ours.
"""

import errno
import importlib
import json
import os
import sys
from typing import Any, Final, Protocol, cast

from pipeline.adapters.workshop_child import LIMIT_HIT, cell
from pipeline.domain.faults import Fault

_FULL: Final = (errno.ENOSPC, errno.EDQUOT)

# task -> the module that does it; loaded on demand, because numpy or Pillow alone cost 0.1-0.2 s
_HANDS: Final = {
    "inspect": "sending",
    "optimizer": "optimizer",
    "pack": "packing",
    "prove": "weights",
    "samples": "showing",
    "sheet": "showing",
}


class _Hand(Protocol):
    def __call__(self, request: dict[str, Any], /) -> Any: ...


def main() -> int:
    answer = _keep_stdout()
    request: dict[str, Any] = json.load(sys.stdin.buffer)
    try:
        said = {"done": _work(request)}
    except Fault as fault:
        said = {"fault": [fault.blame.value, fault.code, dict(fault.facts)]}
    except MemoryError:
        return LIMIT_HIT
    except OSError as error:
        if error.errno == errno.EFBIG:
            return LIMIT_HIT
        if error.errno not in _FULL:
            raise
        said = {"fault": ["operator", "disk-full", {}]}
    with os.fdopen(answer, "wb") as out:
        out.write(json.dumps(said).encode())
    return 0


def _keep_stdout() -> int:
    """Keep stdout for the answer alone: what libraries print goes to stderr."""
    answer = os.dup(1)
    os.dup2(2, 1)
    return answer


def _work(request: dict[str, Any]) -> Any:
    bounds = request["bounds"]
    cell.limit(seconds=bounds["seconds"], memory=bounds["memory"], file=bounds["file"])
    task = request["task"]
    hand = cast(
        "_Hand", getattr(importlib.import_module(f"{__package__}.{_HANDS[task]}"), task)
    )  # loads Pillow or numpy: before the walls go up
    cell.shut(reads=request["reads"], writes=request["writes"])
    return hand(request)
