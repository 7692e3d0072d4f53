"""How to talk to the market without being shut out: a pause per endpoint, patience with 429, only reads repeated."""

import asyncio
import random
from collections.abc import Mapping
from typing import Any, Final

from pipeline.adapters.http import Http, Reply, Unanswered, reads
from pipeline.adapters.providers.vast import errors
from pipeline.domain.faults import OperatorFault
from pipeline.ports import Pace

# Seconds between two calls of one endpoint (facts/vast.md 6, the market's own x-rate-limit).
GAPS: Final[Mapping[str, float]] = {
    "create": 4.5, "search": 6.0, "list": 1.0, "show": 2.0, "destroy": 3.0, "keys": 1.0, "key": 1.0, "user": 1.0,
}  # fmt: skip
PENALTIES: Final[Mapping[str, float]] = {"create": 12.0}  # seconds after a call that came too early
LONGEST_NAP: Final = 15.0


class Line:
    """One account's line to the market. `patience`: real seconds for which 429 is ridden out, as the market sets it."""

    def __init__(self, http: Http, pace: Pace, dice: random.Random, patience: float = 70.0) -> None:
        self._http = http
        self._pace = pace
        self._dice = dice
        self._patience = patience
        self._free: dict[str, float] = {}

    async def read(self, name: str, method: str, path: str, **request: Any) -> Any:
        """JSON of a call that changes nothing; tried again when no usable answer comes.

        Raises OperatorFault: "market-down", "market-busy", or what the refusal means.
        """
        try:
            return await reads(self._pace)(self._read, name, method, path, **request)
        except Unanswered as error:
            raise OperatorFault("market-down", why=error.why) from None

    async def _read(self, name: str, method: str, path: str, **request: Any) -> Any:
        reply = await self.patient(name, method, path, **request)
        if reply.ok:
            return reply.json()
        fault = errors.refusal(reply)
        if fault.code == "market-down":
            raise Unanswered("unreadable")
        raise fault

    async def patient(self, name: str, method: str, path: str, **request: Any) -> Reply:
        """Any reply but "too fast", which is waited out. For calls that may be repeated. Raises Unanswered."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self._patience
        slow = self._pace.seconds(1.0)
        while True:
            reply = await self.once(name, method, path, **request)
            if reply.status != errors.TOO_FAST:
                return reply
            fault = errors.refusal(reply)
            nap = asked_pause(reply) or slow * (1 + self._dice.random() / 2)
            if fault.code != "market-busy" or loop.time() + nap > end:
                raise fault  # a daily quota is not waited for
            await asyncio.sleep(nap)
            slow = min(2 * slow, LONGEST_NAP)

    async def once(self, name: str, method: str, path: str, **request: Any) -> Reply:
        """One call, sent once, when its endpoint's turn has come. Raises Unanswered."""
        now = asyncio.get_running_loop().time()
        turn = max(now, self._free.get(name, now))
        self._free[name] = turn + self._pace.seconds(GAPS[name])
        await asyncio.sleep(turn - now)
        reply = await self._http.ask(method, path, **request)
        if reply.status == errors.TOO_FAST:
            again = asyncio.get_running_loop().time() + self._pace.seconds(PENALTIES.get(name, 0.0))
            self._free[name] = max(self._free[name], again)
        return reply

    async def close(self) -> None:
        await self._http.close()


def asked_pause(reply: Reply) -> float | None:
    """Seconds the market asks us to wait, by header or body; None when it does not say, or says nonsense."""
    try:
        said: object = reply.json()
    except Unanswered:
        said = None
    in_body = said.get("retry_after") if isinstance(said, Mapping) else None
    for value in (reply.headers.get("retry-after"), in_body):
        try:
            seconds = float(value)  # type: ignore[arg-type]  # None is the TypeError below
        except (TypeError, ValueError):
            continue
        if 0 < seconds < 3600:  # noqa: PLR2004  # an hour: beyond it is a date or a trap, and False for NaN
            return seconds
    return None
