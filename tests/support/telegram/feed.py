"""Updates on their way to the bot: kept until acknowledged, handed out by long polling or pushed to a webhook."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp

from tests.support.telegram.answers import bad, conflict
from tests.support.telegram.bell import Bell

UNASKED: Final = frozenset({"chat_member", "message_reaction", "message_reaction_count"})  # off unless listed
OTHER_POLL: Final = "terminated by other getUpdates request; make sure that only one bot instance is running"
HOOKED: Final = "can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"
PORTS: Final = frozenset({None, 443, 80, 88, 8443})
MOST: Final = 100
AGAIN: Final = 0.2  # seconds until a webhook that failed is tried again; minutes in life
PUSH_TIMEOUT: Final = 60.0


@dataclass(slots=True)
class Hook:
    url: str
    secret: str
    most: int = 40


@dataclass(slots=True)
class Feed:
    """`proxy`: where a public address really leads, as a reverse proxy in front of the bot would know."""

    bell: Bell
    proxy: dict[str, str] = field(default_factory=dict)
    waiting: list[dict[str, Any]] = field(default_factory=list)
    acknowledged: list[int] = field(default_factory=list)
    delivered: list[dict[str, Any]] = field(default_factory=list)  # acknowledged, whole
    polls: int = 0
    pushes: list[tuple[int, int]] = field(default_factory=list)  # update_id, status
    hook: Hook | None = None
    last_error: str = ""
    _ids: "count[int]" = field(default_factory=lambda: count(1000))
    _allowed: frozenset[str] | None = None
    _polling: asyncio.Event | None = None  # set: this poll is taken over
    _pushing: dict[int, str] = field(default_factory=dict)  # update -> state

    def push(self, kind: str, what: Mapping[str, Any]) -> int | None:
        """Queue one update; its id, or None when the bot did not ask for this kind."""
        if kind in UNASKED if self._allowed is None else kind not in self._allowed:
            return None
        number = next(self._ids)
        self.waiting.append({"update_id": number, kind: what})
        self.bell.ring()
        return number

    def again(self, update: Mapping[str, Any]) -> None:
        """Deliver `update` once more under its own id, as happens when an acknowledgement is lost."""
        self.waiting = sorted([*self.waiting, dict(update)], key=lambda one: int(one["update_id"]))
        self.bell.ring()

    @property
    def pending(self) -> list[int]:
        return [update["update_id"] for update in self.waiting]

    # --- polling

    async def poll(
        self, offset: int, limit: int, seconds: float, allowed: Sequence[str] | None
    ) -> list[dict[str, Any]]:
        """The method getUpdates. Raises Refusal 409 when a webhook is set, or another poll took over."""
        if self.hook is not None:
            raise conflict(HOOKED)
        self.ask(allowed)
        if self._polling is not None:
            self._polling.set()  # the older one ends in a conflict, at once
        taken = self._polling = asyncio.Event()
        self.polls += 1
        self._acknowledge(offset)
        self.bell.ring()
        try:
            await self._something(taken, seconds)
        finally:
            if self._polling is taken:
                self._polling = None
        if taken.is_set():
            raise conflict(OTHER_POLL)
        return self.waiting[: limit or MOST]

    async def _something(self, taken: asyncio.Event, seconds: float) -> None:
        try:
            await self.bell.until(lambda: self.waiting or taken.is_set(), seconds)
        except AssertionError:
            return  # nothing came: an empty answer

    def ask(self, allowed: Sequence[str] | None) -> None:
        """Telegram keeps the last list it was given; an empty one means the default."""
        if allowed is not None:
            self._allowed = frozenset(allowed) or None

    def _acknowledge(self, offset: int) -> None:
        if offset < 0:
            offset = self.waiting[offset:][0]["update_id"] if self.waiting else 0
        done = [update["update_id"] for update in self.waiting if update["update_id"] < offset]
        if done:
            self.acknowledged += done
            self.delivered += [update for update in self.waiting if update["update_id"] < offset]
            self.waiting = [update for update in self.waiting if update["update_id"] >= offset]
            self.bell.ring()

    # --- webhook

    def set_hook(self, hook: Hook, allowed: Sequence[str] | None, *, drop: bool) -> None:
        parts = urlsplit(hook.url)
        if parts.scheme != "https":
            raise bad("bad webhook: An HTTPS URL must be provided for webhook")
        if parts.port not in PORTS:
            raise bad("bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443")
        self.ask(allowed)
        self.waiting = [] if drop else self.waiting
        self.hook = hook
        if self._polling is not None:
            self._polling.set()
        self.bell.ring()

    def drop_hook(self, *, drop: bool) -> None:
        self.hook = None
        self.waiting = [] if drop else self.waiting
        self.bell.ring()

    def about_hook(self) -> dict[str, Any]:
        said: dict[str, Any] = {
            "url": self.hook.url if self.hook else "",
            "has_custom_certificate": False,
            "pending_update_count": len(self.waiting),
        }
        return said | ({"last_error_message": self.last_error} if self.last_error else {})

    async def pushing(self) -> None:
        """Push what is waiting, several at once, until cancelled. Only an answer of 2xx takes an update away."""
        async with aiohttp.ClientSession() as client, asyncio.TaskGroup() as group:
            while True:
                due = await self.bell.until(self._due, None)
                for update in due:
                    self._pushing[update["update_id"]] = "sent"
                    group.create_task(self._push(client, update))

    def _due(self) -> list[dict[str, Any]]:
        if self.hook is None:
            return []
        room = max(0, self.hook.most - len(self._pushing))
        return [update for update in self.waiting if update["update_id"] not in self._pushing][:room]

    async def _push(self, client: aiohttp.ClientSession, update: dict[str, Any]) -> None:
        number = update["update_id"]
        status = await self.deliver(client, update)
        self.pushes.append((number, status))
        if 200 <= status < 300:
            self.waiting = [other for other in self.waiting if other is not update]
            self.acknowledged.append(number)
            self.delivered.append(update)
        else:
            await asyncio.sleep(AGAIN)
        del self._pushing[number]
        self.bell.ring()

    async def deliver(self, client: aiohttp.ClientSession, update: Mapping[str, Any], secret: str | None = None) -> int:
        """One POST to the webhook; the status, 0 when nobody answered. `secret`: another one than was agreed."""
        hook = self.hook
        if hook is None:
            return 0
        agreed = hook.secret if secret is None else secret
        headers = {"X-Telegram-Bot-Api-Secret-Token": agreed} if agreed else {}
        try:
            timeout = aiohttp.ClientTimeout(total=PUSH_TIMEOUT)
            async with client.post(self._really(hook.url), json=update, headers=headers, timeout=timeout) as answer:
                await answer.read()
                self.last_error = (
                    "" if answer.ok else f"Wrong response from the webhook: {answer.status} {answer.reason}"
                )
                return answer.status
        except (aiohttp.ClientError, TimeoutError):
            self.last_error = "Connection refused"
            return 0

    def _really(self, url: str) -> str:
        for public, private in self.proxy.items():
            if url.startswith(public):
                return private + url.removeprefix(public)
        raise AssertionError(f"no proxy leads to {url}")
