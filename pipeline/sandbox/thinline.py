"""The line of a box that is slower than it claims: a tunnel that its curl goes through, one bandwidth for all of it.

Not curl's own --limit-rate: that of 7.88 lets 10 MB of a file through before it begins to count, and no file of the
sandbox's hub is larger.
"""

import asyncio
from contextlib import suppress
from typing import Final, cast

from pipeline.sandbox.hub.pipe import Pipe

LOOPBACK: Final = b"127.0.0.1"
ESTABLISHED: Final = b"HTTP/1.1 200 Connection established\r\n\r\n"


class ThinLine:
    """A proxy that knows CONNECT to this machine and nothing else; `rate` in bytes a second, one way."""

    def __init__(self, rate: float) -> None:
        """Nothing listens before `open`."""
        self._pipe = Pipe(rate)
        self._server: asyncio.Server | None = None
        self._ends: set[asyncio.StreamWriter] = set()
        self._tunnels: set[asyncio.Task[None]] = set()

    async def open(self) -> int:
        """Listen; answers the port."""
        self._server = await asyncio.start_server(self._tunnel, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def close(self) -> None:
        """Cut whoever is in a tunnel."""
        if self._server is not None:
            self._server.close()
        for end in self._ends:
            end.transport.abort()
        if self._tunnels:
            await asyncio.wait(self._tunnels)

    async def _tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        this = cast("asyncio.Task[None]", asyncio.current_task())
        self._tunnels.add(this)
        self._ends.add(writer)
        try:
            with suppress(OSError, ValueError, asyncio.IncompleteReadError):  # an end of the tunnel went away
                head = await reader.readuntil(b"\r\n\r\n")
                verb, where, _ = head.split(b" ", 2)
                host, _, port = where.partition(b":")
                if (verb, host) == (b"CONNECT", LOOPBACK):
                    await self._carry(reader, writer, int(port))
        finally:
            self._ends.discard(writer)
            self._tunnels.discard(this)
            writer.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
        there, to_there = await asyncio.open_connection(LOOPBACK.decode(), port)
        self._ends.add(to_there)
        try:
            writer.write(ESTABLISHED)
            async with asyncio.TaskGroup() as ways:
                up = ways.create_task(self._flow(reader, to_there, thin=False))
                ways.create_task(self._flow(there, writer, thin=True)).add_done_callback(lambda _: up.cancel())
        finally:
            self._ends.discard(to_there)
            to_there.close()

    async def _flow(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, thin: bool) -> None:
        with suppress(OSError):
            while piece := await source.read(self._pipe.piece):
                if thin:
                    await self._pipe.pass_through(len(piece))
                sink.write(piece)
                await sink.drain()
