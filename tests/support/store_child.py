"""Another process on the same SQLite file: `python -m tests.support.store_child FILE WHAT NAME COUNT`."""

import asyncio
import random
import sys
from pathlib import Path

from pipeline.adapters.clock import SystemClock
from pipeline.adapters.stores.sqlite import Settings, open_store
from pipeline.domain.faults import UserFault
from pipeline.domain.ids import AccountId
from pipeline.flow.ledger import Ledger
from pipeline.flow.records import COLLECTIONS
from pipeline.ports import Store

ANN = AccountId("ann")


def say(what: object) -> None:
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


async def granted(ledger: Ledger, name: str, count: int) -> int:
    """How many of `count` holds of one point at once were granted."""

    async def one(n: int) -> int:
        try:
            await ledger.hold(ANN, f"{name}{n}", 1, job=name)
        except UserFault:
            return 0
        return 1

    async with asyncio.TaskGroup() as group:
        tries = [group.create_task(one(n)) for n in range(count)]
    return sum(task.result() for task in tries)


async def write_for_ever(store: Store, name: str) -> None:
    """Say each write's number when it was acknowledged, and never end."""
    n = 0
    while True:
        await store.create("entries", f"{name}|{n}", {"account": name, "seq": n, "body": "x" * 500})
        say(n)
        n += 1


async def main(file: str, what: str, name: str, count: str) -> None:
    store = await open_store(Settings(path=Path(file), collections=COLLECTIONS))
    say("open")
    await asyncio.to_thread(sys.stdin.readline)  # all children begin together
    match what:
        case "hold":
            say(await granted(Ledger(store, SystemClock(), random.Random(name)), name, int(count)))
        case "write":
            await write_for_ever(store, name)
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
