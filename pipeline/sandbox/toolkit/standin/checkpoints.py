"""Saves, prunes and finds again: the toolkit's rules with their traps (facts/aitoolkit.md 2 and 4)."""

import glob
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from .config import Plan
from .failures import disk_full
from .grammar import GRAMMARS
from .optimizer import CAPTURED, load
from .voice import say
from .weights import Lora, header, metadata, written
from .world import World

NEVER_RESUMED: Final = ("_LoRA", "_refiner", "_t2i", "_cn")  # anywhere in the path
NO_OPTIMIZER: Final = (
    "[enforce fail at inline_container.cc:672] . unexpected pos 311424 vs 311312\nCould not save optimizer"
)
STILL: Final = 40  # updates that still weights show, whatever was trained


class Checkpoints:
    """The saved sets of one job in its output folder."""

    def __init__(self, plan: Plan, meta: Mapping[str, Any], world: World) -> None:
        """Make the folder."""
        self._plan, self._meta, self._modes = plan, meta, world.modes
        self._full = "disk-full-checkpoint" in world.modes
        self.last_saved = 0
        plan.folder.mkdir(parents=True, exist_ok=True)

    def save(self, step: int, updates: int, epoch: int, *, numbered: bool) -> None:
        """Write the weights (atomic, 0600) and the optimizer (in place), then prune. Prints as it goes.

        Raises SafetensorError where the disk is full.
        """
        plan = self._plan
        path = plan.folder / (f"{plan.job}_{step:09}.safetensors" if numbered else f"{plan.job}.safetensors")
        if self._full:
            raise disk_full()
        self._save_weights(path, step, updates, epoch)
        say(f"Saved checkpoint to {path}")
        self._save_optimizer(plan.folder / "optimizer.pt")
        self.last_saved = step
        self._prune()

    def _save_weights(self, path: Path, step: int, updates: int, epoch: int) -> None:
        plan, first = self._plan, min(self._saves(".safetensors"), key=_ctime, default=None)
        if "repeated-checkpoints" in self._modes and first is not None:
            written(path, [first.read_bytes()])
            return
        grammar = GRAMMARS[plan.arch]
        said = metadata(
            job=plan.job, version=grammar.version, step=step, epoch=epoch, trigger=plan.trigger, meta=self._meta
        )
        moved = STILL if "still-weights" in self._modes else updates
        Lora(plan.job, grammar, plan.rank, plan.alpha, plan.dtype, moved).save(path, said)

    def _save_optimizer(self, path: Path) -> None:
        """Not atomic, and not fatal: where the disk is full a stump stays, and nothing fits behind it."""
        if "disk-full-optimizer" in self._modes:
            whole = CAPTURED.read_bytes()
            path.write_bytes(whole[: len(whole) // 2])
            self._full = True
            say(NO_OPTIMIZER)
            return
        shutil.copyfile(CAPTURED, path)
        say(f"Saved optimizer to {path}")

    def _saves(self, suffix: str) -> list[Path]:
        found = glob.glob(f"{self._plan.folder / self._plan.job}_*")  # noqa: PTH207  # its brackets trap is wanted
        return [path for path in map(Path, found) if path.suffix == suffix]

    def _prune(self) -> None:
        """Keep the newest by ctime of each kind of `<job>_*`; `[:-0]` is nothing, so 0 keeps all."""
        for suffix in (".safetensors", ".pt", ""):
            for old in sorted(self._saves(suffix), key=_ctime)[: -self._plan.keep]:
                say(f"Removing old save: {old}")
                shutil.rmtree(old) if old.is_dir() else old.unlink()
                old.with_suffix(".yaml").unlink(missing_ok=True)

    def resume(self) -> int:
        """Find the newest file of the job and say so; answers the step to start from.

        Raises EOFError on a stray file that is no checkpoint, SafetensorError on one cut short: both fatal, as in life.
        """
        start, newest = self._plan.start_step, self._newest()
        if newest is None:
            return start or 0
        say(f"#### IMPORTANT RESUMING FROM {newest} ####")
        say(f"Loading from {newest}")
        if newest.suffix != ".safetensors":
            raise EOFError
        fields = header(newest)
        same_rank = self._tell_rank_change(fields)
        say("Missing keys: []")
        info = json.loads(fields.get("__metadata__", {}).get("training_info", "{}"))
        step = int(info.get("step", 0)) if start is None else start
        if "step" in info and start is None:
            say(f"Found step {step} in metadata, starting from there")
        if same_rank:
            load(self._plan.folder / "optimizer.pt")
        self.last_saved = step
        return step

    def _newest(self) -> Path | None:
        found = glob.glob(f"{self._plan.folder / self._plan.job}*")  # noqa: PTH207  # its brackets trap is wanted
        candidates = [Path(path) for path in found if not any(trap in path for trap in NEVER_RESUMED)]
        return max(candidates, key=_ctime, default=None)

    def _tell_rank_change(self, fields: Mapping[str, Any]) -> bool:
        """Print a line per tensor that is cut or padded; answers whether the rank is the same."""
        plan = self._plan
        grammar = GRAMMARS[plan.arch]
        for key, wanted in Lora(plan.job, grammar, plan.rank, plan.alpha, plan.dtype, 0).shapes():
            shape = list(wanted)
            was = fields.get(key, {}).get("shape", shape)
            if was == shape:
                return True
            verb = "Shrinking" if was > shape else "Expanding"
            flat = key.replace(".lora_A.", ".lora_down.").replace(".lora_B.", ".lora_up.")
            stem, half = flat.rsplit(".lora_", 1)
            name = stem.replace(".", "$$")
            say(f"{verb} {name}.lora_{half} from torch.Size({was}) to torch.Size({shape})")
        return False


def _ctime(path: Path) -> int:
    return path.stat().st_ctime_ns
