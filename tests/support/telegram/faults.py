"""Troubles a test arms: the next calls of a method are refused, lost on the way back, or kept waiting."""

import asyncio
from collections import defaultdict, deque
from dataclasses import dataclass, field

from tests.support.telegram.answers import Refusal, too_many


@dataclass(frozen=True, slots=True)
class Fault:
    """`lost`: the call is carried out and its answer never arrives. `gate`: it waits until that opens.

    `chat`: it befalls calls about that chat only.
    """

    refusal: Refusal | None = None
    lost: bool = False
    gate: asyncio.Event | None = None
    chat: int | None = None


@dataclass(slots=True)
class Faults:
    """By method, in the order they were armed. `struck` names each that came true."""

    struck: list[str] = field(default_factory=list)
    _armed: dict[str, deque[Fault]] = field(default_factory=lambda: defaultdict(deque))

    def refuse(self, method: str, refusal: Refusal, times: int = 1, chat: int | None = None) -> None:
        self._armed[method].extend([Fault(refusal=refusal, chat=chat)] * times)

    def flood(self, method: str, seconds: int, times: int = 1, chat: int | None = None) -> None:
        self.refuse(method, too_many(seconds), times, chat)

    def fail(self, method: str, times: int = 1, chat: int | None = None) -> None:
        self.refuse(method, Refusal(502, "Bad Gateway"), times, chat)

    def lose(self, method: str, times: int = 1, chat: int | None = None) -> None:
        self._armed[method].extend([Fault(lost=True, chat=chat)] * times)

    def hold(self, method: str, chat: int | None = None) -> asyncio.Event:
        """The next call waits until the event is set; a bot that dies meanwhile is noticed."""
        gate = asyncio.Event()
        self._armed[method].append(Fault(gate=gate, chat=chat))
        return gate

    def strike(self, method: str, chat: int) -> Fault:
        """What befalls this call."""
        armed = self._armed.get(method, deque())
        for fault in armed:
            if fault.chat in {None, chat}:
                armed.remove(fault)
                self.struck.append(method)
                return fault
        return NOTHING

    def armed(self, chat: int) -> bool:
        """Whether something still waits for calls about `chat`."""
        return any(fault.chat == chat for armed in self._armed.values() for fault in armed)

    @property
    def left(self) -> list[str]:
        """What was armed and never struck."""
        return [method for method, armed in self._armed.items() for _ in armed]


NOTHING = Fault()
