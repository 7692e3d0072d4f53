"""Every line of shell we ever send to a rented box. Only ids and ordinals of ours are in them, never a typed byte.

A command runs with the login's home as its folder; a job's own folder is `ts/<job>` below it.
"""

import re
from dataclasses import dataclass
from typing import Final

from pipeline.domain.faults import HostFault, OperatorFault
from pipeline.domain.ids import JobId
from pipeline.domain.text import line

PLAIN: Final = re.compile(r"/[A-Za-z0-9_./-]{0,200}")
RELATIVE: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]{0,200}")
URL: Final = re.compile(r"https?://[!#-\[\]-~]{1,4000}")  # printable, without a quote or a backslash
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


def read_look(out: bytes) -> BoxFacts:
    """Understand the answer to `look`. Raises HostFault("box-unreadable") on anything else."""
    said = dict(part.split("=", 1) for part in out.decode("ascii", "replace").splitlines() if "=" in part)
    gpu = [line(part, 80) for part in said.get("gpu", "").split(",")]
    try:
        vram_mb, disk_kb = int(gpu[1]), int(said["disk_kb"])
        home = said["home"]
    except (IndexError, KeyError, ValueError):
        raise HostFault("box-unreadable") from None
    if not PLAIN.fullmatch(home) or any(trap in home for trap in TRAPS):
        raise HostFault("box-unreadable")
    return BoxFacts(
        home=home, gpu=gpu[0], vram_mb=vram_mb, driver=gpu[2] if len(gpu) > 2 else "",  # noqa: PLR2004  # three columns asked for
        disk_gb=disk_kb / 1e6, toolkit=said.get("toolkit") == "yes",
    )  # fmt: skip


def same_gpu(promised: str, found: str) -> bool:
    """The market's "A100 SXM4" is the driver's "NVIDIA A100-SXM4-80GB": what has a digit in it must be there."""
    words = re.split(r"[ -]", found)
    return all(word in words for word in re.split(r"[ -]", promised) if re.search(r"\d", word))


def plain(path: str) -> str:
    """`path`, if it is one we would write into a script or a list. Raises OperatorFault("hub-odd-file")."""
    if not RELATIVE.fullmatch(path) or ".." in path:
        raise OperatorFault("hub-odd-file", got=line(path, 80))
    return path


def fetch_line(url: str, path: str, size: int, sha256: str | None) -> str:
    """One line of fetch.tsv. What a hub answers is a stranger's text too: nothing in it may end a word of ours."""
    if not URL.fullmatch(url):
        raise OperatorFault("hub-odd-file", got=line(path, 80))
    return f"{url}\t{plain(path)}\t{int(size)}\t{sha256 or '-'}\n"


def fetch(job: JobId) -> Command:
    """Start, once, the download of the files listed in `fetch.tsv`: url, path, size, sha256 by line.

    URLs reach curl by its standard input: no signed link is ever on a command line. curl resumes; size and sha256
    are checked; `fetch.rc` holds 0, or the number of files that failed.
    """
    return Command(
        "fetch",
        f"""umask 077; cd {folder(job)} || exit 9
cat > fetch.sh <<'SCRIPT'
one() {{
  mkdir -p "$(dirname "base/$2")"
  test -f "base/$2.ok" && return 0
  printf 'url = "%s"\\n' "$1" | curl -K - -fsS -C - --retry 3 --retry-delay 1 --connect-timeout 20 \\
    --speed-limit 10000 --speed-time 60 -o "base/$2" || return 1
  test "$(stat -c %s "base/$2")" = "$3" || {{ rm -f "base/$2"; return 1; }}
  test "$4" = - || echo "$4  base/$2" | sha256sum -c --quiet - || {{ rm -f "base/$2"; return 1; }}
  : > "base/$2.ok"
}}
bad=0
while IFS='	' read -r url path size sha; do one "$url" "$path" "$size" "$sha" || bad=$((bad + 1)); done < fetch.tsv
rm -f fetch.tsv
echo $bad > fetch.rc
SCRIPT
if test -f fetch.pid && kill -0 "$(cat fetch.pid)" 2>/dev/null; then echo running; exit 0; fi
rm -f fetch.rc
setsid -f sh -c 'echo $$ > fetch.pid; exec sh fetch.sh' > fetch.log 2>&1 < /dev/null""",
    )


def fetched(job: JobId) -> Command:
    """Ask how far the download is: bytes on disk, and the exit mark."""
    return Command(
        "fetched",
        f"""cd {folder(job)} || exit 9
echo "bytes=$(find base -type f ! -name '*.ok' -printf '%s\\n' 2>/dev/null | awk '{{s+=$1}} END {{printf "%d", s}}')"
test -f fetch.rc && echo "rc=$(cat fetch.rc)"
test -f fetch.pid && kill -0 "$(cat fetch.pid)" 2>/dev/null && echo alive=1
exit 0""",
    )


@dataclass(frozen=True, slots=True)
class Fetching:
    bytes: int
    failed: int | None  # None: not finished
    alive: bool


def read_fetched(out: bytes) -> Fetching:
    """Understand the answer to `fetched`. Never raises: what is unreadable counts as nothing yet."""
    said = numbers(out)
    return Fetching(said.get("bytes", 0), said.get("rc"), bool(said.get("alive")))


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
