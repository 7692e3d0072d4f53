"""A training as its log tells it: bytes by elapsed time, in the toolkit's own form (captures 01, 31)."""

import functools
import json
from dataclasses import dataclass, replace

LOADING = 60.0
SAMPLING = 40.0
SAVING = 0.8  # seconds
KEPT = 4  # numbered checkpoints that stay, as it is configured
BLOCK = 50  # steps that are printed together


@dataclass(frozen=True)
class Run:
    """One run of the trainer. `dies_at`: the step at which it ends with rc 1; `silent_at`: the last one it prints."""

    steps: int = 30
    seconds_per_step: float = 3.0
    save_every: int = 10
    dies_at: int | None = None
    silent_at: int | None = None
    nan: bool = False
    empty: bool = False  # rc 0 and no model
    trouble: str = ""  # printed before it dies
    crashes: int = 10**6  # starts on one machine that die so
    mute: bool = False  # its bars say no loss: only the box's own record does
    asked: tuple[float, ...] = ()  # saves asked for, by their seconds
    stopped_at: float | None = None  # SIGINT
    start: int = 0  # the step of the checkpoint it goes on from
    had: tuple[int, ...] = ()  # steps that earlier starts on this machine saved
    state: bool = False  # its optimizer goes on, too
    gone_at: int | None = None  # the step at which the whole machine is gone
    gone_ended: bool = False  # it is gone as soon as the trainer has ended
    deaf: bool = False  # neither a save asked for nor SIGINT does anything
    forgets: bool = False  # it never goes on from a checkpoint
    repeats: bool = False  # every checkpoint holds the same weights
    zero: bool = False  # its up halves never move
    boasts: int = 0  # the step that every numbered checkpoint of it claims, in name and metadata
    copying: float = 0.3  # seconds that a copy of a set takes on the box

    def poll(self, job: str, offset: int, elapsed: float, since: int = 0) -> bytes:
        """The answer to a poll at `elapsed` seconds after the start."""
        if self.silent_at is not None:
            elapsed = min(elapsed, LOADING + self.silent_at * self.seconds_per_step)
        log, code = self._log(job, elapsed)
        head = f"size={len(log)}\nalive={int(code is None)}\n" + (f"rc={code}\n" if code is not None else "")
        return (
            f"{head}{self._record(elapsed, since)}gpu=97\nvram=21000\ndisk_kb=100000000\n\n".encode()
            + log[offset : offset + 256 * 1024]
        )

    def _record(self, elapsed: float, since: int) -> str:
        """What the trainer wrote into its databases; the last quarter of a second is missing."""
        stopped = self.stopped_at is not None and elapsed > self.stopped_at
        done, saved = self.done(elapsed), max(self._saves(elapsed), default=0)
        row = ["stopped" if stopped else "running", saved if stopped else done, "", "Training"]
        losses = [] if self.nan else [[step, 1.5 - step / 100] for step in range(max(2, since + 1), done)]
        return f"job={json.dumps([row])}\nloss={json.dumps(losses)}\n"

    def done(self, elapsed: float) -> int:
        """Completed steps."""
        mute = None if self.silent_at is None else self._second(self.silent_at)
        last = min(self.stopped_at or elapsed, mute or elapsed, elapsed)
        return max(self.start, min(self.steps, self.start + int((last - LOADING) / self.seconds_per_step)))

    def again(self, elapsed: float) -> "Run":
        """Another start on the same machine, after this one died: from the newest checkpoint there."""
        left = self.crashes - 1
        return replace(
            self, crashes=left, dies_at=self.dies_at if left > 0 else None, trouble=self.trouble if left > 0 else "",
            start=max(self._saves(elapsed), default=self.start), had=(*self.had, *self._saves(elapsed)),
        )  # fmt: skip

    def gone(self, elapsed: float) -> bool:
        """The machine answers nobody any more."""
        steps = self.gone_at is not None and self.done(elapsed) >= self.gone_at
        return steps or (self.gone_ended and elapsed > self._ends())

    def made(self, job: str, elapsed: float) -> list[tuple[str, int, float]]:
        """Weights it saved: name, step, at which second."""
        saved = [*((step, -1.0) for step in self.had), *((step, self._second(step)) for step in self._saves(elapsed))]
        told = [(self.boasts or step, second) for step, second in saved]
        kept = [(f"{job}_{step:09d}.safetensors", step, second) for step, second in told]
        final = (f"{job}.safetensors", self.steps, self._second(self.steps))
        return [*kept, final] if self._finished(elapsed) and not self.empty else kept

    def there(self, job: str, elapsed: float) -> list[str]:
        """Names of the weights that lie there: the last is not pruned, nor are the newest numbered ones."""
        names = [name for name, _, _ in self.made(job, elapsed)]
        final = names[-1:] if names[-1:] == [f"{job}.safetensors"] else []
        return [*names[: len(names) - len(final)][-KEPT:], *final]

    def optimizer(self, job: str, elapsed: float) -> str:
        """What is in optimizer.pt, which is rewritten in place."""
        made = self.made(job, elapsed)
        half = "half a " if elapsed < made[-1][2] + SAVING else ""
        return f"{half}state of step {made[-1][1]}"

    def whole(self, job: str, elapsed: float) -> bytes:
        """The answer to `saves.whole`."""
        made = self.made(job, elapsed)
        if not made:
            return b"count=0\nchanged=\nage=1000\n"
        name, step, second = made[-1]
        if elapsed < second + SAVING:
            return f"count={3 * len(made) - 2}\nSaved optimizer to\nSaving at step {step}\nchanged=1\nage=0\n".encode()
        said = f"Saved checkpoint to /o/{job}/{name}\nSaved optimizer to\n"
        return f"count={3 * len(made)}\n{said}changed={second:.0f}000\nage={elapsed - second:.0f}\n".encode()

    def weights(self, step: int) -> str:
        """What is in them: the step, and how far the up halves moved."""
        return f"{step} {0 if self.zero else self.save_every if self.repeats else step}"

    def last_words(self, job: str, elapsed: float) -> bytes:
        log, code = self._log(job, elapsed)
        return f"rc={'' if code is None else code}\n\n".encode() + log[-60_000:]

    def step_of(self, remote: str) -> int:
        stem = remote.rsplit("/", 1)[1].removesuffix(".safetensors")
        return int(stem.rsplit("_", 1)[1]) if "_" in stem else self.steps

    def _second(self, step: int) -> float:
        return LOADING + (step - self.start) * self.seconds_per_step

    def _ends(self) -> float:
        return self._second(self.steps) + SAMPLING

    def _saves(self, elapsed: float) -> list[int]:
        """Steps of numbered checkpoints; none on the first step after a resume. One asked for comes after its step."""
        done = min(self.done(elapsed), self.steps if self.dies_at is None else self.dies_at)
        periodic = range(self.save_every, done + 1, self.save_every)
        asked = [] if self.deaf else [self.done(second) + 1 for second in self.asked]
        return sorted({step for step in (*periodic, *asked) if self.start < step <= done and step < self.steps})

    def _finished(self, elapsed: float) -> bool:
        return self.stopped_at is None and self.dies_at is None and self.done(elapsed) >= self.steps

    def _log(self, job: str, elapsed: float) -> tuple[bytes, int | None]:
        lines = ["Running 1 job\n", f"# Running job: {job}\n", "Loading Flux model\n", *self._resumed(job)]
        saves, done, code = tuple(self._saves(elapsed)), self.done(elapsed), None
        dies = self.dies_at is not None and done > self.dies_at
        for first in range(self.start + 1, done + 1, BLOCK):
            last = min(first + BLOCK - 1, done, self.dies_at if self.dies_at is not None else done)
            lines.append(self._steps(job, first, last, tuple(step for step in saves if first <= step <= last)))
        if dies:
            return "".join([*lines, f"Error running job: {self.trouble or 'boom'}\n"]).encode(), 1
        if self.stopped_at is not None and elapsed > self.stopped_at:
            return "".join([*lines, "\n====\nJob stopped\n====\n"]).encode(), 0
        if self._finished(elapsed):
            lines.append(
                "\n" if self.empty else f"\nSaved checkpoint to /o/{job}/{job}.safetensors\nSaved optimizer to /o\n"
            )
            code = 0 if elapsed > self._ends() else None
        return "".join(lines).encode(), code

    @functools.lru_cache(maxsize=2_000)  # noqa: B019  # every poll prints the whole log anew
    def _steps(self, job: str, first: int, last: int, saves: tuple[int, ...]) -> str:
        lines = list[str]()
        for step in range(first, last + 1):
            loss = "" if self.mute else "nan" if self.nan else f"{1.5 - step / 100:.3e}"
            lines += ["loss is nan\n"] if self.nan else []
            lines += [bar(job, at, self.steps, loss) for at in (step - 1, step)]  # it is drawn twice
            if step in saves:
                name = f"{job}_{step:09d}.safetensors"
                lines.append(f"\nSaving at step {step}\nSaved checkpoint to /o/{job}/{name}\nSaved optimizer to /o\n")
        return "".join(lines)

    def _resumed(self, job: str) -> list[str]:
        if not self.start:
            return []
        name = f"/o/{job}/{job}_{self.start:09d}.safetensors"
        state = ["Loading optimizer state from /o/optimizer.pt\n"] if self.state else []
        found = f"Found step {self.start} in metadata, starting from there\n"
        return [f"#### IMPORTANT RESUMING FROM {name} ####\n", f"Loading from {name}\n", found, *state]


def bar(job: str, done: int, total: int, loss: str) -> str:
    pct = round(100 * done / total)
    said = f", lr: 1.0e-04 loss: {loss}" if loss else ""
    return f"\r{job}: {pct:3d}%|█████     | {done}/{total} [00:04<00:01,  6.33it/s{said}]"
