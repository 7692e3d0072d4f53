"""FETCH on the box: a plan of files without links, a list of signed links beside it, and a script that curls them.

The plan is `path <tab> size <tab> sha256 or -` by line; files are known by their line's number, from 1. The links are
bearer secrets: 0600, only of what is missing, gone with the round. No link is ever on a command line.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from pipeline.domain.faults import OperatorFault
from pipeline.domain.ids import JobId, Sha256
from pipeline.domain.text import line
from pipeline.trainers.box import Command, folder, numbers
from pipeline.trainers.lease import FOLDER, Lease, renew

RELATIVE: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]{0,200}")
REPO: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
URL: Final = re.compile(r"https?://[!#-\[\]-~]{1,4000}")  # printable, without a quote or a backslash
AT_ONCE: Final = 4  # downloads side by side: one stream seldom fills a host's line
CACHE: Final = "hub"  # in the job's folder: HF_HUB_CACHE of the trainer


def plain(path: str) -> str:
    """`path`, if it is one we would write into a script or a list. Raises OperatorFault("hub-odd-file")."""
    if not RELATIVE.fullmatch(path) or ".." in path:
        raise OperatorFault("hub-odd-file", got=line(path, 80))
    return path


def place(repo: str, path: str, revision: str, *, into: str) -> str:
    """Where a file goes, from the job's folder: below the plain folder `into`, or where the hub's cache has it.

    The base's own repo is a plain folder, which the config names: by hub id, offline, the toolkit loads no sharded
    transformer (facts/aitoolkit.md 9b.1). A repo that the toolkit asks for by id lies as the hub's cache has it.
    """
    if into:
        return f"{into}/{plain(path)}"
    if not REPO.fullmatch(repo) or not re.fullmatch(r"[0-9a-f]{40}", revision):
        raise OperatorFault("hub-odd-file", got=line(repo, 80))
    return f"{CACHE}/models--{repo.replace('/', '--')}/snapshots/{revision}/{plain(path)}"


def planned(path: str, size: int, sha256: Sha256 | None) -> str:
    """One line of plan.tsv."""
    return f"{plain(path)}\t{int(size)}\t{sha256 or '-'}\n"


def link(number: int, url: str) -> str:
    """One line of links.tsv. What a hub answers is a stranger's text too: nothing in it may end a word of ours."""
    if not URL.fullmatch(url):
        raise OperatorFault("hub-odd-file", got=line(url.partition("?")[0], 80))
    return f"{int(number)}\t{url}\n"


def fetch(job: JobId) -> Command:
    """Start, once, a round: each file of links.tsv, several at once, resumed, checked by size and sha256.

    `fetch.rc` holds 0, or 1 where some file is not whole: its link expired, or its bytes are wrong.
    """
    return Command(
        "fetch",
        f"""umask 077; cd {folder(job)} || exit 9
if test -f fetch.pid && kill -0 "$(cat fetch.pid)" 2>/dev/null; then echo running; exit 0; fi
rm -f fetch.rc; mkdir -p whole
cat > one.sh <<'SCRIPT'
sed -n "$1p" plan.tsv | while IFS='	' read -r path size sha; do
  mkdir -p "$(dirname "$path")"
  awk -F '\\t' -v n="$1" '$1 == n {{ printf "url = \\"%s\\"\\n", $2 }}' links.tsv |
    curl -K - -fsS -C - --retry 3 --retry-delay 1 --connect-timeout 20 --speed-limit 10000 --speed-time 60 \\
      -o "$path" || exit 1
  test "$(stat -c %s "$path")" = "$size" || {{ rm -f "$path"; exit 1; }}
  test "$sha" = - || echo "$sha  $path" | sha256sum -c --status - || {{ rm -f "$path"; exit 1; }}
  echo "$size $sha" > "whole/$(echo "$path" | tr / %)"
done
SCRIPT
cat > fetch.sh <<'SCRIPT'
cut -f 1 plan.tsv | sed -n 's#^\\({CACHE}/models--[^/]*\\)/snapshots/\\([0-9a-f]*\\)/.*#\\1 \\2#p' | sort -u |
  while read -r repo revision; do mkdir -p "$repo/refs"; printf %s "$revision" > "$repo/refs/main"; done
cut -f 1 links.tsv | xargs -r -P {AT_ONCE} -n 1 sh one.sh; bad=$?
rm -f links.tsv
test $bad = 0 && echo 0 > fetch.rc || echo 1 > fetch.rc
SCRIPT
setsid -f sh -c 'echo $$ > fetch.pid; exec sh fetch.sh' > fetch.log 2>&1 < /dev/null""",
    )


def fetched(job: JobId, lease: Lease) -> Command:
    """Ask how far it is: each file's bytes and whether it is whole, the end of the round. Renews the lease."""
    return Command(
        "fetched",
        f"""cd {folder(job)} || exit 9
{renew(lease, f"../../{FOLDER}")}
n=0
while IFS='	' read -r path size sha; do
  n=$((n + 1))
  echo "f$n=$(stat -c %s "$path" 2>/dev/null || echo 0)"
  test "$(cat "whole/$(echo "$path" | tr / %)" 2>/dev/null)" = "$size $sha" && echo "whole$n=1"
done < plan.tsv
test -f fetch.rc && echo "rc=$(cat fetch.rc)"
test -f fetch.pid && kill -0 "$(cat fetch.pid)" 2>/dev/null && echo alive=1
exit 0""",
        seconds=60,
    )


@dataclass(frozen=True, slots=True)
class Fetching:
    """How far a box says it is; by line number of the plan."""

    got: Mapping[int, int] = field(default_factory=dict)  # bytes
    whole: frozenset[int] = frozenset()
    failed: int | None = None  # None: the round is not over
    alive: bool = False

    def bytes(self, sizes: Sequence[int]) -> int:
        """Bytes of all files. More than a file's own size does not count: a box may write what it likes."""
        return sum(min(max(0, self.got.get(number, 0)), size) for number, size in enumerate(sizes, 1))


def read_fetched(out: bytes) -> Fetching:
    """Understand the answer to `fetched`. Never raises: what is unreadable counts as nothing yet."""
    said = numbers(out)
    by = {key: value for key, value in said.items() if re.fullmatch(r"(f|whole)\d{1,5}", key)}
    return Fetching(
        got={int(key[1:]): value for key, value in by.items() if key.startswith("f")},
        whole=frozenset(int(key[5:]) for key in by if key.startswith("whole")),
        failed=said.get("rc"),
        alive=bool(said.get("alive")),
    )
