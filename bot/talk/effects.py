"""What the dialogue decides to do: frozen values, carried out by the desk one after the other."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from pipeline.domain.account import Room
from pipeline.domain.faults import Fact, UserFault
from pipeline.domain.ids import Identity
from pipeline.domain.recipe import Publish, Recipe
from pipeline.domain.stage import Wish


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """All the dialogue knows besides what was just said."""

    last: Recipe | None = None  # what this person last asked a price for
    publish: Publish = Publish.HF  # the operator's default
    operator: bool = False  # this person is one


class Page(StrEnum):
    """Something to look at."""

    START = "start"
    HELP = "help"
    DRAFT = "draft"
    STATUS = "status"
    JOBS = "jobs"
    LOG = "log"
    MODELS = "models"
    MODEL = "model"
    BALANCE = "balance"
    RECEIPTS = "receipts"
    SETTINGS = "settings"
    UPLOAD = "upload"


@dataclass(frozen=True, slots=True)
class AddToDraft:
    files: tuple[Path, ...]
    count: bool = True  # one message counts them; not when a quote does


@dataclass(frozen=True, slots=True)
class BringLink:
    """What a link leads to, into the draft."""

    url: str = field(repr=False)  # whoever has it may have the pictures: no log shows it
    count: bool = True  # as AddToDraft


@dataclass(frozen=True, slots=True)
class DropPicture:
    ordinal: int  # from 1


@dataclass(frozen=True, slots=True)
class ClearDraft:
    pass


@dataclass(frozen=True, slots=True)
class AskQuote:
    recipe: Recipe


@dataclass(frozen=True, slots=True)
class Submit:
    digest: str


@dataclass(frozen=True, slots=True)
class Decline:
    digest: str


@dataclass(frozen=True, slots=True)
class MakeWish:
    wish: Wish
    job: str = ""  # "" is the newest live one
    aloud: bool = True  # answer with a sentence; a button's answer is the live card itself


@dataclass(frozen=True, slots=True)
class Choose:
    room: Room


@dataclass(frozen=True, slots=True)
class Show:
    page: Page
    of: str = ""


@dataclass(frozen=True, slots=True)
class Tell:
    """One sentence. `key` is a message of locales/."""

    key: str
    facts: Mapping[str, Fact] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Deliver:
    """The weights of a paid job, to its owner."""

    job: str


@dataclass(frozen=True, slots=True)
class Take:
    """The kept checkpoint of `step` becomes the model of the training behind `job`."""

    job: str
    step: int


@dataclass(frozen=True, slots=True)
class ShowSamples:
    """The samples of one's own model, put before others."""

    job: str


@dataclass(frozen=True, slots=True)
class Grant:
    to: Identity
    points: int
    reason: str


@dataclass(frozen=True, slots=True)
class Aside:
    """Not before others: where this person is answered alone. `name` is the command they said."""

    name: str


@dataclass(frozen=True, slots=True)
class Refuse:
    """One sentence about a mistake: the UserFault that `code` and `facts` make."""

    code: str
    facts: Mapping[str, Fact] = field(default_factory=dict)

    @classmethod
    def of(cls, fault: UserFault) -> "Refuse":
        return cls(fault.code, dict(fault.facts))


Effect = (
    AddToDraft | BringLink | DropPicture | ClearDraft | AskQuote | Submit | Decline
    | MakeWish | Choose | Deliver | Take | ShowSamples | Grant | Show | Tell | Aside | Refuse
)  # fmt: skip
