"""Saves, prunes and finds again: the toolkit's rules with their traps (facts/aitoolkit.md 2 and 4)."""

import glob
import json
import pickletools
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from .config import Plan
from .voice import say
from .weights import Lora, header, metadata, modules

CAPTURED_OPTIMIZER: Final = Path(__file__).parent.parent / "optimizer.pt"  # of a real adamw8bit run
NEVER_RESUMED: Final = ("_LoRA", "_refiner", "_t2i", "_cn")  # anywhere in the path
TORCH_TYPES: Final = ("torch.", "torch._utils.", "collections.")
CORRUPT: Final = "PytorchStreamReader failed reading zip archive: failed finding central directory."


class Checkpoints:
    """The saved sets of one job in its output folder."""

    def __init__(self, plan: Plan, meta: Mapping[str, Any]) -> None:
        """Make the folder."""
        self._plan, self._meta = plan, meta
        self.last_saved = 0
        plan.folder.mkdir(parents=True, exist_ok=True)

    def save(self, step: int, updates: int, epoch: int, *, numbered: bool) -> None:
        """Write the weights (atomic, 0600) and the optimizer (in place), then prune. Prints as it goes."""
        plan = self._plan
        path = plan.folder / (f"{plan.job}_{step:09}.safetensors" if numbered else f"{plan.job}.safetensors")
        said = metadata(job=plan.job, step=step, epoch=epoch, trigger=plan.trigger, meta=self._meta)
        Lora(plan.job, plan.rank, plan.dtype, updates).save(path, said)
        say(f"Saved checkpoint to {path}")
        optimizer = plan.folder / "optimizer.pt"
        shutil.copyfile(CAPTURED_OPTIMIZER, optimizer)
        say(f"Saved optimizer to {optimizer}")
        self.last_saved = step
        self._prune()

    def _prune(self) -> None:
        """Keep the newest by ctime of each kind of `<job>_*`; `[:-0]` is nothing, so 0 keeps all."""
        found = [Path(path) for path in glob.glob(f"{self._plan.folder / self._plan.job}_*")]  # noqa: PTH207  # its brackets trap is wanted
        saves = sorted((path for path in found if path.suffix == ".safetensors"), key=_ctime)
        for old in saves[: -self._plan.keep]:
            say(f"Removing old save: {old}")
            old.unlink()

    def resume(self) -> int:
        """Find the newest file of the job and say so; answers the step to start from.

        Raises EOFError on a stray file that is no checkpoint, BrokenFile on one cut short: both as fatal as in life.
        """
        newest = self._newest()
        if newest is None:
            return 0
        say(f"#### IMPORTANT RESUMING FROM {newest} ####")
        say(f"Loading from {newest}")
        if newest.suffix != ".safetensors":
            raise EOFError
        fields = header(newest)
        same_rank = _tell_rank_change(fields, self._plan.rank)
        say("Missing keys: []")
        info = json.loads(fields.get("__metadata__", {}).get("training_info", "{}"))
        step = int(info.get("step", 0))
        if "step" in info:
            say(f"Found step {step} in metadata, starting from there")
        if same_rank:
            _load_optimizer(self._plan.folder / "optimizer.pt")
        self.last_saved = step
        return step

    def _newest(self) -> Path | None:
        found = glob.glob(f"{self._plan.folder / self._plan.job}*")  # noqa: PTH207  # its brackets trap is wanted
        candidates = [Path(path) for path in found if not any(trap in path for trap in NEVER_RESUMED)]
        return max(candidates, key=_ctime, default=None)


def _ctime(path: Path) -> int:
    return path.stat().st_ctime_ns


def _tell_rank_change(fields: Mapping[str, Any], rank: int) -> bool:
    """Print a line per tensor that is cut or padded; answers whether the rank is the same."""
    for name, wide, tall in sorted(modules()):
        for half, word, shape in (("A", "down", [rank, wide]), ("B", "up", [tall, rank])):
            was = fields.get(f"transformer.{name}.lora_{half}.weight", {}).get("shape", shape)
            if was == shape:
                return True
            verb = "Shrinking" if was > shape else "Expanding"
            flat = f"transformer.{name}".replace(".", "$$")
            say(f"{verb} {flat}.lora_{word}.weight from torch.Size({was}) to torch.Size({shape})")
    return False


def _load_optimizer(path: Path) -> None:
    """Look at what would be unpickled; a broken or hostile file means a fresh optimizer, and rc 0 all the same."""
    if not path.exists():
        return
    say(f"Loading optimizer state from {path}")
    refused = _refusal(path)
    if refused:
        say(f"Failed to load optimizer state from {path}\n{refused}")
    say("Updating optimizer LR from params")


def _refusal(path: Path) -> str | None:
    try:
        with zipfile.ZipFile(path) as archive:
            name = next(name for name in archive.namelist() if name.endswith("/data.pkl"))
            opcodes = [(code.name, argument) for code, argument, _ in pickletools.genops(archive.read(name))]
    except (OSError, ValueError, StopIteration, zipfile.BadZipFile):
        return CORRUPT
    named = [str(argument).replace(" ", ".") for code, argument in opcodes if code == "GLOBAL"]
    strange = next((one for one in named if not one.startswith(TORCH_TYPES)), None)
    if strange is None and not any(code in ("STACK_GLOBAL", "INST", "OBJ") for code, _ in opcodes):
        return None
    return f"Weights only load failed.\n\nTrying to load unsupported GLOBAL {strange or 'by stack'}"
