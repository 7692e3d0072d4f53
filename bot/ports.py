"""What the desk needs around it: ears that hear people, and the office that gets work done."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from notifier.ports import MessageId
from notifier.words import Words
from pipeline.domain.account import Room
from pipeline.domain.catalogue import Model
from pipeline.domain.checkpoint import Kept
from pipeline.domain.dataset import Inspection
from pipeline.domain.draft import Draft
from pipeline.domain.ids import AccountId, Identity, JobId, Slug
from pipeline.domain.job import Address, Job
from pipeline.domain.ledger import Balance, Entry
from pipeline.domain.progress import Progress
from pipeline.domain.recipe import Recipe
from pipeline.domain.stage import Wish
from pipeline.ports import Clock, Pace, Store

if TYPE_CHECKING:  # its home brings pydantic and the whole flow
    from pipeline.flow.intake import Offered


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One remark of one person. Attachments are files (or folders) the ear already brought home, under its caps."""

    identity: Identity
    address: Address  # where the answer goes
    text: str = ""
    attachments: tuple[Path, ...] = ()
    pressed: str | None = None  # a button's action, as it came: never believed
    message: MessageId | None = None  # the message that button stood on
    private: bool = True  # nobody else reads the answer
    id: str = ""  # of the remark, where the platform has one: said again, what it moves is not moved twice


Hear = Callable[[Said], Awaitable[None]]


class Pages(Protocol):
    """Links to pages of ours, for what a chat cannot carry."""

    async def upload_link(self, identity: Identity, address: Address, back: str = "") -> str:
        """Where this person can add pictures to their draft; good once, for an hour, told to nobody else.

        `back` is an address that opens this chat: the page leads there when all has arrived.
        """

    async def download_link(self, job: JobId) -> str | None:
        """Where the weights of a finished, paid job can be fetched for a day; None while it is not paid."""


Mount = Callable[[str, Callable[[Any], Awaitable[Any]]], None]  # a path of ours, and the aiohttp handler of its POSTs


@dataclass(frozen=True, slots=True, kw_only=True)
class Grounds:
    """What a platform stands on while it runs."""

    store: Store  # its own collections only: "inbox", "platforms"
    folder: Path  # where attachments are brought (0700)
    clock: Clock
    words: Callable[[str], Words]  # by locale
    pages: Pages | None = None  # None: no PUBLIC_URL
    mount: Mount | None = None  # for a webhook below PUBLIC_URL; None as `pages`
    operators: frozenset[Identity] = frozenset()
    reachable: Callable[[str, str], None] | None = None  # (platform, chat): they let us in again
    office: Office | None = None  # to look things up in while somebody types; what is to happen goes through `hear`
    pace: Pace = field(default_factory=Pace)


class Refused(Exception):
    """A platform does not let us in, and trying again will not help. `why` is a key of locales/ (ops.ftl)."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Ear(Protocol):
    """One chat platform's ear."""

    name: str

    async def run(self, hear: Hear, grounds: Grounds) -> None:
        """Hand every remark to `hear`, which never raises, until the platform ends or the task is cancelled.

        Cancelled, it lets the remarks in hand be answered first; what was acknowledged is never lost. Raises Refused.
        """


class Office(Protocol):
    """The one door to the work: `pipeline.flow.intake.Intake`. Raises Faults only.

    A job, quote or model of somebody else is answered exactly as one that does not exist.
    """

    async def account(self, identity: Identity) -> AccountId:
        """The account behind `identity`, made at the first word."""

    async def room(self, identity: Identity) -> Room:
        """Where this person wants their trainings told."""

    async def choose(self, identity: Identity, room: Room) -> None:
        """From their next training on, it is told in `room`."""

    async def draft(self, account: AccountId) -> Draft: ...

    async def add(self, account: AccountId, source: Path) -> tuple[Draft, Inspection]:
        """Put what is usable in `source` (zip, folder, picture) into the draft.

        Raises UserFault("file-missing" | "not-an-archive" | "archive-hostile" | "archive-empty").
        """

    async def bring(self, account: AccountId, url: str) -> tuple[Draft, Inspection]:
        """As `add`, of what an https link leads to: slow, under caps, from public machines only.

        Also raises UserFault("link-refused" | "link-unreachable" | "link-missing" | "link-closed" | "link-page" |
        "link-slow" | "link-too-big").
        """

    async def drop(self, account: AccountId, number: int) -> Draft:
        """Take picture `number` (from 1) out. Raises UserFault("no-such-picture")."""

    async def clear(self, account: AccountId) -> Draft: ...

    async def last_recipe(self, account: AccountId) -> Recipe | None:
        """The options this person last asked a price for: what Change begins with."""

    async def quote(self, account: AccountId, recipe: Recipe) -> Offered:
        """Price `recipe` on the draft and keep it as the account's open quote. UserFault for whatever is wrong."""

    async def submit(self, account: AccountId, address: Address, digest: str) -> Job:
        """Start the open quote with that digest; the same one twice is the same job.

        Raises UserFault("quote-changed" | "quote-expired" | "not-enough-points" | "too-many-jobs").
        """

    async def wish(self, account: AccountId, wish: Wish, job: JobId | None, said: str = "") -> Job:
        """Stop or cancel `job`, or the newest live one: the one that remark `said` meant, if it was heard before.

        Raises UserFault("no-such-job" | "too-late").
        """

    async def kept(self, account: AccountId, job: JobId) -> list[Kept]:
        """Checkpoints that may be made the model of the training behind `job`, the highest step first."""

    async def take(self, account: AccountId, address: Address, job: JobId, step: int) -> Job:
        """Make one of them its model, for its price; asked twice it is done once.

        Raises UserFault("no-such-job" | "checkpoint-gone" | "checkpoint-chosen" | "release-running" |
        "not-enough-points").
        """

    async def jobs(self, account: AccountId, limit: int = 10) -> list[Job]:
        """Newest first."""

    async def job(self, account: AccountId, job: JobId | None) -> tuple[Job, Progress | None]:
        """`job`, or the newest one. Raises UserFault("no-such-job")."""

    async def log(self, account: AccountId, job: JobId | None) -> tuple[Job, list[str]]:
        """`job`, or the newest one, and the last lines of its trainer, clean. Raises UserFault("no-such-job")."""

    async def models(self, account: AccountId) -> list[Model]:
        """Own ones, then public ones."""

    async def model(self, account: AccountId, slug: Slug) -> Model:
        """Raises UserFault("no-such-model")."""

    async def balance(self, account: AccountId) -> Balance: ...

    async def grant(self, by: Identity, to: Identity, points: int, reason: str, key: str) -> Balance:
        """Operator `by` gives `to` points, the same `key` once. Raises UserFault("grants-of-the-day")."""

    async def receipts(self, account: AccountId) -> list[Entry]:
        """Newest first."""
