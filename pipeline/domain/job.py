"""A job: one frozen value. Every change makes a new one, every save is a compare-and-set on its version."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from pipeline.domain.account import Room
from pipeline.domain.checkpoint import Checkpoint, Mirror, newest
from pipeline.domain.dataset import Manifest
from pipeline.domain.events import Event, Left, News
from pipeline.domain.faults import Blame, Fact
from pipeline.domain.ids import AccountId, InstanceId, JobId, Label, MachineId, Sha256, Slug
from pipeline.domain.money import MicroUsd, Points
from pipeline.domain.quote import Quote
from pipeline.domain.recipe import Captions, Recipe
from pipeline.domain.stage import End, Stage, Wish


@dataclass(frozen=True, slots=True)
class Address:
    """Where a job's person is spoken to. What was shown there is the notifier's to remember, never ours."""

    platform: str
    chat: str
    locale: str = "en"
    room: Room | None = None  # of a job's live message: where its person chose to have it; None: an answer's address


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One way to a machine's SSH: host and port belong together, always."""

    host: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """One rental of ours. Money in micro-dollars, times in UTC."""

    instance: InstanceId
    machine: MachineId
    host: str = ""  # its owner at the market
    gpu: str
    vram_mb: int
    rate: MicroUsd  # per hour, GPU and disk
    down_per_gb: MicroUsd = MicroUsd(0)
    up_per_gb: MicroUsd = MicroUsd(0)
    down_mbps: float = 0.0  # as claimed
    since: datetime
    running_since: datetime | None = None  # the GPU meter starts here
    endpoints: tuple[Endpoint, ...] = ()
    host_key: str = ""  # pinned at first login, the same through every endpoint
    home: str = ""  # the login's home on the box, absolute
    loaded_gb: float = 0.0  # traffic into the box so far: image, base, pictures
    sent_gb: float = 0.0  # traffic out of it so far: checkpoints, samples
    training: bool = False  # the trainer was started there
    laid: int = 0  # the step of the checkpoint that was laid down there to go on from; 0: none
    believed: bool = True  # False: it sent what it never trained; nothing more is taken from it
    salvaged: bool = False  # what could be saved of it was: its log, its newest checkpoint
    ends: datetime | None = None  # when the rental is over; None: not known
    retried: int = 0  # times a crashed trainer was started again on it
    key: str = field(default="", repr=False)  # instance_api_key: may stop and destroy this rental only


@dataclass(frozen=True, slots=True, kw_only=True)
class Rental:
    """A machine given back: what it cost, and who pays."""

    instance: InstanceId
    machine: MachineId
    cost: MicroUsd
    host: str = ""  # its owner at the market
    ended: datetime | None = None
    useful: bool  # False: the host failed, the person pays for nothing but what came home before
    kept: MicroUsd = MicroUsd(0)  # of a failed one: what the training cost whose checkpoint came home

    @property
    def owed(self) -> MicroUsd:
        """What the person may be asked to pay for it."""
        return self.cost if self.useful else self.kept


@dataclass(frozen=True, slots=True)
class Pack:
    """The packed dataset in the spool."""

    file: str
    sha256: Sha256
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """The trained weights at home: proved, metadata rewritten. Files are relative to the spool."""

    file: str
    sha256: Sha256
    size: int
    step: int
    samples: tuple[str, ...] = ()
    sheet: str = ""
    final_loss: float | None = None


@dataclass(frozen=True, slots=True)
class Alert:
    """Time is up for the machine in hand; what is done about it happens at `until`. `alert-<code>` is in locales/."""

    code: str
    at: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Ending:
    """Why and how a job ends before DONE is reached, or "done"."""

    end: End
    blame: Blame | None = None
    code: str = ""
    facts: Mapping[str, Fact] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    id: JobId
    account: AccountId
    address: Address
    recipe: Recipe
    manifest: Manifest
    quote: Quote
    created_at: datetime
    changed_at: datetime
    version: int = 0
    stage: Stage = Stage.PREPARE
    attempt: int = 1
    reached_train: bool = False  # some machine of this job once trained: from here on BOOT_TRIES no longer counts
    boots: int = 0  # machines tried until one reached TRAIN
    moves: int = 0  # machines left after that
    pack: Pack | None = None
    repo: str = ""  # where it will be published, claimed in PREPARE
    asked_at: datetime | None = None  # a rental with our label may exist since then
    machine: Machine | None = None
    shunned: frozenset[MachineId] = frozenset()
    refused_by: frozenset[MachineId] = frozenset()  # running hosts that refused our key: two make it our fault
    measured_until: datetime | None = None  # the person pays for this machine until then
    rentals: tuple[Rental, ...] = ()
    condemned: tuple[InstanceId, ...] = ()  # rentals that would not go: the reaper's, for ever
    mirror: Mirror = ()  # checkpoints at home: what another machine goes on from
    artifact: Artifact | None = None
    worth: Points = Points(0)  # of a job that failed: what its newest checkpoint may be taken for, for 30 days
    slug: Slug | None = None
    url: str = ""
    of: JobId | None = None  # of a release: the training one of whose kept checkpoints becomes the model
    chosen: Checkpoint | None = None  # of a release: which
    replaces: JobId | None = None  # of a release: the job whose model gives way
    charged: Points = Points(0)
    wish: Wish | None = None
    lower: int = 0  # rungs below what the GPU's memory seemed to allow: it did not do
    alert: Alert | None = None
    extended_at: datetime | None = None  # its person let it go on after an alert
    halted: str = ""  # the wish to stop is ours: time or money was up, and which
    boot_minutes: float | None = None  # its person's patience with a booting machine; None: the house's
    ending: Ending | None = None
    moving: bool = False  # TERMINATE leads back to RENT
    not_before: datetime | None = None
    silent_since: datetime | None = None
    tries: int = 0  # of the stage in hand
    news: tuple[News, ...] = ()

    @property
    def incomplete(self) -> bool:
        """The weights are of an earlier step than ordered."""
        return self.artifact is not None and self.artifact.step < self.recipe.steps

    @property
    def finished(self) -> bool:
        """The weights of the last step are at home: no machine is needed any more."""
        last = newest(self.mirror)
        return last is not None and last.step >= self.recipe.steps

    @property
    def settled(self) -> bool:
        """No machine is needed any more: the last step is at home, or what is there is to be kept."""
        return self.finished or (self.wish is Wish.STOP and bool(self.mirror))

    @property
    def taught(self) -> Manifest:
        """What is trained on: the pictures, with the captions that its recipe lets through."""
        return self.manifest.bare if self.recipe.captions is Captions.NONE else self.manifest

    @property
    def over(self) -> bool:
        return self.stage is Stage.DONE

    def label(self, prefix: str) -> Label:
        """What our rental carries at the market: known before we rent it, and found by it after a crash."""
        return Label(f"{prefix}-{self.id}-{self.attempt}")

    def telling(self, now: datetime, *events: Event) -> "Job":
        """Append `events` to the news."""
        start = self.news[-1].n + 1 if self.news else 1
        fresh = tuple(News(start + i, now, event) for i, event in enumerate(events))
        return replace(self, news=self.news + fresh)

    def at(self, stage: Stage) -> "Job":
        """Stand before `stage`, rested."""
        return replace(self, stage=stage, not_before=None, silent_since=None, tries=0)

    def again(self, now: datetime, after: timedelta) -> "Job":
        """Stand before the same stage, a little later."""
        return replace(self, not_before=now + after, tries=self.tries + 1)

    def leaving(self, now: datetime, ending: Ending) -> "Job":
        """Out through the one door. What the person reads about it is in the same write."""
        if ending.end is End.STOPPED:
            ending = replace(ending, code=ending.code or self.halted)
        left = Left(end=ending.end, blame=ending.blame, code=ending.code, facts=ending.facts)
        out = self.at(Stage.TERMINATE if self.of is None else Stage.BILL)  # a release has no machine to give back
        return replace(out, ending=ending, moving=False, measured_until=now).telling(now, left)

    def moved(self, now: datetime) -> "Job":
        """Give this machine back, then rent another one."""
        return replace(self.at(Stage.TERMINATE), moving=True, measured_until=now)
