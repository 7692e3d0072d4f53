"""A training as its log tells it: bytes by elapsed time, in the toolkit's own form (captures 01, 31)."""

import json
from dataclasses import dataclass, replace

LOADING = 60.0
SAMPLING = 40.0


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
    begins: int = 0  # at the step of the newest save it finds
    mute: bool = False  # its bars say no loss: only the box's own record does
    saved_at: float | None = None  # a save asked for, at this second
    stopped_at: float | None = None  # SIGINT

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
        last = min(self.stopped_at or elapsed, elapsed)
        fresh = max(0, int((last - LOADING) / self.seconds_per_step))
        return min(self.steps, self.begins + fresh)

    def again(self, elapsed: float) -> "Run":
        """Another start on the same machine, after this one died: from the newest checkpoint there."""
        left = self.crashes - 1
        saved = [step for step in self._saves(elapsed) if self.dies_at is None or step <= self.dies_at]
        return replace(
            self, crashes=left, dies_at=self.dies_at if left > 0 else None, trouble=self.trouble if left > 0 else "",
            begins=max(saved, default=self.begins),
        )  # fmt: skip

    def files(self, job: str, elapsed: float) -> list[str]:
        """Weights in the output folder."""
        kept = [f"{job}_{step:09d}.safetensors" for step in self._saves(elapsed)]
        return [*kept, f"{job}.safetensors"] if self._finished(elapsed) and not self.empty else kept

    def step_of(self, remote: str) -> int:
        stem = remote.rsplit("/", 1)[1].removesuffix(".safetensors")
        return int(stem.rsplit("_", 1)[1]) if "_" in stem else self.steps

    def _saves(self, elapsed: float) -> list[int]:
        done = self.done(elapsed)
        periodic = [step for step in range(self.save_every, done + 1, self.save_every) if step < self.steps]
        asked = [self.done(self.saved_at) + 1] if self.saved_at is not None and self.saved_at + 2 < elapsed else []
        return sorted({*periodic, *asked})

    def _finished(self, elapsed: float) -> bool:
        return self.stopped_at is None and self.dies_at is None and self.done(elapsed) >= self.steps

    def _log(self, job: str, elapsed: float) -> tuple[bytes, int | None]:
        lines = ["Running 1 job\n", f"# Running job: {job}\n", "Loading Flux model\n"]
        done, code = self.done(elapsed), None
        for step in range(self.begins + 1, done + 1):
            if self.dies_at is not None and step > self.dies_at:
                return "".join([*lines, f"Error running job: {self.trouble or 'boom'}\n"]).encode(), 1
            loss = "nan" if self.nan else f"{1.5 - step / 100:.3e}"
            if self.nan:
                lines.append("loss is nan\n")
            lines += [bar(job, at, self.steps, "" if self.mute else loss) for at in (step - 1, step)]
            if step in self._saves(elapsed):
                name = f"{job}_{step:09d}.safetensors"
                lines.append(f"\nSaving at step {step}\nSaved checkpoint to /o/{job}/{name}\nSaved optimizer to /o\n")
        if self.saved_at is not None and self.saved_at + 2 < elapsed and self.done(self.saved_at) + 1 > done:
            lines.append(f"\nSaved checkpoint to /o/{job}/x_000000001.safetensors\nSaved optimizer to /o\n")
        if self.stopped_at is not None and elapsed > self.stopped_at:
            return "".join([*lines, "\n====\nJob stopped\n====\n"]).encode(), 0
        if self._finished(elapsed):
            lines.append(
                "\n" if self.empty else f"\nSaved checkpoint to /o/{job}/{job}.safetensors\nSaved optimizer to /o\n"
            )
            code = 0 if elapsed > LOADING + self.steps * self.seconds_per_step + SAMPLING else None
        return "".join(lines).encode(), code


def bar(job: str, done: int, total: int, loss: str) -> str:
    pct = round(100 * done / total)
    said = f", lr: 1.0e-04 loss: {loss}" if loss else ""
    return f"\r{job}: {pct:3d}%|█████     | {done}/{total} [00:04<00:01,  6.33it/s{said}]"
