"""All platforms' ears side by side in one process: one that breaks or is shut out leaves the others alone."""

import asyncio
from collections.abc import Mapping
from typing import Final

import structlog

from bot.ports import Ear, Grounds, Hear, Refused
from notifier.words import Words
from pipeline.settings import BadSettings

FRESH: Final = 60.0  # seconds: who is not let in by then was wrong from the start, and the operator is still watching
PAUSE, LONGEST_PAUSE = 2.0, 60.0  # seconds after an ear broke

log = structlog.get_logger()


async def listen(ears: Mapping[str, Ear], hear: Hear, grounds: Mapping[str, Grounds]) -> None:
    """Listen until every ear has ended, or cancelled. Raises BadSettings for one that is not let in."""
    refusals: list[str] = []
    try:
        async with asyncio.TaskGroup() as group:
            for name, ear in ears.items():
                group.create_task(_kept(name, ear, hear, grounds[name], refusals))
    except* BadSettings as bad:
        refusals = [str(one) for one in bad.exceptions]
    if refusals:
        raise BadSettings("\n".join(refusals))


async def _kept(name: str, ear: Ear, hear: Hear, grounds: Grounds, refusals: list[str]) -> None:
    """Let `ear` run, again and again if it breaks. One that is refused late ends alone and is noted."""
    began, pause = asyncio.get_running_loop().time(), PAUSE
    while True:
        try:
            return await ear.run(hear, grounds)
        except Refused as refused:
            why = Words().say(refused.why)
            if asyncio.get_running_loop().time() - began < FRESH:
                raise BadSettings(why) from None
            log.error("ear-refused", platform=name, why=why)  # noqa: TRY400  # the sentence says all
            refusals.append(why)
            return None
        except Exception:  # a bug of one platform; the others go on
            log.exception("ear-broke", platform=name, again_in=pause)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
