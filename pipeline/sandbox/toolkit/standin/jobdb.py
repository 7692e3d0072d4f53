"""The `Job` row of the toolkit's web UI: what the trainer says there, and what it is asked there."""

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final, TypeVar

from .voice import say

RETRIES: Final = (2.0, 4.0, 8.0)  # seconds of life; a reader's open transaction really stops the training (facts 9b.5)
Found = TypeVar("Found")


class JobStopped(Exception):  # the text is the toolkit's, the class is ours
    """Someone asked through the row."""


class JobRow:
    """One row by id. Without a file or an id it is deaf and mute, silently, as in life."""

    def __init__(self, path: Path, job_id: str | None) -> None:
        """Nothing is said before `announce`; a plain sd_trainer never announces, and has no row."""
        self._path, self._id = path, job_id
        self.there = False

    def announce(self) -> None:
        """Say what was found, as the toolkit does, and begin."""
        self.there = self._path.exists() and self._id is not None
        if self._path.exists():
            say(f"Using SQLite database at {self._path}")
        if self._id is not None:
            say(f'Job ID: "{self._id}"')
        self.tell("Starting")

    def tell(self, info: str, status: str = "running") -> None:
        self._write("UPDATE Job SET status = ?, info = ? WHERE id = ?", status, info)

    def step(self, done: int) -> None:
        self._write("UPDATE Job SET step = ? WHERE id = ?", done)

    def speed(self, seconds_per_step: float) -> None:
        slow = seconds_per_step >= 1
        text = f"{seconds_per_step:.2f} sec/iter" if slow else f"{1 / seconds_per_step:.2f} iter/sec"
        self._write("UPDATE Job SET speed_string = ? WHERE id = ?", text)

    def stop_if_asked(self) -> None:
        """Raise JobStopped if the row's `stop` or `return_to_queue` is set."""
        if self._flag("SELECT stop FROM Job WHERE id = ?"):
            self.tell("Job stopped", "stopped")
            raise JobStopped("Job stopped")
        if self._flag("SELECT return_to_queue FROM Job WHERE id = ?"):
            self.tell("Job queued", "queued")
            raise JobStopped("Job returning to queue")

    def save_asked(self) -> bool:
        """Read and reset `save_now`: it is 0 again BEFORE the save begins."""
        asked = self._flag("SELECT save_now FROM Job WHERE id = ?")
        if asked:
            self._write("UPDATE Job SET save_now = 0 WHERE id = ?")
        return asked

    def sample_asked(self) -> bool:
        """Read and reset `sample_now`."""
        asked = self._flag("SELECT sample_now FROM Job WHERE id = ?")
        if asked:
            self._write("UPDATE Job SET sample_now = 0 WHERE id = ?")
        return asked

    def _flag(self, query: str) -> bool:
        def look(db: sqlite3.Connection) -> bool:
            row = db.execute(query, (self._id,)).fetchone()
            return bool(row and row[0] == 1)

        return self.there and self._patiently(look)

    def _write(self, statement: str, *values: str | int) -> None:
        if self.there:
            self._patiently(lambda db: db.execute(statement, (*values, self._id)))

    def _patiently(self, act: Callable[[sqlite3.Connection], Found]) -> Found:
        for delay in RETRIES:
            try:
                return self._once(act)
            except sqlite3.OperationalError as error:
                if "locked" not in str(error):
                    raise
                attempt = RETRIES.index(delay) + 1
                say(f"[AITK] Database locked (attempt {attempt}/{len(RETRIES) + 1}), retrying in {delay:.1f}s...")
                time.sleep(delay)
        return self._once(act)

    def _once(self, act: Callable[[sqlite3.Connection], Found]) -> Found:
        with closing(sqlite3.connect(self._path, timeout=30, isolation_level=None)) as db:
            return act(db)
