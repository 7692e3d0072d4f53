"""One request to the Bot API, read in any of the forms it may come in."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import BodyPartReader, web

from tests.support.telegram.answers import bad, too_large
from tests.support.telegram.files import UPLOAD_MAX

LOCAL_MAX: Final = 2_000_000_000


@dataclass(frozen=True, slots=True)
class Upload:
    name: str
    data: bytes


@dataclass(slots=True)
class Call:
    """`status` and `result` are there once it was answered."""

    method: str
    params: dict[str, str]
    uploads: dict[str, Upload] = field(default_factory=dict)
    at: float = 0.0  # loop time of its arrival
    status: int = 0
    answer: Mapping[str, Any] = field(default_factory=dict)

    def text(self, name: str, default: str = "") -> str:
        return self.params.get(name, default)

    def number(self, name: str, default: int = 0) -> int:
        raw = self.params.get(name, "")
        try:
            return int(raw) if raw else default
        except ValueError:
            raise bad(f'parameter "{name}" must be a number') from None

    def flag(self, name: str) -> bool:
        return self.params.get(name, "").lower() in {"true", "1"}

    def json(self, name: str, default: Any = None) -> Any:
        raw = self.params.get(name, "")
        if not raw:
            return default
        try:
            return json.loads(raw)
        except ValueError:
            raise bad(f"can't parse {name}: it is no JSON") from None

    def upload(self, name: str) -> Upload | None:
        """The file sent as `name`, directly or by attach://."""
        if name in self.uploads:
            return self.uploads[name]
        return self.attached(self.text(name))

    def attached(self, said: str) -> Upload | None:
        return self.uploads.get(said.removeprefix("attach://")) if said.startswith("attach://") else None


async def read(request: web.Request, method: str, *, local: bool) -> Call:
    """The call in `request`. Raises Refusal 413 for a file no bot may send."""
    params = dict(request.query)
    uploads: dict[str, Upload] = {}
    if request.content_type == "application/json":
        body = await request.json()
        params |= {key: value if isinstance(value, str) else json.dumps(value) for key, value in body.items()}
    elif request.content_type == "multipart/form-data":
        await _parts(request, params, uploads, LOCAL_MAX if local else UPLOAD_MAX)
    elif request.can_read_body:
        params |= {key: str(value) for key, value in (await request.post()).items()}
    return Call(method, params, uploads)


async def _parts(request: web.Request, params: dict[str, str], uploads: dict[str, Upload], most: int) -> None:
    over = False
    async for part in await request.multipart():
        assert isinstance(part, BodyPartReader)
        assert part.name is not None
        if part.filename is None:
            params[part.name] = await part.text()
            continue
        data = bytearray()
        while chunk := await part.read_chunk(1 << 20):  # read to its end even if refused, or the client sees a reset
            over = over or len(data) + len(chunk) > most
            data += b"" if over else chunk
        uploads[part.name] = Upload(part.filename, bytes(data))
    if over:
        raise too_large()
