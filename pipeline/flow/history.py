"""What our own rentals measured, per GPU and per machine: it corrects the table behind every quote and every rent.

Statistics, not money: a stage that is played twice may count twice, and nothing breaks.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from pipeline.domain.ids import MachineId
from pipeline.domain.job import Job
from pipeline.domain.speeds import Known, Mean, Seen
from pipeline.flow.kit import Kit
from pipeline.flow.records import ms
from pipeline.ports import Clock, Store
from pipeline.trainers.bases import base

COLL: Final = "speeds"
CLEAR: Final = 0.05  # real seconds a step: below it a sandbox's own slowness is what was measured
MOST: Final = 2000  # machines we remember at a time, the last seen first
CAS_TRIES: Final = 20


async def learn(
    job: Job, kit: Kit, *, step: float | None = None, mbps: float | None = None, booted: bool | None = None
) -> None:
    """What the job's machine just showed: seconds a step, Mbit/s of the download (both as our clock took them), a boot.

    The one call stages make.
    """
    machine = job.machine
    if machine is None:
        return
    seen = Measured(
        step=None if step is None or step < CLEAR else kit.pace.life(step) / base(job.recipe.base).step_factor,
        link=None if mbps is None or machine.down_mbps <= 0 else mbps * kit.pace.factor / machine.down_mbps,
        boot=None if booted is None else float(booted),
    )
    await History(kit.store, kit.clock).add(machine.machine, machine.gpu, seen)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One look, in life's units; None: not measured."""

    step: float | None = None
    link: float | None = None  # of the claimed bandwidth
    boot: float | None = None


@dataclass(frozen=True, slots=True)
class History:
    store: Store
    clock: Clock

    async def known(self) -> Known:
        gpus = await self.store.find(COLL, equal={"kind": "gpu"}, order="-changed_ms", limit=MOST)
        machines = await self.store.find(COLL, equal={"kind": "machine"}, order="-changed_ms", limit=MOST)
        return Known(
            gpus={doc["name"]: _seen(doc) for doc in gpus},
            machines={MachineId(doc["name"]): _seen(doc) for doc in machines},
        )

    async def add(self, machine: MachineId, gpu: str, measured: Measured) -> None:
        """A machine's own record holds all of it; its GPU's holds what the card decides: the steps."""
        await self._fold("machine", machine, measured)
        if measured.step is not None:
            await self._fold("gpu", gpu, replace(measured, link=None, boot=None))

    async def _fold(self, kind: str, name: str, measured: Measured) -> None:
        key = f"{kind} {name}"
        for _ in range(CAS_TRIES):
            old = await self.store.get(COLL, key)
            before = _seen(old) if old else Seen()
            doc = self._doc(kind, name, before, measured)
            if old is None and await self.store.create(COLL, key, doc):
                return
            if old is not None and await self.store.cas(COLL, key, old["version"], doc):
                return
            await asyncio.sleep(0)

    def _doc(self, kind: str, name: str, before: Seen, measured: Measured) -> dict[str, Any]:
        means = {
            what: _with(getattr(before, what), getattr(measured, what)) for what in ("step", "link", "boot")
        }  # fmt: skip
        pairs = {what: [mean.n, mean.value] for what, mean in means.items()}
        return {"kind": kind, "name": name, "changed_ms": ms(self.clock.now()), **pairs}


def _with(mean: Mean, value: float | None) -> Mean:
    return mean if value is None else mean.seen(value)


def _seen(doc: Mapping[str, Any]) -> Seen:
    return Seen(step=Mean(*doc["step"]), link=Mean(*doc["link"]), boot=Mean(*doc["boot"]))
