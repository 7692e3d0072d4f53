"""A market's end of the line, scripted: handlers in, our client and its faults out."""

import asyncio
import json
import random
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from pipeline.adapters.http import Http
from pipeline.adapters.providers.vast import asks
from pipeline.adapters.providers.vast.client import Line
from pipeline.adapters.providers.vast.market import Vast
from pipeline.domain.faults import Fault
from pipeline.domain.ids import Label
from pipeline.domain.quote import Need
from pipeline.ports import Pace, RentOrder

NEED = Need(
    steps=1000, step_factor=1, model_gb=34, dataset_gb=0.1, image_gb=20, disk_gb=120, vram_mb=23_500,
    setup_seconds=300, sample_seconds=60,
)  # fmt: skip
OFFER = {
    "id": 111, "machine_id": 12, "host_id": 7, "gpu_name": "RTX 4090", "num_gpus": 1, "gpu_frac": 1.0, "gpu_ram": 24564,
    "dph_base": 0.3, "dph_total": 0.325, "storage_cost": 0.15, "inet_down": 900.0, "inet_up": "500.5",
    "inet_down_cost": 0.002, "inet_up_cost": None, "reliability2": 0.97, "verification": "verified", "disk_space": 500,
    "direct_port_count": 100, "driver_version": "580.65.06", "geolocation": "Sweden, SE", "duration": 864000.0,
}  # fmt: skip
ROW = {
    "id": 1001, "machine_id": 12, "actual_status": "running", "intended_status": "running", "cur_state": "running",
    "label": "ts-a-job-1", "public_ipaddr": " 1.1.1.1\n",
    "ports": {"22/tcp": [{"HostIp": "0.0.0.0", "HostPort": "20000"}]},
    "ssh_host": "ssh5.vast.ai", "ssh_port": 10600, "start_date": 1668804745.12, "dph_total": 0.8021, "gpu_ram": 24564,
    "gpu_name": "RTX 4090", "inet_down": 900.0, "image_runtype": "ssh_direc ssh_proxy", "status_msg": None,
}  # fmt: skip
ORDER = RentOrder(label=Label("ts-a-job-1"), image="i:1", disk_gb=120, onstart="touch x", env={"A": "b"})
NOW = datetime(2026, 11, 24, tzinfo=UTC)
Handler = Callable[[httpx.Request], httpx.Response]


def served(handler: Handler) -> httpx.MockTransport:
    """`handler` as a server whose bodies arrive in a stream, as over a socket."""

    def stream(request: httpx.Request) -> httpx.Response:
        reply = handler(request)
        return httpx.Response(reply.status_code, headers=reply.headers, stream=httpx.ByteStream(reply.content))

    return httpx.MockTransport(stream)


def market(handler: Handler, *, patience: float = 0.1) -> Vast:
    http = Http("https://market.example", bearer="key-0123456789", transport=served(handler))
    pace = Pace(0.0001)
    return Vast(Line(http, pace, random.Random(1), patience), pace, local=False)


def answers(*replies: httpx.Response | Exception) -> Handler:
    """A server that gives `replies` one after the other, the last one for ever."""
    left = list(replies)

    def handler(request: httpx.Request) -> httpx.Response:
        reply = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(reply, Exception):
            raise reply
        return httpx.Response(reply.status_code, headers=reply.headers, content=reply.content)

    return handler


def json_reply(body: object, status: int = 200, **headers: str) -> httpx.Response:
    return httpx.Response(status, content=json.dumps(body), headers=headers)


def fault(work: Coroutine[Any, Any, object]) -> Fault:
    with pytest.raises(Fault) as caught:
        asyncio.run(work)
    assert "key-0123456789" not in repr(caught.value)
    return caught.value


def offer() -> Any:
    found = asks.read_offer(OFFER, NEED, local=False)
    assert found
    return found
