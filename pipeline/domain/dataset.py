"""A dataset: pictures as we keep them, in order, and what was wrong with the rest."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from pipeline.domain.faults import Fact, UserFault
from pipeline.domain.ids import Sha256

FEWEST, MOST = 10, 500
MOST_BYTES = 2 * 1024**3  # of one draft, as sent


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One usable picture: re-encoded by us, without metadata, in the spool as `<sha256>.jpg`."""

    sha256: Sha256
    width: int
    height: int
    size: int
    caption: str = ""
    name: str = ""  # as sent, cleaned: shown to its owner, never sent anywhere


@dataclass(frozen=True, slots=True)
class Finding:
    """Something dropped or worth a word. `code` is a key in locales/ (`finding-<code>`)."""

    code: str
    name: str = ""
    facts: Mapping[str, Fact] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was found in something a person sent."""

    pictures: tuple[Picture, ...] = ()
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Manifest:
    """The pictures a job trains on. Its order is the file names' order on the box: 0001.jpg, 0001.txt."""

    pictures: tuple[Picture, ...]

    @property
    def digest(self) -> Sha256:
        """Changes when a picture, a caption or the order does."""
        whole = hashlib.sha256()
        for picture in self.pictures:
            whole.update(f"{picture.sha256}\0{picture.caption}\0".encode())
        return Sha256(whole.hexdigest())

    @property
    def size(self) -> int:
        return sum(picture.size for picture in self.pictures)

    @property
    def captions(self) -> tuple[str, ...]:
        return tuple(picture.caption for picture in self.pictures if picture.caption)

    @property
    def bare(self) -> "Manifest":
        """The same pictures without a caption."""
        return Manifest(tuple(replace(picture, caption="") for picture in self.pictures))

    def check(self) -> None:
        """Raise UserFault unless this many pictures can be trained on."""
        if len(self.pictures) < FEWEST:
            raise UserFault("dataset-too-small", have=len(self.pictures), need=FEWEST)
        if len(self.pictures) > MOST:
            raise UserFault("dataset-too-large", have=len(self.pictures), most=MOST)


def joined(old: tuple[Picture, ...], new: tuple[Picture, ...]) -> tuple[Picture, ...]:
    """Add `new` to `old`, each picture once; a later caption of the same picture wins."""
    by_hash = {picture.sha256: picture for picture in old}
    for picture in new:
        kept = by_hash.get(picture.sha256)
        by_hash[picture.sha256] = picture if kept is None or picture.caption else kept
    return tuple(by_hash.values())
