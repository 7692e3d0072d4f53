"""From a log's bytes to the lines in it that tell something: most are never looked at. Pure."""

import re
from collections.abc import Iterable
from heapq import heapify, heappop, heapreplace
from typing import Final

LINE_CAP: Final = 4096
CURSOR: Final = re.compile(rb"\x1b\[[0-9;]{0,16}[A-Za-z]")
_RUN: Final = 64  # lines that are compared at once


def cleaned(data: bytes) -> bytes:
    """Whole lines, each cut at LINE_CAP, without cursor codes."""
    kept, at = list[bytes](), 0
    while len(data) - at > LINE_CAP:
        end = data.rfind(b"\n", at, at + LINE_CAP + 1) + 1
        if end:
            kept.append(data[at:end])
            at = end
        else:
            kept.append(data[at : at + LINE_CAP])
            at = data.find(b"\n", at + LINE_CAP)
            at = at if at >= 0 else len(data)
    said = b"".join([*kept, data[at:]])
    return CURSOR.sub(b"", said) if b"\x1b" in said else said


class Telling:
    """Goes from one line with a mark in it to the next. What is between them costs a search, not a step for each."""

    __slots__ = ("ahead", "said")

    def __init__(self, said: bytes, marks: Iterable[bytes]) -> None:
        self.said = said
        self.ahead = [(at, mark) for mark in marks if (at := said.find(mark)) >= 0]  # a heap: where each stands next
        heapify(self.ahead)

    def line(self) -> tuple[int, int]:
        """The next line's first byte and its end. Only while there is something `ahead`."""
        hit = self.ahead[0][0]
        end = self.said.find(b"\n", hit)
        return self.said.rfind(b"\n", 0, hit) + 1, end if end >= 0 else len(self.said)

    def go(self, past: int) -> None:
        """Forget what begins before byte `past`."""
        ahead = self.ahead
        while ahead and ahead[0][0] < past:
            mark = ahead[0][1]
            at = self.said.find(mark, past)
            if at >= 0:
                heapreplace(ahead, (at, mark))
            else:
                heappop(ahead)

    def repeated(self, end: int, line: bytes) -> int:
        """Where the repeats of `line` end that follow upon its `end`."""
        one = b"\n" + line
        many = one * _RUN
        while self.said.startswith(many, end):
            end += len(many)
        while self.said.startswith(one, end):
            end += len(one)
        return end
