"""One look at a training: a program that stays on the box, and what its answers say. Values in, text out.

The box asks its own databases, briefly and read-only, and prints what they say as JSON under a cap: none of them is
opened at home, where a view that never ends, or a value of 800 MB, would end us (threats.md 1).
"""

import json
import math
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from pipeline.domain.ids import JobId
from pipeline.domain.text import line
from pipeline.trainers.box import LOG_CAP, Command, folder, numbers
from pipeline.trainers.lease import FOLDER, Lease, lapse

LOG: Final = "run.log"  # never a name that starts with the job's: resume would load it as a checkpoint (facts 0.6)
JSON_CAP: Final = 64 * 1024  # of all that the box's databases and folders say in one look
ROWS: Final = 1500  # losses of one look: what is left comes with the next
SAVES: Final = 24  # files of one look, the newest
PATIENCE: Final = 2.0  # seconds for one question to a database, by the box's own clock
STEP_MOST: Final = 10**9
_PROGRAM: Final = r"""
import base64, json, os, re, signal, sqlite3, subprocess, sys, time
job, log, cap, lapses, box = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
deaf = set()  # databases that once took too long: each costs one timeout

def renew():
    new = "%s/until.%d" % (box, os.getpid())
    with open(new, "w") as file:
        file.write("%d\n" % (time.time() + lapses))
    os.replace(new, box + "/until")

def asked(name, sql, *given):
    if name in deaf or not os.path.exists(name):
        return ""
    out, into = os.pipe()
    child = os.fork()
    if not child:  # SQLite cannot be called back: a process of its own can
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_REAL, PATIENCE)
            db = sqlite3.connect("file:%s?mode=ro" % name, uri=True, timeout=1)
            rows = db.execute(sql, given).fetchmany(ROWS)
            db.close()  # at once: a look left open freezes the training
            os.write(into, json.dumps(rows, separators=(",", ":")).encode())
        finally:
            os._exit(0)
    os.close(into)
    said = b""
    while len(said) < SHARE:
        part = os.read(out, SHARE)
        if not part:
            break
        said += part
    os.close(out)
    if os.WIFSIGNALED(os.waitpid(child, 0)[1]):
        deaf.add(name)
        return ""
    return said.decode() if len(said) < SHARE else ""

def saves():
    found = []
    with os.scandir("out/" + job) as there:
        for number, each in zip(range(500), there):
            mine = each.name.startswith(job) and each.name.endswith(".safetensors") or each.name == "optimizer.pt"
            if mine and re.fullmatch("[A-Za-z0-9._-]{1,80}", each.name) and each.is_file(follow_symlinks=False):
                stat = each.stat(follow_symlinks=False)
                found.append((stat.st_ctime_ns // 1000000, each.name, stat.st_size))
    return json.dumps(sorted(found)[-SAVES:])

def text(name):
    with open(name) as file:
        return file.read(64).strip()

def alive():
    pid = int(text("run.pid"))
    os.kill(pid, 0)
    with open("/proc/%d/status" % pid) as file:
        return int(re.search("^State:.*Z", file.read(4096), re.M) is None)

def filled():
    gpu = "nvidia-smi --query-gpu=utilization.gpu,memory.used --format=csv,noheader,nounits | head -n 1"
    script = gpu + "; df -Pk . | tail -n 1"
    ask = subprocess.run(["sh", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=10)
    gpu, disk = ask.stdout.decode("ascii", "replace").splitlines()
    busy, used = gpu.split(",")
    return "%s\nvram=%s\ndisk_kb=%s" % (busy.strip(), used.strip(), disk.split()[3])

def first(what, *given):
    try:
        return what(*given)
    except Exception:  # whatever it was, the rest of the look is worth having
        return ""

def look(offset, since):
    first(renew)
    said = [
        "job=" + first(asked, "job.db", ROW, job), "loss=" + first(asked, "out/%s/loss_log.db" % job, LOSS, since),
        "saves=%s" % first(saves), "deaf=%d" % len(deaf), "gpu=%s" % usage, "alive=%s" % (first(alive) or 0),
        "rc=%s" % first(text, "run.rc"),
    ]
    tail = b""
    try:
        with open(log, "rb") as file:
            said.append("size=%d" % os.fstat(file.fileno()).st_size)
            file.seek(offset)
            tail = file.read(cap)
    except OSError:
        said.append("size=0")
    return "\n".join(said).encode() + b"\n\n" + tail

usage = first(filled)
for question in sys.stdin:
    numbers = question.split()
    if not all(each.isdigit() for each in numbers) or not numbers:
        sys.exit(8)
    print(base64.b64encode(look(int(numbers[0]), int((numbers + ["0"])[1]))).decode(), flush=True)
    usage = first(filled)  # for the next look: nobody waits for these programs
"""
_ROW: Final = "SELECT status, step, speed_string, substr(info, 1, 200), save_now FROM Job WHERE id = ? LIMIT 1"
_LOSS: Final = (
    "SELECT step, round(value_real, 6) FROM metrics WHERE key = 'loss/loss' AND step > ?"
    " AND typeof(step) = 'integer' AND typeof(value_real) = 'real' ORDER BY step LIMIT"
)


def pump(job: JobId, lease: Lease) -> Command:
    """A program that stays: an offset into the log and a step in, one look out. Every question renews the lease.

    A look is the trainer's row, losses above that step, saves, GPU and disk as they were after the last one, process,
    then exit code, and the log from that byte on, after a blank line. In this order: asked the other way round, a
    trainer that ends in between would be dead without an exit code.
    """
    values = {"ROW": _ROW, "LOSS": f"{_LOSS} {ROWS}"}
    head = "".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items())
    head += f"ROWS, SAVES, SHARE, PATIENCE = {ROWS}, {SAVES}, {JSON_CAP * 3 // 4}, {PATIENCE}\n"
    given = (job, LOG, str(LOG_CAP), str(lapse(lease)), f"../../{FOLDER}")
    return Command(
        "poll",
        f"cd {folder(job)} || exit 9\nexec python3 -u -c {shlex.quote(head + _PROGRAM)} {' '.join(given)}",
        cap=LOG_CAP + 2 * JSON_CAP,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What the trainer wrote of itself into its own row (facts/aitoolkit.md 7). A stranger's words, cleaned."""

    status: str  # running, stopped, error, completed, queued
    step: int  # completed; after a stop, the last saved one
    speed: str = ""
    info: str = ""
    asked: bool = False  # for a save it has not begun yet


@dataclass(frozen=True, slots=True)
class Save:
    """A file in the output folder: weights, or the optimizer. `changed`: the box's own clock, ms."""

    name: str
    size: int
    changed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One poll, understood. `log` is the raw tail since the offset asked for."""

    alive: bool
    code: int | None
    size: int
    log: bytes
    gpu_percent: int | None = None
    vram_mb: int | None = None
    disk_kb: int | None = None
    row: Row | None = None
    losses: tuple[tuple[int, float], ...] = ()  # (step, loss) above the step asked for, in order
    saves: tuple[Save, ...] = ()  # the oldest first
    deaf: int = 0  # databases that the box gave up asking


def read_poll(out: bytes) -> Look:
    """Split a poll's answer. Never raises: a stranger wrote it."""
    head, _, log = out.partition(b"\n\n")
    head = head[: 2 * JSON_CAP]
    said = numbers(head)
    return Look(
        alive=bool(said.get("alive")), code=said.get("rc"), size=said.get("size", 0), log=log[:LOG_CAP],
        gpu_percent=said.get("gpu"), vram_mb=said.get("vram"), disk_kb=said.get("disk_kb"),
        row=_row(_told(head, b"job")), losses=tuple(_losses(_told(head, b"loss"))),
        saves=tuple(_saves(_told(head, b"saves"))), deaf=max(0, said.get("deaf", 0)),
    )  # fmt: skip


def _told(head: bytes, key: bytes) -> list[Any]:
    """The rows of one JSON line; [] for whatever is none."""
    found = re.search(rb"^%s=(\[.*\])$" % key, head, re.MULTILINE)
    if found is None or len(found[1]) > JSON_CAP:
        return []
    try:
        rows = json.loads(found[1])
    except (ValueError, RecursionError):
        return []
    return [row for row in rows if isinstance(row, list)]


def _row(rows: Sequence[list[Any]]) -> Row | None:
    match rows[:1]:
        case [[str(status), int(step), speed, info, *asked]] if 0 <= step <= STEP_MOST:
            return Row(
                status=line(status, 20), step=step, speed=line(str(speed), 40), info=line(str(info), 200),
                asked=asked[:1] == [1],
            )  # fmt: skip
        case _:
            return None


def _losses(rows: Sequence[list[Any]]) -> list[tuple[int, float]]:
    found: dict[int, float] = {}
    for row in rows[:ROWS]:
        match row:
            case [int(step), int() | float() as loss] if 0 < step <= STEP_MOST and math.isfinite(loss):
                found[step] = float(loss)
            case _:
                pass
    return sorted(found.items())


def _saves(rows: Sequence[list[Any]]) -> list[Save]:
    found = []
    for row in rows[:SAVES]:
        match row:
            case [int(changed), str(name), int(size)] if size >= 0 and re.fullmatch(r"[A-Za-z0-9._-]{1,80}", name):
                found.append(Save(name, size, changed))
            case _:
                pass
    return found
