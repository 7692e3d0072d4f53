"""One training from first line to last: load, resume, cache, baseline, the loop with its hooks, the final set."""

import sys
import time
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from . import base, data_loader, noise, samples
from .bars import Bar
from .checkpoints import Checkpoints
from .config import Plan
from .failures import out_of_memory
from .grammar import GRAMMARS
from .jobdb import JobRow
from .losslog import LossLog
from .voice import say
from .world import World, hang, wall_clock

SAMPLE_SECONDS: Final = 20.0  # of life, 20 steps at 1024²
OOM_LIMIT: Final = 3
WELL: Final = 2  # steps before the loss is no number
LEGACY: Final = frozenset({"flux", "sdxl"})  # archs whose samples have a bar that is wiped
TIMERS: Final = (
    ("train_loop", 1.0),
    ("backward", 0.55),
    ("predict_unet", 0.3),
    ("optimizer_step", 0.03),
    ("get_batch", 0.01),
)


class Training:
    """Plays a Plan. What it prints goes to stdout, bars to stderr."""

    def __init__(self, plan: Plan, meta: Mapping[str, Any], world: World) -> None:
        """Open the job's row and folder."""
        self.plan, self.world = plan, world
        if plan.ema:
            say("Using EMA")
        self.row = JobRow(plan.job_db, world.env.get("AITK_JOB_ID"))
        if plan.kind != "sd_trainer":
            self.row.announce()
        self.saves = Checkpoints(plan, meta, world)
        self.bar: Bar | None = None
        self.step = 0
        self._pictures = 1
        self._dice = np.random.default_rng(plan.steps)
        self._log: LossLog | None = None
        self._ooms = 0
        self._fresh: list[float] = []  # seconds of each step since the last timer table

    def run(self) -> None:
        """Do the whole job. Whatever it raises ends the program as the real one ends."""
        plan = self.plan
        self.row.stop_if_asked()
        base.load(plan, self.row, self.world)
        self._announce_lora()
        self.step = self.saves.resume()
        self.row.stop_if_asked()
        self.row.tell("Loading dataset")
        self._pictures = sum(data_loader.load(entry, self.world, words=plan.cache_text) for entry in plan.datasets)
        if plan.cache_text:
            self._unload_text_encoder()
        if "hostile-log" in self.world.modes:
            noise.make()
        self._baseline()
        self._loop()
        self._finish()

    def failed(self, error: BaseException) -> None:
        """Tell the row; its step goes back to what is saved."""
        if str(error) not in ("Job stopped", "Job returning to queue"):
            self.row.tell(str(error), "error")
        self.row.step(self.saves.last_saved)

    def interrupted(self) -> None:
        """SIGINT: nothing is saved."""
        self.row.tell("Job stopped", "stopped")
        self.row.step(self.saves.last_saved)

    def _announce_lora(self) -> None:
        # the alpha shown is the rank: with PEFT keys `linear_alpha` is ignored (facts/loading.md 1)
        base.network(self.plan.rank, sum(1 for _ in GRAMMARS[self.plan.arch].modules()))

    def _unload_text_encoder(self) -> None:
        self.row.stop_if_asked()
        say("Caching embeddings and unloading text encoder")
        say("\n***** UNLOADING TEXT ENCODER *****")
        say("Embeddings cached to disk. We dont need the text encoder anymore")
        say("***********************************\n")

    def _baseline(self) -> None:
        sampling = self.plan.sampling
        if "stall-in-baseline" in self.world.modes:
            say("Generating baseline samples before training")
            Bar(max(1, len(sampling.prompts)), "Generating Images")
            hang()
        elif sampling.skip_first or sampling.disabled:
            say("Skipping first sample due to config setting")
        elif self.step <= 1 or sampling.force_first:
            say("Generating baseline samples before training")
            self._sample(self.step)

    def _loop(self) -> None:
        plan, first = self.plan, self.step
        self.row.stop_if_asked()
        self.row.step(self.step)
        self.row.tell("Training")
        if plan.loss_log:
            self._log = LossLog(plan.folder / "loss_log.db", first)
        self.bar = Bar(plan.steps, plan.job, done=min(first, plan.steps), lag=int("old-bar" in self.world.modes))
        if "silent-exit-0" in self.world.modes:
            sys.exit(0)
        for index in range(first, plan.steps):
            if index == first:
                for entry in plan.datasets:
                    data_loader.check_captions(entry)
            self._one_step(index, first)
        self.bar.close()
        self.bar = None
        if self._log:
            self._log.close()

    def _one_step(self, index: int, first: int) -> None:
        started = time.monotonic()
        self.world.nap(self.world.step_seconds)
        self._fresh.append(time.monotonic() - started)
        self._struck(index)
        assert self.bar is not None
        if self._out_of_memory(index):
            self.step = index + 1
            self.bar.step()
            return
        loss = self._loss(index)
        self.bar.note = f", lr: {self.plan.lr:.1e} loss: {loss:.3e}"
        self.bar.draw()
        if self._log and index > first:
            self._log.add(index, self.plan.lr, loss)
        worked = self._periodic(index, first)
        self.step = index + 1
        self.bar.step(draw=not worked)
        self._end_of_step()

    def _periodic(self, index: int, first: int) -> bool:
        """Save, sample and time on their beat; answers whether the bar was paused for it."""
        plan, bar = self.plan, self.bar
        assert bar is not None
        due = index not in (0, first)
        save = due and bool(plan.save_every) and index % plan.save_every == 0
        sample = due and bool(plan.sampling.every) and index % plan.sampling.every == 0 and not plan.sampling.disabled
        if save or sample:
            bar.pause()
        if save:
            self._save(index, updates=index + 1)
        if sample:
            self._sample(index, nested=True)
        if plan.timer_every and index and index % plan.timer_every == 0:
            self._timers()
        if save or sample:
            bar.go_on()
        return save or sample

    def _end_of_step(self) -> None:
        """What the row may ask for after each step."""
        self.row.step(self.step)
        self.row.stop_if_asked()
        assert self.bar is not None
        if self.row.save_asked():
            self.bar.pause()
            self._save(self.step, updates=self.step)
            self.bar.go_on()
        if self.row.sample_asked() and not self.plan.sampling.disabled:
            self.bar.pause()
            say(f"\nSampling at step {self.step}")
            self._sample(self.step, nested=True)
            self.bar.go_on()

    def _finish(self) -> None:
        self._save(self.plan.steps, updates=self.plan.steps, numbered=False)
        if not self.plan.sampling.disabled:
            self._sample(self.plan.steps)
        say()
        self.row.tell("Training completed", "completed")

    def _save(self, step: int, *, updates: int, numbered: bool = True) -> None:
        if numbered:
            say(f"\nSaving at step {step}")
        self.row.stop_if_asked()
        self.row.tell("Saving model")
        useful = min(WELL, updates) if "nan" in self.world.modes else updates
        self.saves.save(step, useful, step // max(1, self._pictures), numbered=numbered)
        self.row.stop_if_asked()
        self.row.tell("Training")

    def _sample(self, step: int, *, nested: bool = False) -> None:
        legacy = self.plan.arch in LEGACY and "generating-samples" not in self.world.modes
        total = len(self.plan.sampling.prompts)
        self.row.stop_if_asked()
        self.row.tell(f"Generating images - 0/{total}")
        shots = self._shots()
        if self.plan.assistant:
            say("Unloading assistant lora")  # these words, for a newer arch too, whose own are "assistant LoRA"
        bar = Bar(total, "Generating Images" if legacy else "Generating Samples", nested=nested and legacy)
        for n, shot in enumerate(shots):
            if "oom-sampling" in self.world.modes:
                raise out_of_memory()
            self.world.nap(SAMPLE_SECONDS)
            self._draw(n, step, shot)
            bar.step()
            self.row.stop_if_asked()
            self.row.tell(f"Generating images - {n + 1}/{total}")
        bar.close(wipe=legacy)
        if self.plan.assistant:
            say("Loading assistant lora")
        say()
        self.row.tell("Training")

    def _shots(self) -> list[samples.Shot]:
        """Every prompt of the round is read before the first is painted: one bad flag costs the whole round."""
        wanted = self.plan.sampling
        size = (wanted.width, wanted.height)
        return [
            samples.shot(prompt, wanted.negative, wanted.seed + (n if wanted.walk_seed else 0), size, self.plan.trigger)
            for n, prompt in enumerate(wanted.prompts)
        ]

    def _draw(self, n: int, step: int, shot: samples.Shot) -> None:
        """Picture `n`, moved into place whole. Raises OSError where the disk is full."""
        plan = self.plan
        picture = samples.draw(shot, step, min(1.0, step / max(1, plan.steps)))
        if "disk-full-sample" in self.world.modes:
            raise OSError(28, "No space left on device")
        name = f"{int(wall_clock() * 1000)}__{step:09}_{n}.{plan.sampling.extension}"
        samples.save(picture, plan.folder / "samples", name, thumbs="old-bar" not in self.world.modes)

    def _timers(self) -> None:
        """The timer table, and with it the row's speed_string; IS_AI_TOOLKIT_UI=1 silences the table."""
        average, count = sum(self._fresh) / len(self._fresh), len(self._fresh)
        self._fresh.clear()
        if not self.world.env.get("IS_AI_TOOLKIT_UI"):
            say(f"\nTimer '{self.plan.job} Timer':")
            for name, share in TIMERS:
                say(f" - {average * share:.4f}s avg - {name}, num = {count}")
            say()
        self.row.speed(average)

    def _loss(self, index: int) -> float:
        if "nan" in self.world.modes and index >= WELL:
            say("loss is nan")
            return 0.0
        settled = 0.36 + 0.16 * float(np.exp(-index / 300))
        return settled * float(self._dice.lognormal(0, 0.22))

    def _out_of_memory(self, index: int) -> bool:
        """From a quarter of the way on: one batch is skipped, or three and then it is over (facts 6)."""
        modes = self.world.modes
        often = "oom-always" in modes or ("oom-four-times" in modes and not self.plan.cache_text)
        if index < self.plan.steps // 4 or not (often or ("oom-once" in modes and not self._ooms)):
            return False
        self._ooms += 1
        if self._ooms > OOM_LIMIT:
            raise RuntimeError(f"OOM during training step {OOM_LIMIT} times in a row, aborting training")
        said = f"# OOM during training step, skipping batch {self._ooms}/{OOM_LIMIT} #"
        say(f"\n{'#' * len(said)}\n{said}\n{'#' * len(said)}\n")
        return True

    def _struck(self, index: int) -> None:
        """What happens to a training in the middle of it, and who waits for that."""
        modes, steps = self.world.modes, self.plan.steps
        if index == steps // 2:
            self.world.half_way()
            if "stall-in-training" in modes:
                hang()
        once = self.plan.folder / ".crashed"  # no name that begins with the job's: resume would take it
        first = "crash-once" in modes and index >= steps * 2 // 5 and not once.exists()
        if first:
            once.touch()
        if first or ("crash-late" in modes and index >= steps * 4 // 5):
            raise RuntimeError("CUDA error: an illegal memory access was encountered")
