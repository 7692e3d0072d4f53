"""Everything the work needs from the world: narrow Protocols in domain words, their promises in the docstrings.

Files travel as paths, never as bytes. Every method raises Faults only; adapters translate foreign errors at the border.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from pipeline.domain.dataset import Inspection, Manifest
from pipeline.domain.ids import InstanceId, JobId, Label, MachineId, Sha256
from pipeline.domain.job import Endpoint, Job, Machine, Pack
from pipeline.domain.money import MicroUsd
from pipeline.domain.quote import Need, Offer
from pipeline.trainers.bases import PEFT, Base
from pipeline.trainers.box import Command

Doc = Mapping[str, Any]  # JSON: str, int, float, bool, None, list, dict


class Clock(Protocol):
    def now(self) -> datetime:
        """The time, aware, in UTC."""


@dataclass(frozen=True, slots=True)
class Pace:
    """One factor on every wait of ours (settings.md). Never on connect, login or read timeouts."""

    factor: float = 1.0

    def seconds(self, life: float) -> float:
        """How long a wait of `life` seconds takes here."""
        return life * self.factor

    def delta(self, **life: float) -> timedelta:
        """`timedelta(**life)` as it passes here."""
        return timedelta(**life) * self.factor

    def life(self, measured: float) -> float:
        """What `measured` seconds would have been in life: before they meet a rate, a price or a class."""
        return measured / self.factor


class Store(Protocol):
    """Documents by collection and id. Correct without transactions over several of them.

    `COLLECTIONS` in pipeline/flow/records.py declares each collection's indexed scalars.
    Raises OperatorFault("store-down") when it cannot answer.
    """

    async def get(self, coll: str, key: str) -> dict[str, Any] | None: ...

    async def create(self, coll: str, key: str, doc: Doc) -> bool:
        """Store `doc` at version 0. False: the key exists, nothing was written."""

    async def cas(self, coll: str, key: str, version: int, doc: Doc) -> bool:
        """Replace the document at exactly `version` by `doc` at `version + 1`. False: it was not there at that version.

        The adapter keeps the version in the document's own "version" field.
        """

    async def find(
        self,
        coll: str,
        *,
        equal: Mapping[str, str | int] | None = None,
        among: Mapping[str, Sequence[str | int]] | None = None,
        below: Mapping[str, str | int] | None = None,
        above: Mapping[str, str | int] | None = None,
        order: str = "",
        limit: int = 100,
    ) -> list[dict[str, Any]]:
        """Documents whose declared scalars fit; `order` is a field, "-field" for descending. Bounds are exclusive."""

    async def delete(self, coll: str, key: str) -> None: ...

    async def close(self) -> None: ...


class Status(StrEnum):
    """A rental as the market tells it, boiled down."""

    BOOTING = "booting"
    RUNNING = "running"
    BROKEN = "broken"  # stopped, exited, offline, or an image that will not pull: nothing good comes of waiting


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """One rental as the market shows it now."""

    instance: InstanceId
    machine: MachineId
    label: Label
    status: Status
    endpoints: tuple[Endpoint, ...] = ()  # direct pair first, then the proxy pair; empty while not mapped
    said: str = ""  # the market's status text, cleaned
    since: datetime | None = None  # rented
    gpu: str = ""
    vram_mb: int = 0
    rate: MicroUsd = MicroUsd(0)
    down_mbps: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RentOrder:
    """What to start on an offer. `env` never holds a secret of ours."""

    label: Label
    image: str
    disk_gb: int
    onstart: str
    env: Mapping[str, str] = field(default_factory=dict)


class Provider(Protocol):
    """A market of machines. An error is never an answer: a list that failed or came short raises."""

    name: str

    async def credit(self) -> MicroUsd:
        """What the account can still spend. OperatorFault("market-key") when the key is wrong."""

    async def offers(self, need: Need, *, fresh: bool = False, renting: bool = False) -> list[Offer]:
        """What is on the market for `need`, cached a minute unless `fresh`. Unchecked: `domain.quote.sound` checks.

        Searches are counted by the day; a part of them is kept for `renting`. OperatorFault("market-searches").
        """

    async def find(self, label: Label) -> Sight | None:
        """The live rental that carries `label`. None was *said* by a whole listing."""

    async def rent(self, offer: Offer, order: RentOrder, need: Need, now: datetime) -> Machine:
        """Rent. Never repeated by itself.

        Raises HostFault("offer-gone") when somebody was faster, HostSilent("rent-unanswered") when it is not known
        whether it happened (look `find(label)` up), OperatorFault("market-credit") and the like otherwise.
        """

    async def look(self, instance: InstanceId) -> Sight | None:
        """One rental by id; None when the market says it is gone."""

    async def destroy(self, instance: InstanceId) -> None:
        """Ask for it to be destroyed. Idempotent: already gone is success. `look` tells whether it went."""

    async def owned(self) -> list[Sight]:
        """Every rental of the account, all pages."""

    async def charges(self, since: datetime) -> Mapping[InstanceId, MicroUsd]:
        """What the market took for each rental billed since. They come late: an absent one is unknown, not free."""

    async def admit_key(self, public_key: str) -> None:
        """Make the account know our SSH key. Idempotent."""

    async def attach_key(self, instance: InstanceId, public_key: str) -> None:
        """Make one rental know our SSH key: lines from elsewhere are wiped in time. Idempotent."""

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command on a box said: bytes under the command's cap, and its exit code (-1: killed)."""

    code: int
    out: bytes


class Host(Protocol):
    """One reachable machine, logged in. Raises HostSilent when the line is dead, HostFault when the machine is wrong.

    Names are relative to the login's home, made of [A-Za-z0-9._/-].
    """

    host_key: str  # "ssh-ed25519 AAAA...", to be pinned

    async def run(self, command: Command) -> Answer: ...

    async def ask(self, program: Command, *question: int) -> bytes:
        """Ask a program that stays on the box: numbers in, one answer out (a line of base64), in one round trip.

        It is started at the first question and again whenever it is gone, so every question stands by itself.
        `program.seconds` and `program.cap` bound one answer.
        """

    async def put(self, local: Path, remote: str) -> None:
        """Send a file, creating its folders; whole and equal by sha256 when this returns. Resumes. Mode 0600."""

    async def get(self, remote: str, local: Path, *, cap: int) -> Sha256:
        """Bring a file home (0600, replaced only when whole). HostFault("file-too-big") over `cap` bytes."""

    async def list(self, remote: str, *, most: int = 500) -> list[tuple[str, int]]:
        """Names and sizes of the plainly named files of a folder, at most `most`. [] when it is absent."""


class Hosts(Protocol):
    def open(self, machine: Machine) -> AbstractAsyncContextManager[Host]:
        """Log in through the first endpoint that answers, with our key only; pinned once `machine.host_key` is set.

        All users of a machine share one connection; one that breaks is made again by whoever needs it next.

        Raises HostSilent("ssh-unreachable"), HostSilent("ssh-refused-key"), HostFault("host-key-changed").
        """

    @property
    def public_key(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """One file of a base at the hub. `url` is signed and expires; "" means: small, home downloads and sends it."""

    repo: str
    path: str
    size: int
    sha256: Sha256 | None  # None: not known for small files
    revision: str


class Hub(Protocol):
    """Where base models come from. Uses the operator's token, which never leaves home."""

    async def files(self, base: Base) -> list[RemoteFile]:
        """All files of `base` (its patterns), gate checked by a HEAD of a real file.

        Raises OperatorFault("hub-gated" | "hub-token" | "hub-down", repo=...).
        """

    async def sign(self, file: RemoteFile) -> str:
        """A signed, expiring URL that needs no token, or "" for a small file that the hub serves itself."""

    async def download(self, file: RemoteFile, to: Path) -> None:
        """Bring a small file home (at most 64 MB)."""

    async def judge(self, token: str, base: Base) -> None:
        """Return when `token` may read public gated repos, `base` among them, and nothing else: a box may have it.

        Raises OperatorFault("host-token-wide") when it may do more, OperatorFault("host-token-dead") when the hub
        refuses it or it reads no gated repo, OperatorFault("host-token-gated") when its account has not accepted the
        base's terms; "hub-down" as `files`.
        """

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """What is published: files by their name in the repo, and where."""

    job: JobId
    repo: str
    files: Mapping[str, Path]  # an allow-list: nothing else travels
    public: bool
    message: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """Where it is, and what its files' hashes are there: read back, not remembered."""

    url: str
    revision: str
    sha256: Mapping[str, Sha256]


class Publisher(Protocol):
    """A place models are published to. Every call may be repeated."""

    name: str

    async def claim(self, wanted: str) -> str:
        """Make sure we may write to a repo named after `wanted` (an empty private one is created); its full name.

        A name that exists and holds a model already gets a suffix. OperatorFault("publish-token" | "publish-down").
        """

    async def publish(self, release: Release) -> Receipt: ...

    async def withdraw(self, repo: str) -> None:
        """Remove an empty repo that `claim` made. Idempotent."""


class Scribe(Protocol):
    """Writes what strangers read about a model. Its words live in locales/."""

    def model_card(self, job: Job, *, weights: str, samples: Sequence[str]) -> str:
        """The repo's README.md: front matter and text. `weights` and `samples` are names in the repo."""


@dataclass(frozen=True, slots=True)
class Proof:
    """Weights that were proved and rewritten with our metadata only. `step` is what the original said.

    `ups` is the sha256 of the up halves alone, whatever the file says around them: every training step moves them.
    """

    sha256: Sha256
    size: int
    step: int
    ups: Sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What the weights must be."""

    modules: Mapping[str, tuple[int, int]]  # name -> (in, out)
    prefix: str
    rank: int
    dtype: str  # "BF16"
    metadata: Mapping[str, str]  # ours, written into the file
    halves: tuple[str, str] = PEFT  # how the keys of a pair end: down, up
    alpha: int | None = None  # of every pair, under ".alpha"; None: there is no such key


class Workshop(Protocol):
    """Files of strangers, opened in a child process with an empty environment, limits and a deadline."""

    async def inspect(self, source: Path, into: Path) -> Inspection:
        """Open a zip, a folder or one picture; keep each usable picture in `into` as `<sha256>.jpg`.

        Raises UserFault("not-an-archive" | "archive-hostile" | "archive-empty" | "file-missing") when refused whole.
        """

    async def pack(self, manifest: Manifest, pictures: Path, into: Path) -> Pack:
        """Write the tarball `into`: 0001.jpg, 0001.txt... No name, EXIF or time is in it: same manifest, same bytes."""

    async def prove(self, weights: Path, demand: Demand, into: Path) -> Proof:
        """Check weights and rewrite them to `into`. Raises HostFault("weights-<what>") (facts/loading.md 6)."""

    async def optimizer(self, source: Path, into: Path) -> None:
        """Rewrite a box's optimizer.pt to `into`, looked at opcode by opcode, never loaded.

        Raises HostFault("optimizer-refused") when it is malformed, or names anything but a tensor's own parts.
        """

    async def samples(self, pictures: Sequence[Path], into: Path) -> list[Path]:
        """Decode and re-encode samples; refused ones are left out."""

    async def sheet(self, pictures: Sequence[Path], into: Path) -> Path:
        """One contact sheet of `pictures`."""


class Fetcher(Protocol):
    """Brings home what a person points at."""

    def fetched(self, url: str) -> AbstractAsyncContextManager[Path]:
        """The file behind `url`, for as long as the block lasts.

        Raises UserFault("link-refused" | "link-unreachable" | "link-missing" | "link-closed" | "link-page" |
        "link-slow" | "link-too-big"): an address we do not ask, nobody there, nothing there, not for us, a page instead
        of a file, too slow, more than a draft holds.
        """


class Engine(Protocol):
    """Who tells which job. Both calls are idempotent and may be lost: a sweep asks again."""

    async def start(self, job: JobId) -> None: ...

    async def nudge(self, job: JobId) -> None:
        """The stored job holds a new wish: play it again, now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """The operator's constants a stage may need."""

    label_prefix: str
    image: str
    image_gb: float
    toolkit: str  # absolute folder of the trainer on the box
    boot_tries: int = 10
    moves: int = 2
    ssh_timeout_min: float | None = None
    credit_factor: float = 1.5
    max_gpus: int = 10
    gpus: frozenset[str] = frozenset()
    region: str = ""
    min_gpu_frac: float = 1.0
    min_reliability: float = 0.95
    max_rate: MicroUsd = MicroUsd(1_000_000)  # of one machine, per hour
    max_per_hour: MicroUsd = MicroUsd(5_000_000)  # of all machines together
    max_per_day: MicroUsd = MicroUsd(50_000_000)
    spool_bytes: int = 20 * 10**9  # what packs and checkpoints may take at home; models are not counted
    host_token: str = field(default="", repr=False)  # set: the trainer downloads by itself, with this token
    hub: str = ""  # where from; "": the trainer's own default
