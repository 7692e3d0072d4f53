"""A long thin line between a client and a port: delay, a bandwidth shared by all, and bytes counted.

A user-space TCP proxy. Honest about back-pressure: it reads no faster than the line carries, and holds no more than the
line and its buffer would (`HELD` of the delay-bandwidth product); a receiver that does not read stops the sender. What
it does not play: loss, slow start, jitter. `python -m tests.support.wire PORT RTT_MS MBIT` is a line of its own
process, so that its work is not on the loop of whoever is measured: it prints its port, and ends with its input.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

CHUNK: Final = 32 * 1024
HELD: Final = 2.0  # of the delay-bandwidth product: what is on its way, and as much again in the routers' buffers
LEAST_HELD: Final = 256 * 1024
LATE: Final = 0.02  # seconds that a busy machine may wake us late without the line losing what it could have carried


class Lane:
    """One direction. Every connection's bytes queue for the same bandwidth."""

    def __init__(self, delay: float, rate: float) -> None:
        """`delay` in seconds one way, `rate` in bytes a second."""
        self.bytes = 0
        self._delay = delay
        self._rate = rate
        self._free = 0.0
        self.held = max(LEAST_HELD, int(HELD * 2 * delay * rate))

    async def carry(self, size: int) -> float:
        """Wait until `size` bytes have left; answers the loop time at which they arrive."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        self.bytes += size
        busy = now - self._free <= LATE
        self._free = (self._free if busy else now) + size / self._rate
        left = max(self._free, now)
        await asyncio.sleep(self._free - now)
        return left + self._delay


class Wire:
    """Carries connections made to `port` to another port of this machine."""

    def __init__(self, to: int, rtt: float, mbit: float) -> None:
        rate = mbit * 1e6 / 8
        self.up, self.down = Lane(rtt / 2, rate), Lane(rtt / 2, rate)
        self.connections = 0
        self.port = 0
        self._to = to
        self._rtt = rtt
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0, limit=CHUNK)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()

    async def _carry(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await asyncio.sleep(self._rtt)  # SYN and its answer, which loopback gives at once
            far, forth = await asyncio.open_connection("127.0.0.1", self._to, limit=CHUNK)
        except OSError:
            back.close()
            return
        with suppress(OSError, asyncio.CancelledError):
            async with asyncio.TaskGroup() as both:
                both.create_task(self._flow(near, forth, self.up))
                both.create_task(self._flow(far, back, self.down))
        for writer in (back, forth):
            writer.transport.abort()

    async def _flow(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, lane: Lane) -> None:
        """One connection's bytes one way, to its end."""
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(maxsize=max(1, lane.held // CHUNK))
        async with asyncio.TaskGroup() as group:
            group.create_task(_deliver(under_way, writer))
            while chunk := await _read(reader):
                await under_way.put((await lane.carry(len(chunk)), chunk))
            await under_way.put((asyncio.get_running_loop().time(), b""))


async def _read(reader: asyncio.StreamReader) -> bytes:
    """Some bytes; b"" where the connection ended, however it did."""
    try:
        return await reader.read(CHUNK)
    except OSError:
        return b""


async def _deliver(under_way: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
    """Hand over what arrives, when it arrives; b"" ends it."""
    loop = asyncio.get_running_loop()
    while True:
        due, chunk = await under_way.get()
        await asyncio.sleep(due - loop.time())
        if not chunk:
            break
        writer.write(chunk)
        await writer.drain()
    with suppress(OSError):
        writer.write_eof()


@asynccontextmanager
async def wire(to: int, *, rtt: float, mbit: float) -> AsyncIterator[Wire]:
    """A line to port `to`: `rtt` in seconds there and back, `mbit` a second each way."""
    line = Wire(to, rtt, mbit)
    await line.start()
    try:
        yield line
    finally:
        await line.stop()


async def _until_input_ends(to: int, rtt_ms: float, mbit: float) -> None:
    async with wire(to, rtt=rtt_ms / 1000, mbit=mbit) as line:
        print(line.port, flush=True)  # noqa: T201  # how its starter learns the port
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_until_input_ends(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])))
