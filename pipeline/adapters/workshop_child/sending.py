"""Task `inspect`: what a person sent becomes pictures as we keep them, captioned, in order, and what was wrong."""

import os
import re
import stat
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, Final

from pipeline.adapters.workshop_child import MOST_CAPTION, archive, entries, pictures
from pipeline.adapters.workshop_child.entries import Broken, Entry, Meter
from pipeline.domain.dataset import MOST, Finding, Inspection, Picture
from pipeline.domain.faults import Fact, UserFault
from pipeline.domain.ids import Sha256
from pipeline.domain.text import clean, line

SMALL, TINY = 256, 64  # pixels of the shorter side: worth a word, of no use
MOST_CAPTION_FILE: Final = 64 * 1024
MOST_PICTURE: Final = 64 * 1024**2  # bytes
MOST_CANDIDATES: Final = 2 * MOST  # decoding takes time: what is far too much is refused before
MOST_FINDINGS: Final = 200
QUALITY: Final = 95

_PHOTOS: Final = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".heic", ".heif", ".hif"})
_OTHER_PICTURES: Final = frozenset(
    {".gif", ".bmp", ".tif", ".tiff", ".avif", ".svg", ".psd", ".dng", ".cr2", ".nef", ".arw"}
)
_ARCHIVES: Final = frozenset({".zip", ".rar", ".7z", ".tar", ".gz", ".tgz", ".bz2", ".xz"})
_PHOTO_STARTS: Final = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|RIFF....WEBP|....ftyp(?:hei[cxms]|hev[cxms]|mif1|msf1)", re.DOTALL
)
_OTHER_STARTS: Final = re.compile(rb"GIF8|BM|II\*\0|MM\0\*|....ftypavi[fs]|%!PS|8BPS", re.DOTALL)
_ZIP_STARTS: Final = (b"PK\3\4", b"PK\5\6")
_BOMS: Final = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))  # the Notepad of 2005
_DIGITS: Final = re.compile(r"([0-9]+)")


@dataclass(slots=True)
class _Table:
    """What has been found so far."""

    kept: dict[str, Picture] = field(default_factory=dict)  # by hash, in order
    findings: list[Finding] = field(default_factory=list)
    captions: dict[str, Entry] = field(default_factory=dict)  # by key
    used: set[str] = field(default_factory=set)

    def note(self, code: str, entry: Entry, **facts: Fact) -> None:
        self.findings.append(Finding(code, line(entry.path.name, 80), facts))

    @contextmanager
    def noting(self, entry: Entry) -> Iterator[None]:
        try:
            yield
        except Broken as broken:
            self.note(broken.code, entry, **broken.facts)


def inspect(request: dict[str, Any]) -> dict[str, Any]:
    source, into = request["source"], request["into"]
    meter = Meter()
    try:
        mode = os.stat(source).st_mode  # noqa: PTH116  # strings all the way
    except FileNotFoundError:
        raise UserFault("file-missing") from None
    if stat.S_ISDIR(mode):
        return _told(_sift(entries.walk(source, meter), into))
    with open(source, "rb") as file:  # noqa: PTH123  # as above
        start = file.read(32)
        if start.startswith(_ZIP_STARTS):
            return _told(_sift(archive.members(file, meter), into))
    if not (_PHOTO_STARTS.match(start) or _OTHER_STARTS.match(start)):
        raise UserFault("not-an-archive")
    return _told(_sift([entries.one(source, meter)], into, alone=True))


def _told(inspection: Inspection) -> dict[str, Any]:
    return {
        "pictures": [
            [picture.sha256, picture.width, picture.height, picture.size, picture.caption, picture.name]
            for picture in inspection.pictures
        ],
        "findings": [[finding.code, finding.name, dict(finding.facts)] for finding in inspection.findings],
    }


def _sift(found: Iterable[Entry], into: str, *, alone: bool = False) -> Inspection:
    table = _Table()
    candidates: list[Entry] = []
    for entry in sorted(_few(found), key=_order):
        suffix = entry.path.suffix.casefold()
        if suffix == ".txt":
            table.captions.setdefault(_key(entry.path.with_suffix("").as_posix()), entry)
        elif alone or suffix in _PHOTOS:
            candidates.append(entry)
        else:
            table.note(_strange(suffix), entry)
    if len(candidates) > MOST_CANDIDATES:
        raise UserFault("dataset-too-large", have=len(candidates), most=MOST)
    for entry in candidates:
        with table.noting(entry):
            _take(entry, table, into)
    for key, entry in table.captions.items():
        if key not in table.used:
            table.note("orphan-caption", entry)
    if not table.kept and not table.findings:
        raise UserFault("archive-empty")
    return Inspection(tuple(table.kept.values()), _shortened(table.findings))


def _few(found: Iterable[Entry]) -> list[Entry]:
    visible = list(islice((entry for entry in found if not entry.hidden), archive.MOST_ENTRIES + 1))
    if len(visible) > archive.MOST_ENTRIES:
        raise UserFault("archive-too-big")
    return visible


def _strange(suffix: str) -> str:
    if suffix in _OTHER_PICTURES:
        return "unsupported-picture"
    return "nested-archive" if suffix in _ARCHIVES else "unsupported-file"


def _shortened(findings: list[Finding]) -> tuple[Finding, ...]:
    if len(findings) <= MOST_FINDINGS:
        return tuple(findings)
    return (*findings[:MOST_FINDINGS], Finding("more-findings", facts={"count": len(findings) - MOST_FINDINGS}))


def _take(entry: Entry, table: _Table, into: str) -> None:
    """Keep one picture, or note why not."""
    data = entry.read(MOST_PICTURE)
    if _OTHER_STARTS.match(data):
        raise Broken("unsupported-picture")
    image = pictures.decode(data, pictures.PHOTOS, least_side=TINY)
    encoded = pictures.jpeg(image, QUALITY)
    name = line(entry.path.name, 80)
    caption = _caption(entry, table)
    sha256 = pictures.digest(encoded)
    if twin := table.kept.get(sha256):
        table.note("repeated-picture", entry, same=twin.name)
        if caption and not twin.caption:
            table.kept[sha256] = replace(twin, caption=caption)
        return
    pictures.write(encoded, f"{into}/{sha256}.jpg")
    if min(image.size) < SMALL:
        table.note("small-picture", entry, width=image.width, height=image.height)
    table.kept[sha256] = Picture(
        sha256=Sha256(sha256), width=image.width, height=image.height, size=len(encoded), caption=caption, name=name
    )


def _caption(entry: Entry, table: _Table) -> str:
    """The text beside a picture: photo.txt, or photo.jpg.txt."""
    for stem in (entry.path.with_suffix(""), entry.path):
        key = _key(stem.as_posix())
        if (beside := table.captions.get(key)) is not None:
            table.used.add(key)
            with table.noting(beside):
                return _text(beside, table)
    return ""


def _text(entry: Entry, table: _Table) -> str:
    data = entry.read(MOST_CAPTION_FILE)
    encoding = next((name for bom, name in _BOMS if data.startswith(bom)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        text = data.decode("cp1252", "replace")
        table.note("caption-encoding", entry)
    text = clean(text.replace("\t", " "), MOST_CAPTION + 1).strip()
    if len(text) > MOST_CAPTION:
        table.note("long-caption", entry, most=MOST_CAPTION)
    return text[:MOST_CAPTION].strip()


def _key(stem: str) -> str:
    """What a picture and its caption share: é is one letter or two, and IMG_1.JPG comes with img_1.txt."""
    return unicodedata.normalize("NFC", stem.casefold())


def _order(entry: Entry) -> tuple[tuple[int, str], ...]:
    """2.jpg before 10.jpg. Digits are compared by length, then by letters: int() of 5,000 digits is refused."""
    parts = _DIGITS.split(_key(entry.path.as_posix()))  # text and digits in turn
    return tuple(
        (len(part.lstrip("0")), part.lstrip("0")) if place % 2 else (0, part) for place, part in enumerate(parts)
    )
