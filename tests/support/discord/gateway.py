"""Discord's gateway: hello, identify, heartbeats, events in order, RECONNECT and RESUME, and its close codes."""

import asyncio
import json
import secrets
import zlib
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import WSCloseCode, WSMsgType, web

from tests.support.discord import forms
from tests.support.discord.state import BOT_ID, Guild, Json, State

PRIVILEGED: Final = (1 << 1) | (1 << 8) | (1 << 15)  # members, presences, message content
KNOWN: Final = (1 << 17) - 1 | 1 << 20 | 1 << 21 | 1 << 24 | 1 << 25
GUILDS, GUILD_MESSAGES, DIRECT_MESSAGES = 1 << 0, 1 << 9, 1 << 12
A_SHARD: Final = 2500  # servers
HEARTBEAT_MS: Final = 41_250
SENDS_A_MINUTE: Final = 120


class Closed(Exception):
    """The gateway hangs up, with this code."""

    def __init__(self, code: int, words: str = "") -> None:
        self.code = code
        self.words = words
        super().__init__(f"{code} {words}")


@dataclass(slots=True, kw_only=True)
class Session:
    id: str
    intents: int
    shard: tuple[int, int]
    socket: web.WebSocketResponse | None = None
    squeeze: Any = None  # zlib.compressobj: one stream a connection
    seq: int = 0
    events: list[Json] = field(default_factory=list)  # all of them: a RESUME replays from any point
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def holds(self, guild: int | None) -> bool:
        number, of = self.shard
        return (guild >> 22) % of == number if guild else number == 0


class Gateway:
    """`identified` and `resumed` count; `closed_with` are the codes that clients hung up with."""

    def __init__(self, state: State, token: str) -> None:
        self._state = state
        self.token = token
        self.approved = 0  # privileged intents that this app may have
        self.refuse_next: int | None = None  # close code for whoever comes next
        self.sessions: dict[str, Session] = {}
        self.identified: list[Json] = []
        self.resumed = 0
        self.heartbeats = 0
        self.closed_with: list[int | None] = []
        self.hung_up: list[str] = []  # what we closed for

    @property
    def url(self) -> str:
        return self._state.base.replace("http", "ws", 1) + "/gw/"

    @property
    def online(self) -> list[Session]:
        return [one for one in self.sessions.values() if one.socket is not None and one.seq]

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/gw/", self._connected)]

    # --- what tests do to it

    async def reconnect(self) -> None:
        """Op 7: please come back and RESUME."""
        for one in self.online:
            await self._send(one, {"op": 7, "d": None, "s": None, "t": None})

    async def invalidate(self, *, resumable: bool) -> None:
        """Op 9. Not resumable: the session is over."""
        for one in self.online:
            if not resumable:
                del self.sessions[one.id]
            await self._send(one, {"op": 9, "d": resumable, "s": None, "t": None})

    async def drop(self, code: int) -> None:
        """Hang up on everybody."""
        for one in self.online:
            socket, one.socket = one.socket, None
            assert socket is not None
            await socket.close(code=code)

    # --- events

    async def dispatch(self, event: str, data: Json, guild: Guild | None, intent: int = 0) -> None:
        """Send an event to the shard that holds it; one that is away gets it when it resumes."""
        for one in self.sessions.values():
            if one.holds(guild.id if guild else None) and one.intents & intent == intent:
                await self.event(one, event, data)

    async def event(self, session: Session, event: str, data: Json) -> None:
        session.seq += 1
        payload = {"op": 0, "t": event, "s": session.seq, "d": data}
        session.events.append(payload)
        await self._send(session, payload)

    def ring(self) -> None:
        self._state.bell.ring()

    async def _send(self, session: Session, payload: Json) -> None:
        if session.socket is not None:
            await _write(session.socket, session.squeeze, session.lock, payload)

    # --- a connection

    async def _connected(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(max_msg_size=0)
        await socket.prepare(request)
        visit = _Visit(self, socket, zlib.compressobj() if request.query.get("compress") == "zlib-stream" else None)
        try:
            self._admit()
            await visit.serve()
        except Closed as hang_up:
            self.hung_up.append(str(hang_up))
            await socket.close(code=hang_up.code, message=hang_up.words.encode())
        finally:
            self._left(visit)
        return socket

    def _admit(self) -> None:
        if self.refuse_next is not None:
            code, self.refuse_next = self.refuse_next, None
            raise Closed(code)

    def _left(self, visit: "_Visit") -> None:
        session, code = visit.session, visit.socket.close_code
        self.closed_with.append(code)
        if session is not None and session.socket is visit.socket:
            session.socket = None
            if code in {WSCloseCode.OK, WSCloseCode.GOING_AWAY}:
                self.sessions.pop(session.id, None)  # who leaves in peace does not come back
        self._state.bell.ring()

    def check(self, asked: Json) -> tuple[int, tuple[int, int]]:
        """(intents, shard) of an IDENTIFY that is in order. Raises Closed."""
        if asked.get("token") != self.token:
            raise Closed(4004, "Authentication failed.")
        number, of = asked.get("shard") or (0, 1)
        if not 0 <= number < of:
            raise Closed(4010, "Invalid shard.")
        intents = asked.get("intents")
        if not isinstance(intents, int) or intents & ~KNOWN:
            raise Closed(4013, "Invalid intent(s).")
        if intents & PRIVILEGED & ~self.approved:
            raise Closed(4014, "Disallowed intent(s).")
        if len(self._state.guilds) > A_SHARD * of:
            raise Closed(4011, "Sharding required.")
        return intents, (number, of)

    async def greet(self, session: Session) -> None:
        """READY, then every server of the shard."""
        mine = [one for one in self._state.guilds.values() if one.member and session.holds(one.id)]
        ready = {
            "v": 10, "user": forms.me(), "guilds": [{"id": str(one.id), "unavailable": True} for one in mine],
            "session_id": session.id, "resume_gateway_url": self.url, "shard": list(session.shard),
            "application": {"id": str(BOT_ID), "flags": 0}, "session_type": "normal", "private_channels": [],
        }  # fmt: skip
        await self.event(session, "READY", ready)
        if session.intents & GUILDS:
            for one in mine:
                channels = [each for each in self._state.channels.values() if each.guild is one]
                await self.event(session, "GUILD_CREATE", forms.guild(one, channels))
        self._state.bell.ring()


class _Visit:
    """One connection, from hello to its end."""

    def __init__(self, gateway: Gateway, socket: web.WebSocketResponse, squeeze: Any) -> None:
        self._gateway = gateway
        self.socket = socket
        self._squeeze = squeeze
        self._lock = asyncio.Lock()
        self._sends: deque[float] = deque(maxlen=SENDS_A_MINUTE)
        self.session: Session | None = None

    async def serve(self) -> None:
        await self._write({"op": 10, "d": {"heartbeat_interval": HEARTBEAT_MS}, "s": None, "t": None})
        async for frame in self.socket:
            if frame.type is not WSMsgType.TEXT:
                raise Closed(4002, "Error while decoding payload.")
            self._count()
            try:
                payload = json.loads(frame.data)
                await self._heard(payload["op"], payload.get("d"))
            except (ValueError, KeyError):
                raise Closed(4002, "Error while decoding payload.") from None

    async def _write(self, payload: Json) -> None:
        await _write(self.socket, self._squeeze, self.session.lock if self.session else self._lock, payload)

    def _count(self) -> None:
        now = asyncio.get_running_loop().time()
        if len(self._sends) == SENDS_A_MINUTE and now - self._sends[0] < 60:
            raise Closed(4008, "Rate limited.")
        self._sends.append(now)

    async def _heard(self, op: int, data: Any) -> None:
        if op == 1:
            self._gateway.heartbeats += 1
            await self._write({"op": 11, "d": None, "s": None, "t": None})
        elif op == 2:
            await self._identify(data)
        elif op == 6:
            await self._resume(data)
        elif self.session is None:
            raise Closed(4003, "Not authenticated.")
        elif op not in {3, 4, 8}:
            raise Closed(4001, "Unknown opcode.")

    async def _identify(self, data: Json) -> None:
        if self.session is not None:
            raise Closed(4005, "Already authenticated.")
        intents, shard = self._gateway.check(data)
        self._gateway.identified.append(data)
        session = Session(
            id=secrets.token_hex(16), intents=intents, shard=shard, socket=self.socket, squeeze=self._squeeze,
            lock=self._lock,
        )  # fmt: skip
        self.session = self._gateway.sessions[session.id] = session
        await self._gateway.greet(session)

    async def _resume(self, data: Json) -> None:
        session = self._gateway.sessions.get(data["session_id"])
        if data["token"] != self._gateway.token:
            raise Closed(4004, "Authentication failed.")
        if session is None:
            await self._write({"op": 9, "d": False, "s": None, "t": None})
            return
        if data["seq"] > session.seq:
            raise Closed(4007, "Invalid seq.")
        self.session = session
        session.socket, session.squeeze, session.lock = self.socket, self._squeeze, self._lock
        for event in [each for each in session.events if each["s"] > data["seq"]]:
            await self._write(event)
        self._gateway.resumed += 1
        await self._gateway.event(session, "RESUMED", {})
        self._gateway.ring()


async def _write(socket: web.WebSocketResponse, squeeze: Any, lock: asyncio.Lock, payload: Json) -> None:
    """One frame; compressed frames belong to one stream, so their order is the lock's."""
    text = json.dumps(payload, separators=(",", ":"))
    async with lock:
        if socket.closed:
            return
        try:
            if squeeze is None:
                await socket.send_str(text)
            else:
                await socket.send_bytes(squeeze.compress(text.encode()) + squeeze.flush(zlib.Z_SYNC_FLUSH))
        except ConnectionResetError:
            pass  # it went away while we spoke; a RESUME will ask again
