"""One training from first line to last: load, resume, cache, baseline, the loop with its hooks, the final set."""

import sys
import time
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from . import base, dataset, samples
from .bars import Bar
from .checkpoints import Checkpoints
from .config import Plan
from .jobdb import JobRow
from .losslog import LossLog
from .voice import say
from .weights import modules
from .world import World, wall_clock

SAMPLE_SECONDS: Final = 20.0  # of life, 20 steps at 1024²
OOM_LIMIT: Final = 3
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
        self.saves = Checkpoints(plan, meta)
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
        base.load(plan.base, self.row, self.world, quantize=plan.quantize)
        self._announce_lora()
        self.step = self.saves.resume()
        self.row.stop_if_asked()
        self.row.tell("Loading dataset")
        self._pictures = sum(dataset.load(entry, self.world) for entry in plan.datasets)
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
        say(f"create LoRA network. base dim (rank): {self.plan.rank}, alpha: {self.plan.rank}")
        say("neuron dropout: p=None, rank dropout: p=None, module dropout: p=None")
        say("create LoRA for Text Encoder: 0 modules.")
        say(f"create LoRA for U-Net: {sum(1 for _ in modules())} modules.")
        say("enable LoRA for U-Net")

    def _baseline(self) -> None:
        sampling = self.plan.sampling
        if sampling.skip_first or sampling.disabled:
            say("Skipping first sample due to config setting")
        elif self.step <= 1:
            say("Generating baseline samples before training")
            self._sample(self.step)

    def _loop(self) -> None:
        plan, first = self.plan, self.step
        self.row.stop_if_asked()
        self.row.step(self.step)
        self.row.tell("Training")
        if plan.loss_log:
            self._log = LossLog(plan.folder / "loss_log.db", first)
        self.bar = Bar(plan.steps, plan.job, done=min(first, plan.steps))
        if "silent-exit-0" in self.world.modes:
            sys.exit(0)
        for index in range(first, plan.steps):
            if index == first:
                for entry in plan.datasets:
                    dataset.check_captions(entry)
            self._one_step(index, first)
        self.bar.close()
        self.bar = None
        if self._log:
            self._log.close()

    def _one_step(self, index: int, first: int) -> None:
        started = time.monotonic()
        self.world.nap(self.world.step_seconds)
        self._fresh.append(time.monotonic() - started)
        self._crash_if_asked(index)
        assert self.bar is not None
        if self._out_of_memory(index):
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
        useful = 0 if "nan" in self.world.modes else updates
        self.saves.save(step, useful, step // max(1, self._pictures), numbered=numbered)
        self.row.stop_if_asked()
        self.row.tell("Training")

    def _sample(self, step: int, *, nested: bool = False) -> None:
        sampling = self.plan.sampling
        total = len(sampling.prompts)
        self.row.stop_if_asked()
        self.row.tell(f"Generating images - 0/{total}")
        bar = Bar(total, "Generating Images", nested=nested)
        for n, prompt in enumerate(sampling.prompts):
            self.world.nap(SAMPLE_SECONDS)
            seed = sampling.seed + (n if sampling.walk_seed else 0)
            words = prompt.replace("[trigger]", self.plan.trigger)
            size = (sampling.width, sampling.height)
            picture = samples.draw(words, seed, step, size, min(1.0, step / max(1, self.plan.steps)))
            name = f"{int(wall_clock() * 1000)}__{step:09}_{n}.{sampling.extension}"
            samples.save(picture, self.plan.folder / "samples", name)
            bar.step()
            self.row.stop_if_asked()
            self.row.tell(f"Generating images - {n + 1}/{total}")
        bar.close(wipe=True)
        say()
        self.row.tell("Training")

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
        if "nan" in self.world.modes:
            say("loss is nan")
            return 0.0
        settled = 0.36 + 0.16 * float(np.exp(-index / 300))
        return settled * float(self._dice.lognormal(0, 0.22))

    def _out_of_memory(self, index: int) -> bool:
        """If asked, from a quarter of the way on: three skipped batches, then the end (facts 6)."""
        if "oom" not in self.world.modes or index < self.plan.steps // 4:
            return False
        self._ooms += 1
        if self._ooms > OOM_LIMIT:
            raise RuntimeError(f"OOM during training step {OOM_LIMIT} times in a row, aborting training")
        said = f"# OOM during training step, skipping batch {self._ooms}/{OOM_LIMIT} #"
        say(f"\n{'#' * len(said)}\n{said}\n{'#' * len(said)}\n")
        return True

    def _crash_if_asked(self, index: int) -> None:
        if "crash-late" in self.world.modes and index >= self.plan.steps * 4 // 5:
            raise RuntimeError("CUDA error: an illegal memory access was encountered")
