"""Reads a job's config as the toolkit does: `${VAR}` from the environment first, then JSON, then `[name]`."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from .grammar import GRAMMARS

KNOWN: Final = ("sd_trainer", "diffusion_trainer", "ui_trainer")
VARIABLE: Final = re.compile(r"\$\{([^}]+)\}")


@dataclass(frozen=True, slots=True)
class Job:
    """One config file: the job's name, its processes as loaded, and its `meta` block."""

    name: str
    processes: tuple[dict[str, Any], ...]
    meta: Mapping[str, Any]
    loaded: Mapping[str, Any]


def read(path: str, env: Mapping[str, str], name: str | None) -> Job:
    """Load the file (looked up below config/ first). Raises ValueError in the toolkit's words."""
    text = VARIABLE.sub(lambda found: _variable(env, found[1]), _find(path).read_text("utf-8"))
    loaded = json.loads(text)
    called = name or loaded["config"]["name"]
    loaded = json.loads(json.dumps(loaded).replace("[name]", called))
    loaded["config"]["name"] = called
    processes = tuple(loaded["config"]["process"])
    for process in processes:
        if process.get("type") not in KNOWN:
            raise ValueError(f"config file is invalid. Unknown process type: {process.get('type')}")
    return Job(called, processes, loaded.get("meta", {}), loaded)


def _find(path: str) -> Path:
    for candidate in (Path("config") / path, Path(path)):
        if candidate.is_file():
            return candidate
    raise ValueError(f"Could not find config file {path}")


def _variable(env: Mapping[str, str], key: str) -> str:
    if key not in env:
        raise ValueError(f"Environment variable {key} not set")
    return env[key]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """What to draw and when; `every` 0 never, sizes in pixels."""

    every: int
    prompts: tuple[str, ...]
    negative: str
    width: int
    height: int
    seed: int
    walk_seed: bool
    extension: str
    skip_first: bool
    force_first: bool
    disabled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The parts of a process config that change what the program does, with the toolkit's own defaults."""

    job: str
    kind: str
    folder: Path
    base: Path
    arch: str
    assistant: str
    quantize: bool
    low_vram: bool
    rank: int
    alpha: int
    dtype: str
    save_every: int
    keep: int
    steps: int
    start_step: int | None
    cache_text: bool
    lr: float
    ema: bool
    trigger: str
    datasets: tuple[Mapping[str, Any], ...]
    timer_every: int
    job_db: Path
    loss_log: bool
    sampling: Sampling


def plan(job: str, process: Mapping[str, Any]) -> Plan:
    """Pick out what matters; unknown keys are ignored silently, as the toolkit ignores them."""
    network, save, train = process.get("network", {}), process.get("save", {}), process.get("train", {})
    model, start = process["model"], train.get("start_step")
    return Plan(
        job=job,
        kind=process["type"],
        folder=Path(process["training_folder"]) / job,
        base=Path(model["name_or_path"]),
        arch=_arch(model),
        assistant=str(model.get("assistant_lora_path") or ""),
        quantize=bool(model.get("quantize", False)),
        low_vram=bool(model.get("low_vram", False)),
        rank=int(network.get("linear", 4)),
        alpha=int(network.get("linear_alpha", 1)),
        dtype=str(save.get("dtype", "float16")),
        save_every=int(save.get("save_every", 1000)),
        keep=int(save.get("max_step_saves_to_keep", 5)),
        steps=int(train.get("steps", 1000)),
        start_step=None if start is None else int(start),
        cache_text=bool(train.get("cache_text_embeddings", False)),
        lr=float(train.get("lr", 1e-6)),
        ema=bool(train.get("ema_config", {}).get("use_ema", False)),
        trigger=str(process.get("trigger_word") or ""),
        datasets=tuple(process.get("datasets", ())),
        timer_every=int(process.get("performance_log_every", 0)),
        job_db=Path(process.get("sqlite_db_path", "./aitk_db.db")),
        loss_log=bool(process.get("logging", {}).get("use_ui_logger", False)),
        sampling=_sampling(process.get("sample", {}), train),
    )


def _arch(model: Mapping[str, Any]) -> str:
    """`arch:tag` without its tag. Raises ValueError for one that is not played here."""
    arch = str(model.get("arch") or ("flux" if model.get("is_flux") else "sd1")).partition(":")[0]
    if arch not in GRAMMARS:
        raise ValueError(f"the stand-in plays {sorted(GRAMMARS)}, not {arch!r}")
    return arch


def _sampling(sample: Mapping[str, Any], train: Mapping[str, Any]) -> Sampling:
    prompts = sample.get("prompts") or [one.get("prompt", "") for one in sample.get("samples", ())]
    return Sampling(
        every=int(sample.get("sample_every", 100)),
        prompts=tuple(prompts),
        negative=str(sample.get("neg", "")),
        width=int(sample.get("width", 512)),
        height=int(sample.get("height", 512)),
        seed=int(sample.get("seed", 0)),
        walk_seed=bool(sample.get("walk_seed", False)),
        extension=str(sample.get("format", "jpg")),
        skip_first=bool(train.get("skip_first_sample", False)),
        force_first=bool(train.get("force_first_sample", False)),
        disabled=bool(train.get("disable_sampling", False)) or not prompts,
    )
