"""The long thin line: it delays, it is no faster than it says, it counts, and a slow reader stops the sender."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from tests.support.wire import Wire, wire

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter, Wire], Awaitable[None]]


def over_a_wire(talk: Talk, *, rtt: float, mbit: float, echo: bool = True) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while echo and (chunk := await reader.read(65536)):
            writer.write(chunk)
            await writer.drain()
        if echo:
            writer.close()
        else:
            await asyncio.sleep(1)
            writer.transport.abort()

    async def scene() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1024)
        async with server, wire(server.sockets[0].getsockname()[1], rtt=rtt, mbit=mbit) as line:
            reader, writer = await asyncio.open_connection("127.0.0.1", line.port)
            await talk(reader, writer, line)
            writer.close()

    asyncio.run(scene())


def test_a_word_and_its_echo_take_a_round_trip() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: Wire) -> None:
        for number in range(3):
            began = time.perf_counter()
            writer.write(b"hello")
            assert await reader.readexactly(5) == b"hello"
            took = time.perf_counter() - began
            assert took >= 0.05
            assert number == 0 or took < 0.3  # the first one waits for the connection, too

    over_a_wire(talk, rtt=0.05, mbit=1000)


def test_it_carries_what_it_says_and_counts_it() -> None:
    size = 1_000_000

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: Wire) -> None:
        began = time.perf_counter()
        writer.write(bytes(size))
        await reader.readexactly(size)
        assert 0.2 <= time.perf_counter() - began < 1.0  # 8 Mbit at 40 Mbit/s
        assert (line.up.bytes, line.down.bytes) == (size, size)

    over_a_wire(talk, rtt=0.002, mbit=40)


def test_an_end_is_carried_too() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: Wire) -> None:
        writer.write(b"last words")
        writer.write_eof()
        assert await reader.read() == b"last words"

    over_a_wire(talk, rtt=0.01, mbit=100)


def test_a_receiver_that_does_not_read_stops_the_sender() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: Wire) -> None:
        writer.write(bytes(64_000_000))
        await asyncio.sleep(0.4)
        assert line.up.bytes < 40_000_000  # the kernel's own buffers of both sockets, and what is held

    over_a_wire(talk, rtt=0.01, mbit=8000, echo=False)
