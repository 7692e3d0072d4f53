"""A box for the stand-in trainer to run on, and the eyes to compare its log with a captured one."""

import json
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

import pipeline.sandbox.toolkit
from tests.support.captures import CAPTURES

TOOLKIT: Final = Path(pipeline.sandbox.toolkit.__file__).parent
JOB_TABLE: Final = """
PRAGMA journal_mode=WAL;
CREATE TABLE Job (id TEXT PRIMARY KEY, status TEXT, info TEXT, step INTEGER, speed_string TEXT,
                  stop INTEGER, return_to_queue INTEGER, save_now INTEGER, sample_now INTEGER);
INSERT INTO Job VALUES ('job1', 'queued', '', 0, '', 0, 0, 0, 0);
"""
BAR: Final = re.compile(  # facts/aitoolkit.md 3.3: bounded, it read every bar of every capture
    r"(?P<pct>\d{1,3})%\|[^|\r\n]{0,400}\|\s{0,8}(?P<n>\d{1,9})/(?P<total>\d{1,9}) "
    r"\[(?P<elapsed>[\d:]{1,12})<(?P<eta>[\d:?]{1,12}),\s{1,8}(?P<rate>[\d.]{1,12}|\?)(?P<unit>it/s|s/it)"
    r"(?:, lr: (?P<lr>[^\s\]]{1,24}) loss: (?P<loss>[^\s\]]{1,24}))?\]"
)
CPU_ONLY: Final = ("Failed to load CPU", "WARNING:torchao")


class Box:
    """A folder as a rented machine has it: base model, pictures, job database, output."""

    def __init__(self, folder: Path, arch: str = "flux") -> None:
        self.folder, self.output, self.dataset = folder, folder / "output", folder / "dataset"
        self.base, self.db, self.log = folder / "base", folder / "aitk.db", folder / "log"
        self.dataset.mkdir(parents=True)
        for n in range(6):
            noise = np.random.default_rng(n).integers(0, 255, (64 + 32 * (n % 2), 96, 3), dtype=np.uint8)
            Image.fromarray(noise).save(self.dataset / f"{n:04}.jpg")
            (self.dataset / f"{n:04}.txt").write_text("p3r5on on a hill", "utf-8")
        lay_base(self.base, arch)
        with closing(sqlite3.connect(self.db)) as db:
            db.executescript(JOB_TABLE)

    def config(self, **changes: Any) -> Path:
        """A config like the captured one; `changes` by process key (`train`, `save`, ...), merged."""
        process = captured_process("36-adamw8bit-quantize-ema-save-now-sigint")
        process |= {"training_folder": str(self.output), "sqlite_db_path": str(self.db)}
        process["network"] = {"type": "lora", "linear": 1, "linear_alpha": 1}
        process["datasets"][0]["folder_path"] = str(self.dataset)
        process["model"]["name_or_path"] = str(self.base)
        for key, value in changes.items():
            process[key] = {**process.get(key, {}), **value} if isinstance(value, dict) else value
        return self.written(process)

    def written(self, process: Mapping[str, Any]) -> Path:
        """The config of job `j1` with one process."""
        path = self.folder / "config.json"
        whole = {"job": "extension", "config": {"name": "j1", "process": [process]}, "meta": {"name": "[name]"}}
        path.write_text(json.dumps(whole).replace("${", "\\u0024{"), "utf-8")  # the captured prompt holds a ${VAR}
        return path

    def start(
        self, *argv: str, speed: float = 1e6, mode: str = "", env: Mapping[str, str] | None = None
    ) -> "subprocess.Popen[bytes]":
        given = {"PYTHONUNBUFFERED": "1", "AITK_JOB_ID": "job1", "SANDBOX_SPEED": str(speed), "SANDBOX_TRAINER": mode}
        given |= env or {}
        with self.log.open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "run.py", *argv], cwd=TOOLKIT, env=given, stdout=log, stderr=subprocess.STDOUT
            )

    def run(self, *argv: str, mode: str = "") -> int:
        return self.start(*argv, mode=mode).wait(timeout=60)

    def said(self) -> str:
        return self.log.read_bytes().decode()

    def ask(self, column: str) -> None:
        with closing(sqlite3.connect(self.db, timeout=20)) as db:
            db.execute(f"UPDATE Job SET {column} = 1")
            db.commit()

    def row(self) -> dict[str, Any]:
        with closing(sqlite3.connect(self.db, timeout=20)) as db:
            db.row_factory = sqlite3.Row
            return dict(db.execute("SELECT * FROM Job").fetchone())

    @property
    def job(self) -> Path:
        return self.output / "j1"


def until(true: Callable[[], bool]) -> None:
    """Wait for a program that works at its own pace."""
    end = time.monotonic() + 30
    while not true():
        assert time.monotonic() < end, "waited 30 s"
        time.sleep(0.005)


PIPELINES: Final = {  # arch: models in pieces, whole ones, tokenizers
    "flux": (("transformer",), ("vae", "text_encoder", "text_encoder_2"), ("tokenizer", "tokenizer_2")),
    "zimage": (("transformer",), ("vae", "text_encoder"), ("tokenizer",)),
}


def lay_base(folder: Path, arch: str = "flux") -> None:
    """The layout of a diffusers folder with a handful of tiny tensors."""
    sharded, whole, tokenizers = PIPELINES[arch]
    shards = [f"diffusion_pytorch_model-0000{n}-of-00003.safetensors" for n in (1, 2, 3)]
    index = json.dumps({"weight_map": {f"w{n}": name for n, name in enumerate(shards)}})
    texts = {"model_index.json": "{}"} | {f"{part}/config.json": "{}" for part in (*sharded, *whole)}
    texts |= {f"{part}/tokenizer_config.json": "{}" for part in tokenizers}
    texts |= {f"{part}/diffusion_pytorch_model.safetensors.index.json": index for part in sharded}
    single = {part: "model" if part.startswith("text") else "diffusion_pytorch_model" for part in whole}
    weights = (*(f"{part}/{name}" for part in sharded for name in shards),
               *(f"{part}/{name}.safetensors" for part, name in single.items()))  # fmt: skip
    head = json.dumps({"w": {"dtype": "BF16", "shape": [64], "data_offsets": [0, 128]}}).encode()
    for path in (*texts, *weights):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
    for path, text in texts.items():
        (folder / path).write_text(text, "utf-8")
    for path in weights:
        (folder / path).write_bytes(
            len(head).to_bytes(8, "little") + head + b"\xa0" * 128
        )  # no text: real weights are none


def captured(name: str) -> str:
    return (CAPTURES / f"{name}.raw").read_bytes().decode()


def captured_process(name: str) -> dict[str, Any]:
    """The process config as the real toolkit printed it."""
    text = captured(name)
    start = text.index("\n{\n") + 1
    process: dict[str, Any] = json.loads(text[start : text.index("\n}\n", start) + 2])
    return process


def kinds(text: str, job: str) -> list[str]:
    """What kind of line follows what: no numbers, no paths, no repeats, no lines of the CPU build."""
    start = text.index("\n{\n")
    text = text[:start] + text[text.index("\n}\n", start) + 2 :]
    found: list[str] = []
    for line in re.split(r"[\r\n]", text.replace("\x1b[A", "")):
        kind = kind_of(line, job)
        if kind and found[-1:] != [kind] and not line.startswith(CPU_ONLY):
            found.append(kind)
    return found


def kind_of(line: str, job: str) -> str:
    bar = BAR.search(line)
    if bar:
        return f"bar {line[: bar.start()].strip()}".replace(job, "JOB")
    if " avg - " in line:
        return "timer"
    line = re.sub(r"(?<![\w])/[^\s]*/", "PATH/", line.strip()).replace(job, "JOB")
    return re.sub(r"\d+", "N", re.sub(r"PATH/[\w.]+", "PATH", line))


def training_bars(text: str, job: str) -> Iterator[re.Match[str]]:
    for line in re.split(r"[\r\n]", text):
        bar = BAR.search(line)
        if bar and line.startswith(f"{job}: "):
            yield bar
