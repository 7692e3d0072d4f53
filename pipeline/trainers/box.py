"""Every line of shell we ever send to a rented box. Only ids and ordinals of ours are in them, never a typed byte.

A command runs with the login's home as its folder; a job's own folder is `ts/<job>` below it.
"""

import re
from dataclasses import dataclass
from typing import Final

from pipeline.domain.faults import HostFault
from pipeline.domain.ids import JobId
from pipeline.domain.text import line

PLAIN: Final = re.compile(r"/[A-Za-z0-9_./-]{0,200}")
LOG_CAP: Final = 256 * 1024  # of one poll
TRAPS: Final = (
    "_LoRA",
    "_refiner",
    "_t2i",
    "_cn",
)  # a path with one of these silently disables resume (facts 0.7)


@dataclass(frozen=True, slots=True)
class Command:
    """One script for `sh`. `name` is what logs and small worlds in memory call it; `seconds` and `cap` bound it."""

    name: str
    script: str
    seconds: float = 30.0
    cap: int = 64 * 1024


def folder(job: JobId) -> str:
    return f"ts/{job}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxFacts:
    """What a box says it is. Claims of a stranger, cleaned."""

    home: str
    gpu: str
    vram_mb: int
    driver: str
    disk_gb: float
    toolkit: bool


def look(toolkit: str) -> Command:
    """Ask what machine this is."""
    return Command(
        "look",
        f"""umask 077; touch ~/.no_auto_tmux
echo "home=$HOME"
nvidia-smi --query-gpu=name,memory.total,driver_version --format=csv,noheader,nounits | head -n 1 | sed 's/^/gpu=/'
df -Pk . | tail -n 1 | awk '{{print "disk_kb=" $4}}'
test -f {toolkit}/run.py && echo toolkit=yes || echo toolkit=no""",
    )


def resumable(home: str) -> bool:
    """Whether a trainer below `home` can go on from its checkpoints."""
    return PLAIN.fullmatch(home) is not None and not any(trap in home for trap in TRAPS)


def read_look(out: bytes) -> BoxFacts:
    """Understand the answer to `look`. Raises HostFault("box-unreadable") on anything else."""
    said = dict(part.split("=", 1) for part in out.decode("ascii", "replace").splitlines() if "=" in part)
    gpu = [line(part, 80) for part in said.get("gpu", "").split(",")]
    try:
        vram_mb, disk_kb = int(gpu[1]), int(said["disk_kb"])
        home = said["home"]
    except (IndexError, KeyError, ValueError):
        raise HostFault("box-unreadable") from None
    if not resumable(home):
        raise HostFault("box-unreadable")
    return BoxFacts(
        home=home, gpu=gpu[0], vram_mb=vram_mb, driver=gpu[2] if len(gpu) > 2 else "",  # noqa: PLR2004  # three columns asked for
        disk_gb=disk_kb / 1e6, toolkit=said.get("toolkit") == "yes",
    )  # fmt: skip


def same_gpu(promised: str, found: str) -> bool:
    """The market's "A100 SXM4" is the driver's "NVIDIA A100-SXM4-80GB": what has a digit in it must be there."""
    words = re.split(r"[ -]", found)
    return all(word in words for word in re.split(r"[ -]", promised) if re.search(r"\d", word))


SIDE: Final = 4096  # of the square matrices
ROUNDS: Final = 20


def exercise() -> Command:
    """Does torch see the GPU, and is it as fast as its kind? bf16, about 3 TFLOP of work after a warm-up.

    torch runs on the box; nothing of it is ever imported at home.
    """
    return Command(
        "exercise",
        f"""python3 - <<'PY'
import time, torch
print("cuda=%d" % torch.cuda.is_available())
if torch.cuda.is_available():
    a, b = (torch.randn({SIDE}, {SIDE}, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    for rounds in (3, {ROUNDS}):
        torch.cuda.synchronize()
        began = time.perf_counter()
        for _ in range(rounds):
            torch.matmul(a, b)
        torch.cuda.synchronize()
    print("gflops=%d" % ({2 * ROUNDS * SIDE**3} / (time.perf_counter() - began) / 1e9))
PY""",
        seconds=180,
    )


def read_exercise(out: bytes) -> tuple[bool, float]:
    """Whether torch sees a GPU, and its TFLOPS; 0.0 when it does not say."""
    said = numbers(out)
    return bool(said.get("cuda")), said.get("gflops", 0) / 1000


TFLOPS: Final = {  # dense bf16, as the makers claim; what nobody listed must do what the weakest does
    "RTX 3090": 71.0, "RTX 4090": 165.0, "RTX 5090": 209.0, "A100": 312.0, "H100": 756.0, "L40S": 362.0,
    "RTX A6000": 155.0,
}  # fmt: skip
WEAKEST: Final = 60.0


def rated(gpu: str) -> float:
    """TFLOPS that `gpu`, as market or driver call it, should do."""
    return next((flops for name, flops in TFLOPS.items() if name in gpu.replace("-", " ")), WEAKEST)


def unpack(job: JobId) -> Command:
    """Lay the pictures out; the trainer's caches of an earlier try stay."""
    return Command(
        "unpack",
        f"umask 077; cd {folder(job)} && mkdir -p dataset && tar -xf pack.tar -C dataset",
        seconds=120,
    )


def numbers(out: bytes) -> dict[str, int]:
    """`key=number` lines; anything else is skipped, so is a number that is none."""
    found: dict[str, int] = {}
    for part in out.decode("ascii", "replace").splitlines():
        key, _, value = part.partition("=")
        if value.strip().lstrip("-").isdigit() and len(value) < 20:  # noqa: PLR2004  # more digits than any size has
            found[key.strip()] = int(value)
    return found
