"""Where files lie at home: drafts' pictures, packs, weights. Folders are ours alone (0700)."""

import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Final

from pipeline.domain.ids import AccountId, JobId

LOG_END: Final = 16 * 1024  # bytes


class Spool:
    """Paths below one root. Files in a job are named relative to it, so that a data folder can be moved."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def pictures(self, account: AccountId) -> Path:
        return self._made(self.root / "pictures" / account)

    def job(self, job: JobId) -> Path:
        return self._made(self.root / "jobs" / job)

    def log(self, job: JobId, attempt: int) -> Path:
        """Where the end of the trainer's log on the attempt's machine is kept."""
        return self.job(job) / f"run-{attempt}.log"

    def log_end(self, job: JobId) -> bytes:
        """What the trainer said last, as far as it came home; b"" before it said anything."""
        kept = {int(each.stem[4:]): each for each in self.job(job).glob("run-*.log") if each.stem[4:].isdecimal()}
        try:
            return kept[max(kept)].read_bytes()[-LOG_END:] if kept else b""
        except FileNotFoundError:  # its thirty days are over
            return b""

    def keep_log(self, job: JobId, attempt: int, said: bytes) -> None:
        """Whoever reads it meanwhile reads the old one or the new one."""
        file = self.log(job, attempt)
        fresh = file.with_suffix(".new")
        fresh.write_bytes(said)
        fresh.replace(file)

    def sets(self, job: JobId) -> Path:
        """Checkpoints that came home, each in a folder named by its weights' sha256."""
        return self._made(self.root / "jobs" / job / "sets")

    def models(self) -> Path:
        return self._made(self.root / "models")

    def model(self, job: JobId) -> Path:
        """A model's own weights: checkpoints go after a month, models stay."""
        return self.models() / f"{job}.safetensors"

    def place(self, weights: Path, model: Path) -> None:
        """Copy `weights` to `model`, whole or not at all."""
        part = model.with_name(f".{model.name}")
        shutil.copyfile(weights, part)
        part.chmod(0o600)
        part.replace(model)

    def path(self, relative: str) -> Path:
        return self.root / relative

    def relative(self, path: Path) -> str:
        return str(path.relative_to(self.root))

    def free_bytes(self) -> int:
        return shutil.disk_usage(self._made(self.root)).free

    def used_bytes(self, besides: Collection[JobId]) -> int:
        """What packs and checkpoints take, but for those of the jobs `besides`. Models are not counted: they stay."""
        folders = [each for each in (self.root / "jobs").glob("*") if each.name not in besides]
        return sum(_size(file) for folder in folders for file in folder.rglob("*"))

    def write(self, path: Path, text: str) -> Path:
        path.touch(mode=0o600)  # bearer links and a box's token pass through here
        path.write_text(text, encoding="utf-8")
        return path

    def _made(self, folder: Path) -> Path:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except FileNotFoundError:  # somebody else tidies
        return 0
