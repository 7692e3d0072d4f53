"""What a workshop's child answers, checked like any other stranger's word before anything is made of it."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pipeline.adapters.workshop_child import MOST_CAPTION
from pipeline.domain.dataset import Finding, Inspection, Picture
from pipeline.domain.faults import Blame, Fact, Fault, HostFault, OperatorFault, UserFault
from pipeline.domain.ids import Sha256
from pipeline.domain.text import clean, line

_HASH: Final = re.compile(r"[0-9a-f]{64}")
_CODE: Final = re.compile(r"[a-z-]{1,40}")
_FAULTS: Final[Mapping[str, type[Fault]]] = {
    Blame.USER.value: UserFault,
    Blame.OPERATOR.value: OperatorFault,
    Blame.HOST.value: HostFault,
}


class Lied(Exception):
    """The child's answer is none."""


def told(said: bytes) -> Any:
    """What the child did. Raises the Fault it told, Lied when it is no answer of ours."""
    try:
        answer = json.loads(said)
        if "done" in answer:
            return answer["done"]
        blame, code, facts = answer["fault"]
        kind, known = _FAULTS[blame], _facts(facts)
    except (ValueError, TypeError, KeyError, RecursionError, AttributeError):
        raise Lied from None
    if not _CODE.fullmatch(code):
        raise Lied
    raise kind(code, **known)


def _facts(facts: Mapping[str, Any]) -> dict[str, Fact]:
    return {
        line(name, 40): value if isinstance(value, int | float) else line(value, 200) for name, value in facts.items()
    }


def inspection(answer: Any, scratch: Path) -> Inspection:
    """Take the child's word only for what can be seen in `scratch`."""
    try:
        pictures = tuple(_picture(scratch, *said) for said in answer["pictures"])
        findings = tuple(
            Finding(_plain_code(code), line(name), _facts(facts)) for code, name, facts in answer["findings"]
        )
    except (ValueError, TypeError, KeyError, AttributeError, OSError):
        raise Lied from None
    return Inspection(pictures, findings)


def _picture(scratch: Path, sha256: str, width: int, height: int, size: int, caption: str, name: str) -> Picture:
    if not _HASH.fullmatch(sha256) or (scratch / f"{sha256}.jpg").lstat().st_size != size:
        raise ValueError(sha256)
    return Picture(
        sha256=Sha256(sha256),
        width=int(width),
        height=int(height),
        size=size,
        caption=clean(caption, MOST_CAPTION),
        name=line(name),
    )


def _plain_code(code: str) -> str:
    if not _CODE.fullmatch(code):
        raise ValueError(code)
    return code


def sized(said: Any, target: Path) -> None:
    if target.lstat().st_size != said:
        raise Lied


def hashed(said: Any) -> Sha256:
    if not isinstance(said, str) or not _HASH.fullmatch(said):
        raise Lied
    return Sha256(said)


def whole(answer: Any, target: Path) -> tuple[Sha256, int]:
    """Check that the file is there as told; its hash and size."""
    try:
        sha256, size = answer
        if not _HASH.fullmatch(sha256) or target.lstat().st_size != size:
            raise Lied
    except (ValueError, TypeError, OSError):
        raise Lied from None
    return Sha256(sha256), size
