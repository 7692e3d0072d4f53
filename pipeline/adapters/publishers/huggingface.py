"""Publish to Hugging Face, through the hub's own client in a child process we can kill."""

import asyncio
import json
import re
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol, cast

from pydantic import SecretStr

from pipeline.adapters.http import need_https
from pipeline.adapters.redact import secrets
from pipeline.domain.faults import OperatorFault
from pipeline.domain.ids import Sha256
from pipeline.domain.text import line
from pipeline.ports import Publisher, Receipt, Release

CHILD: Final = Path(__file__).with_name("huggingface_child.py")
QUICK: Final = 180.0  # seconds for calls without bytes
SLOWEST: Final = 50_000  # bytes a second of an upload
ANSWER_CAP: Final = 1 << 20
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
_FILE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*){0,3}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    endpoint: str
    token: str = field(repr=False)
    namespace: str = ""  # "": the token's user


class HuggingFace:
    """Port Publisher. Every call is a fresh child: killed when its caller is cancelled, gone when we die."""

    name = "huggingface"

    def __init__(self, settings: Settings) -> None:
        """Raises OperatorFault("url-not-https") for a token over plain http."""
        need_https(settings.endpoint)
        secrets.learn(settings.token)
        self._settings = settings
        self._claiming = asyncio.Lock()  # two creations at once make the client spin on a 409 without a pause

    async def claim(self, wanted: str) -> str:
        """OperatorFault: "publish-token", "publish-storage", "publish-name-taken", "publish-down"."""
        if not _NAME.fullmatch(wanted):
            raise ValueError(wanted)
        async with self._claiming:
            said = await self._ask(QUICK, do="claim", wanted=wanted, namespace=self._settings.namespace)
        return line(str(said["repo"]), 200)

    async def publish(self, release: Release) -> Receipt:
        """As claim, and "publish-refused", "publish-repo-missing", "publish-differs" when the read-back is not ours."""
        if not release.files or not all(_FILE.fullmatch(name) for name in release.files):
            raise ValueError(sorted(release.files))
        files = {name: str(path.resolve()) for name, path in release.files.items()}
        size = await asyncio.to_thread(_bytes, release.files)
        said = await self._ask(
            QUICK + size / SLOWEST,
            do="publish", repo=release.repo, files=files, message=release.message, public=release.public,
        )  # fmt: skip
        hashes = {name: Sha256(line(str(digest), 64)) for name, digest in said["sha256"].items()}
        return Receipt(line(str(said["url"]), 300), line(str(said["revision"]), 64), hashes)

    async def withdraw(self, repo: str) -> None:
        await self._ask(QUICK, do="withdraw", repo=repo)

    async def _ask(self, seconds: float, **request: Any) -> dict[str, Any]:
        """One child, one answer. Raises OperatorFault; a child that dies or dawdles is "publish-down"."""
        with tempfile.TemporaryDirectory(prefix="ts-hf-") as home:
            child = await asyncio.create_subprocess_exec(
                sys.executable, "-I", str(CHILD), env=self._environment(home), cwd=home, limit=ANSWER_CAP,
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
            )  # fmt: skip
            assert child.stdin
            assert child.stdout
            try:
                async with asyncio.timeout(seconds):
                    child.stdin.write(json.dumps(request).encode() + b"\n")
                    said = json.loads(await child.stdout.readline())
            except (TimeoutError, ValueError, OSError) as error:
                raise OperatorFault("publish-down", why=type(error).__name__) from None
            finally:
                if child.returncode is None:
                    child.kill()
                await child.wait()
        if "error" in said:
            text = line(secrets.hide(str(said["said"])), 200)
            raise OperatorFault(line(str(said["error"]), 40), status=int(said["status"]), said=text)
        return cast("dict[str, Any]", said)

    def _environment(self, home: str) -> Mapping[str, str]:
        """All that the child may know. A fresh HF_HOME: the client's caches remember what a hub has forgotten."""
        return {
            "HF_ENDPOINT": self._settings.endpoint.rstrip("/"),
            "HF_TOKEN": self._settings.token,
            "HF_HOME": home,
            "HOME": home,
            "HF_HUB_DISABLE_XET": "1",  # its uploads have no end when its storage fails
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_UPDATE_CHECK": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        }


def _bytes(files: Mapping[str, Path]) -> int:
    return sum(path.stat().st_size for path in files.values())


class Configured(Protocol):
    """What the program's settings hold for us."""

    hf_endpoint: str
    hf_token: SecretStr | None
    hf_namespace: str | None


def build(settings: object) -> Publisher | None:
    """The publisher, or None without a token."""
    given = cast("Configured", settings)
    if given.hf_token is None:
        return None
    token = given.hf_token.get_secret_value()
    return HuggingFace(Settings(endpoint=given.hf_endpoint, token=token, namespace=given.hf_namespace or ""))
