"""Checkpoints on the box: which is whole, which are newer than the start, and laying one down to go on from.

The trainer goes on from the newest file, by ctime, whose name starts with the job's (facts/aitoolkit.md 2): so nothing
else of such a name is ever written into its folder, not for a moment.
"""

import re
from dataclasses import dataclass
from typing import Final

from pipeline.domain.faults import HostFault
from pipeline.domain.ids import JobId
from pipeline.trainers.box import Command, folder, numbers
from pipeline.trainers.pump import LOG

OPTIMIZER: Final = "optimizer.pt"
COPIES: Final = "copied"  # a folder of the job's own, beside the trainer's: there the resume rule never looks
COPIED: Final = "weights.safetensors"  # what a copy of the weights is called, whatever the trainer called them
MOST: Final = 10**9  # that nine digits can tell
GOES: Final = 5  # at a copy, half a second apart


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """A checkpoint whose weights and optimizer the trainer says it saved, with no save begun since."""

    name: str
    count: int  # lines about saves so far: another one, and this look is outdated
    changed: int  # of the optimizer, ns by the box's clock: it is rewritten in place
    age: int  # seconds since then

    @property
    def mark(self) -> str:
        """What no other set is called: whatever is half here by this name goes on with this set and no other."""
        return f"{self.changed}-{self.name}"


def output(job: JobId) -> str:
    """The trainer's output folder, from the login's home."""
    return f"{folder(job)}/out/{job}"


def _asking(job: JobId) -> str:
    """Shell: `asked` prints what the log says of saves last and when the optimizer changed, `aged` how long ago.

    The log is that of every start on this machine: a trainer that died twice has saved nothing since the first time.
    """
    state = f"out/{job}/{OPTIMIZER}"
    return f"""cd {folder(job)} || exit 9
said() {{
  grep -ahosE 'Saving at step [0-9]{{1,9}}|Saved checkpoint to [^ ]{{1,400}}|Saved optimizer to' {LOG}.* {LOG}
}}
asked() {{
  all=$(said); printf '%s\\n' "$all" | tail -n 2
  echo "count=$(printf '%s\\n' "$all" | wc -l)"
  echo "changed=$(stat -c %.9Y {state} 2>/dev/null | tr -d .,)"
}}
aged() {{ echo "age=$(($(date +%s) - $(stat -c %Y {state} 2>/dev/null || echo 0)))"; }}"""


def whole(job: JobId) -> Command:
    """Ask for the newest whole checkpoint: what the log says of saves last, and when the optimizer changed."""
    return Command("whole", f"{_asking(job)}\nasked; aged")


def copy(job: JobId) -> Command:
    """Copy the newest whole checkpoint, on the box, to where neither a later save nor the pruning gets at it.

    A copy takes its name only when nothing was said of saves meanwhile: every save says so before it touches a file
    (facts/aitoolkit.md 3.4, 3.5). There is one copy at a time, and one that is there already is not made again. Both
    files are copied: the optimizer is rewritten in place, and so are weights that are saved twice under one name.
    """
    return Command(
        "copy",
        f"""umask 077; {_asking(job)}
for go in $(seq {GOES}); do
  was=$(asked); name=$(printf '%s' "$was" | head -n 1); name=${{name##*/}}; there="{COPIES}/${{was##*=}}-$name"
  case "$was" in "Saved checkpoint to "*"
Saved optimizer to
"*)
    test -d "$there" || {{
      rm -rf {COPIES}; mkdir {COPIES} {COPIES}/new \\
        && cp "out/{job}/$name" {COPIES}/new/{COPIED} && cp out/{job}/{OPTIMIZER} {COPIES}/new/{OPTIMIZER} \\
        && test "$(asked)" = "$was" && mv {COPIES}/new "$there"
    }} && {{ printf '%s\\n' "$was"; aged; echo copied=1; exit 0; }} ;;
  esac
  rm -rf {COPIES}; sleep 0.5
done""",
        seconds=180,
    )


def read_copy(job: JobId, out: bytes) -> Whole | None:
    """Understand the answer to `copy`: what lies there as a copy now. None: nothing is whole, or it was overtaken."""
    return read_whole(job, out) if numbers(out).get("copied") == 1 else None


def copied(job: JobId, found: Whole) -> str:
    """The folder of a copy, from the login's home: weights (COPIED) and OPTIMIZER."""
    return f"{folder(job)}/{COPIES}/{found.mark}"


def drop(job: JobId) -> Command:
    """Remove the copy."""
    return Command("drop", f"cd {folder(job)} && rm -rf {COPIES}")


def read_whole(job: JobId, out: bytes) -> Whole | None:
    """Understand the answer to `whole`; None while a save is being written, or before the first."""
    said = numbers(out)
    found = re.search(
        rb"^Saved checkpoint to [^\s]{0,400}/(%s(?:_\d{9})?\.safetensors)\nSaved optimizer to$" % job.encode(),
        out,
        re.MULTILINE,
    )
    if found is None or not {"count", "changed", "age"} <= said.keys():
        return None
    return Whole(name=found[1].decode(), count=said["count"], changed=said["changed"], age=max(0, said["age"]))


def step_of(job: JobId, name: str, last: int) -> int | None:
    """The step of weights by their name: a number, or none for those of the `last` one.

    None: no name of ours, or a step that nobody ordered.
    """
    if name == f"{job}.safetensors":
        return last
    match = re.fullmatch(rf"{job}_(\d{{9}})\.safetensors", name)
    return int(match[1]) if match and int(match[1]) <= last else None


def made(job: JobId) -> Command:
    """List weights that are newer than the trainer's start: what was laid down before is not its work."""
    return Command(
        "made",
        f"""cd {folder(job)} || exit 9
find out/{job} -maxdepth 1 -type f -newer run.lock -name '{job}*.safetensors' -printf '%f\\n' 2>/dev/null \\
  | head -n 500""",
    )


def read_made(job: JobId, out: bytes, last: int) -> dict[int, str]:
    """Names by step. Raises HostFault("weights-step") where all there is claims steps that nobody ordered."""
    names = out.decode("ascii", "replace").splitlines()
    found = {step: name for name in names if (step := step_of(job, name, last)) is not None}
    claimed = {step for name in names if (step := step_of(job, name, MOST)) is not None}
    if claimed and not found:
        raise HostFault("weights-step", told=max(claimed), named=last)
    return found


STAGED: Final = "laid"  # a folder of the job's own, where a set arrives before it is laid down


def lay(job: JobId, step: int, *, optimizer: bool) -> Command:
    """Make the staged set the only one in the output folder, by the name the trainer gave it.

    Once the trainer was started its folder is its own: then nothing is touched.
    """
    target = f"out/{job}/{job}_{step:09d}.safetensors"
    state = f"cp {STAGED}/{OPTIMIZER} out/{job}/{OPTIMIZER} &&" if optimizer else ""
    return Command(
        "lay",
        f"""umask 077; cd {folder(job)} || exit 9
test -e run.lock && exit 0
mkdir -p out/{job} && rm -f out/{job}/{job}* out/{job}/{OPTIMIZER} && {state}
cp {STAGED}/weights.safetensors out/{job}/.laid && mv out/{job}/.laid {target} && echo laid={step}""",
        seconds=120,
    )


def last_words(job: JobId) -> Command:
    """The end of the log, behind the exit code: what is worth having of a run that failed."""
    return Command(
        "last-words",
        f'cd {folder(job)} || exit 9; echo "rc=$(cat run.rc 2>/dev/null)"; echo; tail -c 61440 {LOG}',
    )


def read_last_words(out: bytes) -> tuple[int | None, bytes]:
    """The exit code, if it ended, and the log's tail as the box gave it."""
    head, _, log = out.partition(b"\n\n")
    return numbers(head).get("rc"), log
