"""Signed links: who may add pictures for an hour, which paid model may be fetched for a day.

A token is `what.seal`: what it says in base64, and an HMAC over its kind and that. Nothing is stored when a link is
made; that an upload link was opened is, so that it works once, restarts or not.
"""

import base64
import hashlib
import hmac
import json
import os
import re
import secrets
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from pipeline.domain.ids import Identity, JobId
from pipeline.domain.job import Address, Job
from pipeline.domain.stage import End, Stage
from pipeline.flow.journal import load_job
from pipeline.flow.records import ms
from pipeline.ports import Clock, Store

LIFE: Final = timedelta(hours=1)  # of an upload link, and of a page at which nothing happens
LONGEST: Final = timedelta(hours=6)  # of a page at which something does: 2 GB over 1 Mbit/s take five
MODEL_LIFE: Final = timedelta(days=1)
LONGEST_TOKEN: Final = 4096  # letters that are looked at
PAID: Final = frozenset({Stage.PUBLISH, Stage.REGISTER, Stage.DONE})  # what comes after BILL
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """Who a link was made for: it fills this person's draft, and this chat counts the pictures."""

    link: str
    identity: Identity
    address: Address
    made: datetime
    until: datetime
    back: str = ""  # an address that leads back to that chat, if it has one


class Links:
    """Port Pages, and its judge."""

    def __init__(self, store: Store, clock: Clock, key: bytes, public_url: str) -> None:
        self._store, self._clock, self._key = store, clock, key
        self._base = public_url.rstrip("/")

    # --- upload links

    async def upload_link(self, identity: Identity, address: Address, back: str = "") -> str:
        """See the port. The secret part stands behind `#`, which no server and no preview is ever sent."""
        guest = self.guest(identity, address, back)
        return f"{self._base}/upload?lang={quote(address.locale)}#{self._sealed('upload', _told(guest))}"

    def guest(self, identity: Identity, address: Address, back: str = "") -> Guest:
        """A new guest, for an hour from now."""
        now = self._clock.now().replace(microsecond=0)
        return Guest(
            link=secrets.token_urlsafe(12), identity=identity, address=address, made=now, until=now + LIFE, back=back
        )  # fmt: skip

    async def opened(self, token: str, browser: str) -> Guest | None:
        """The guest of an upload link; None when it is none, is too old, or another browser opened it before.

        The first `browser` (a secret it made up) may ask again: its first answer may have been lost on the way.
        """
        guest = self._guest("upload", token)
        if guest is None:
            return None
        seen = hashlib.sha256(browser.encode()).hexdigest()
        opened = {"link": guest.link, "browser": seen, "until_ms": ms(guest.until)}
        if await self._store.create("links", guest.link, opened):
            return guest
        doc = await self._store.get("links", guest.link)
        return guest if doc is not None and doc["browser"] == seen else None

    def session(self, guest: Guest) -> str:
        """What `guest` shows at each further request, good for an hour from now."""
        until = min(self._clock.now() + LIFE, guest.made + LONGEST)
        return self._sealed("session", _told(replace(guest, until=until)))

    def of_session(self, token: str) -> Guest | None:
        return self._guest("session", token)

    # --- models

    async def download_link(self, job: JobId) -> str | None:
        """See the port."""
        stored = await load_job(self._store, job)
        if stored is None or not deliverable(stored):
            return None
        until = self._clock.now() + MODEL_LIFE
        return f"{self._base}/model/{self._sealed('model', [job, int(until.timestamp())])}"

    async def paid_job(self, token: str) -> Job | None:
        """The job whose weights `token` opens; None for whatever reason it does not."""
        said = self._unsealed("model", token)
        if said is None or datetime.fromtimestamp(said[1], UTC) <= self._clock.now():
            return None
        job = await load_job(self._store, JobId(said[0]))
        return job if job is not None and deliverable(job) else None

    async def sweep(self, now: datetime) -> None:
        """Forget which links were opened, once they are too old to be opened again."""
        for doc in await self._store.find("links", below={"until_ms": ms(now)}, limit=1000):
            await self._store.delete("links", doc["link"])

    # --- tokens

    def _guest(self, kind: str, token: str) -> Guest | None:
        said = self._unsealed(kind, token)
        if said is None:
            return None
        link, identity, platform, chat, locale, made, until, back = said
        guest = Guest(
            link=link, identity=Identity(identity), address=Address(platform, chat, locale), back=back,
            made=datetime.fromtimestamp(made, UTC), until=datetime.fromtimestamp(until, UTC),
        )  # fmt: skip
        return guest if self._clock.now() < guest.until else None

    def _sealed(self, kind: str, said: list[str | int]) -> str:
        what = _b64(json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode())
        return f"{what}.{_b64(self._seal(kind, what))}"

    def _unsealed(self, kind: str, token: str) -> list[Any] | None:
        """What we once sealed: its form needs no further check."""
        if len(token) > LONGEST_TOKEN or not _TOKEN.fullmatch(token):
            return None
        what, _, seal = token.partition(".")
        if not hmac.compare_digest(seal, _b64(self._seal(kind, what))):
            return None
        said: list[Any] = json.loads(base64.urlsafe_b64decode(what + "=" * (-len(what) % 4)))
        return said

    def _seal(self, kind: str, what: str) -> bytes:
        return hmac.digest(self._key, f"{kind}.{what}".encode(), "sha256")


def deliverable(job: Job) -> bool:
    """Whether its weights are its owner's: trained, and BILL is done. Who got a refund gets no model."""
    ended = job.ending is not None and job.ending.end in {End.DONE, End.STOPPED}
    return ended and job.stage in PAID and job.artifact is not None


def signing_key(file: Path) -> bytes:
    """The key in `file`, made when it is absent: 32 bytes, 0600. A leaked backup of the store holds none."""
    if not file.exists():
        fresh = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            out.write(secrets.token_bytes(32))
            out.flush()
            os.fsync(out.fileno())
        fresh.rename(file)  # whole or not there at all, whatever happens in between
    return file.read_bytes()


def _told(guest: Guest) -> list[str | int]:
    there = guest.address
    made, until = int(guest.made.timestamp()), int(guest.until.timestamp())
    return [guest.link, guest.identity, there.platform, there.chat, there.locale, made, until, guest.back]


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
