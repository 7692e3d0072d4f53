"""loss_log.db: the losses as the toolkit's UI logger keeps them, WAL mode, flushed at most every 0.25 s."""

import sqlite3
import time
from pathlib import Path
from typing import Final

from .world import wall_clock

FLUSH_SECONDS: Final = 0.25
TABLES: Final = """
CREATE TABLE IF NOT EXISTS steps (step INTEGER PRIMARY KEY, wall_time REAL NOT NULL);
CREATE TABLE IF NOT EXISTS metric_keys (key TEXT PRIMARY KEY, first_seen_step INTEGER, last_seen_step INTEGER);
CREATE TABLE IF NOT EXISTS metrics (
    step INTEGER NOT NULL, key TEXT NOT NULL, value_real REAL, value_text TEXT,
    PRIMARY KEY (step, key), FOREIGN KEY (step) REFERENCES steps(step) ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS idx_metrics_key_step ON metrics (key, step);
"""
SEEN: Final = """
INSERT INTO metric_keys VALUES (?, ?, ?)
ON CONFLICT (key) DO UPDATE SET last_seen_step = excluded.last_seen_step
"""


class LossLog:
    """Rows by loop index; those past the resume step are pruned."""

    def __init__(self, path: Path, resumed: int) -> None:
        """Open or make the file."""
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.executescript("PRAGMA journal_mode=WAL; PRAGMA foreign_keys=ON;" + TABLES)
        self._db.execute("DELETE FROM steps WHERE step > ?", (resumed,))
        self._waiting: list[tuple[int, float, float, float]] = []
        self._flushed = time.monotonic()

    def add(self, step: int, lr: float, loss: float) -> None:
        self._waiting.append((step, wall_clock(), lr, loss))
        if time.monotonic() - self._flushed > FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        for step, when, lr, loss in self._waiting:
            self._db.execute("INSERT OR REPLACE INTO steps VALUES (?, ?)", (step, when))
            for key, value in (("learning_rate", lr), ("loss/loss", loss)):
                self._db.execute("INSERT OR REPLACE INTO metrics VALUES (?, ?, ?, NULL)", (step, key, value))
                self._db.execute(SEEN, (key, step, step))
        self._db.execute("COMMIT")
        self._waiting.clear()
        self._flushed = time.monotonic()

    def close(self) -> None:
        self.flush()
        self._db.close()
