"""ostris/ai-toolkit: how to start and stop it (facts/aitoolkit.md). Values in, text out.

Its config is recipe_config.py, a look at it pump.py: under the same names here.
"""

import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Final

from pipeline.domain.ids import JobId
from pipeline.trainers.box import Command, folder
from pipeline.trainers.fetching import CACHE
from pipeline.trainers.pump import LOG, Look, Row, Save, pump, read_poll
from pipeline.trainers.recipe_config import config, harmless, prompts

__all__ = [
    "LOG", "TRUST", "Look", "Row", "Save", "again", "checkpoints", "config", "harmless", "interrupt", "prompts", "pump",
    "read_poll", "ready", "save_now", "start", "trusted",
]  # fmt: skip

TRUST: Final = "hub.env"  # in the job's folder: the token of a house that lets the toolkit download by itself
_JOB_TABLE: Final = (
    "CREATE TABLE IF NOT EXISTS Job (id TEXT PRIMARY KEY, name TEXT, status TEXT DEFAULT 'queued',"
    " info TEXT DEFAULT '', step INTEGER DEFAULT 0, speed_string TEXT DEFAULT '', stop INTEGER DEFAULT 0,"
    " return_to_queue INTEGER DEFAULT 0, save_now INTEGER DEFAULT 0, sample_now INTEGER DEFAULT 0)"
)


def ready(job: JobId) -> Command:
    """Make the Job table the trainer reads wishes from. WAL: a slow reader must not freeze a training (facts 9b.5)."""
    return Command(
        "ready",
        f"""umask 077; cd {folder(job)} && mkdir -p out && python - {job} <<'PY'
import sqlite3, sys
db = sqlite3.connect("job.db", timeout=20)
db.execute("PRAGMA journal_mode=WAL")
db.execute("{_JOB_TABLE}")
db.execute("INSERT OR IGNORE INTO Job (id, name) VALUES (?, ?)", sys.argv[1:] * 2)
db.commit()
db.close()
PY""",  # noqa: S608  # nothing typed is in it: ids of ours, as arguments
    )


# Three shells, one in the other. The lock (descriptor 9) is handed down to the one that becomes the trainer, which lets
# go of it once its pid is written: whoever of the others dies on the way, the next start finds a pid, or no trainer.
_TRAINER: Final = """set -a; . "$0/run.env"
exec python run.py "$0/config.json\""""
_BORN: Final = f"""echo $$ > "$0/run.new" && mv "$0/run.new" "$0/run.pid" || exit 9
exec 9>&-
exec env -i --default-signal=INT,QUIT PATH="$PATH" HOME="$HOME" "$@" sh -c {shlex.quote(_TRAINER)} "$0\""""
_KEEPER: Final = f"""sh -c {shlex.quote(_BORN)} "$0" "$@" &
exec 9>&-
wait $!
echo $? > "$0/run.rc\""""
_ONE_AT_A_TIME: Final = "exec 9>> run.turn; flock -w 12 9 || exit 7"  # flock and setsid: one package, util-linux
_THEIRS: Final = "CUDA|CUDNN|CUBLAS|NCCL|NVIDIA|NV"  # first words of the variables that are the GPU's own


def start(job: JobId, toolkit: str) -> Command:
    """Start the trainer once, detached, deaf to our leaving and not deaf to SIGINT (facts 9b.4).

    Starting twice starts once, at once or after a start that was killed: it ends when the trainer's pid is on disk.
    Exit code 7: it is not, the box was too slow or full; 8 and 9: a folder is missing.

    Its environment is a short list in a 0600 file that is sourced, on no command line; nothing that a config could
    read out is in it, but the hub's token where UPLOAD left one (`trusted`): a config names no variable (facts 9b.2).
    The GPU's own variables are kept, whatever they hold: as arguments, which no shell reads again.
    """
    return Command(
        "start",
        f"""umask 077; cd {folder(job)} || exit 9
{_ONE_AT_A_TIME}
if test -f run.rc; then echo over=1; exit 0; fi
if test -s run.pid; then echo started=1; exit 0; fi
mkdir -p run.lock
here=$(pwd)
echo "LANG=C.UTF-8 PYTHONUNBUFFERED=1 AITK_JOB_ID={job}" > run.env
echo "HF_HUB_DISABLE_TELEMETRY=1 HF_HUB_CACHE='$here/{CACHE}'" >> run.env
if test -s {TRUST}; then cat {TRUST}; else echo HF_HUB_OFFLINE=1; fi >> run.env
for name in $(env -0 | tr '\\0\\n' '\\n_' | sed -nE 's/^((({_THEIRS})_[A-Za-z0-9_]+)|LD_LIBRARY_PATH)=.*/\\1/p'); do
eval "set -- \\"\\$@\\" \\"$name=\\$$name\\""
done
cd {toolkit} || exit 8
setsid -f sh -c {shlex.quote(_KEEPER)} "$here" "$@" > "$here/{LOG}" 2>&1 < /dev/null
cd "$here" && exec 9>&- && flock -w 12 run.turn true
test -s run.pid || exit 7
echo started=1""",
    )


def trusted(token: str, hub: str) -> str:
    """TRUST, for `start` to source: the token, and the hub's address where it is not the toolkit's own."""
    said = {"HF_TOKEN": token} | ({"HF_ENDPOINT": hub} if hub else {})
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in said.items())


def again(job: JobId, time: int) -> Command:
    """Clear away a run that has ended, so that `start` starts another. Its log is kept as the `time`-th one's."""
    return Command(
        "again",
        f"""umask 077; cd {folder(job)} || exit 9
{_ONE_AT_A_TIME}
pid=$(cat run.pid 2>/dev/null)
test -n "$pid" && kill -0 "$pid" 2>/dev/null && ! grep -q '^State:.*Z' /proc/$pid/status 2>/dev/null && exit 0
test -f {LOG} && mv {LOG} {LOG}.{time}
rm -f run.rc run.pid run.new interrupted
rmdir run.lock 2>/dev/null
true""",
    )


def save_now(job: JobId) -> Command:
    """Ask for a checkpoint after the step in hand."""
    return Command(
        "save-now",
        f"""cd {folder(job)} && python - {job} <<'PY'
import sqlite3, sys
db = sqlite3.connect("job.db", timeout=20)
db.execute("UPDATE Job SET save_now=1 WHERE id=?", sys.argv[1:])
db.commit()
db.close()
PY""",  # noqa: S608  # nothing typed is in it: ids of ours, as arguments
    )


def interrupt(job: JobId) -> Command:
    """One SIGINT, to python's pid only: to the group it would kill the wrapper before the exit code is written."""
    return Command(
        "interrupt",
        f"""cd {folder(job)} || exit 9
test -f run.rc && exit 0
test -f interrupted && exit 0
: > interrupted
kill -INT "$(cat run.pid)" """,
    )


def checkpoints(job: JobId, files: Sequence[tuple[str, int]]) -> Mapping[int | None, str]:
    """Weights in a listing of the output folder, by step; None is the final file."""
    found: dict[int | None, str] = {}
    for name, _ in files:
        if name == f"{job}.safetensors":
            found[None] = name
        elif match := re.fullmatch(rf"{job}_(\d{{9}})\.safetensors", name):
            found[int(match[1])] = name
    return found
