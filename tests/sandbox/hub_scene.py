"""A running hub for tests, a child process for the real clients, and a clock that tests move."""

import asyncio
import atexit
import functools
import json
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from pipeline.sandbox.hub import Hub, flux
from pipeline.sandbox.hub.repos import Shelf

FLUX: Final = "black-forest-labs/FLUX.1-dev"
CARD: Final = b"---\nlicense: other\nlicense_name: flux-1-dev-non-commercial-license\n---\n\n# tok\n"


class Hand:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.time = datetime(2026, 11, 24, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time


@dataclass
class Scene:
    hub: Hub
    url: str
    clock: Hand
    folder: Path

    async def run(self, *argv: str, token: str | None = "hf_good", stdin: bytes = b"") -> tuple[int, str, str]:
        """One child process with a fresh HF_HOME: exit code, stdout, stderr."""
        home = self.folder / f"home{len(list(self.folder.glob('home*')))}"
        home.mkdir()
        env = {
            "PATH": "/usr/bin:/bin", "HOME": str(home), "HF_HOME": str(home), "HF_ENDPOINT": self.url,
            "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_UPDATE_CHECK": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1", "NO_COLOR": "1",
        }  # fmt: skip
        if token:
            env["HF_TOKEN"] = token
        pipe = asyncio.subprocess.PIPE
        child = await asyncio.create_subprocess_exec(
            *argv, stdin=pipe, stdout=pipe, stderr=pipe, env=env, cwd=self.folder
        )
        out, err = await child.communicate(stdin)
        assert child.returncode is not None
        return child.returncode, out.decode(), err.decode()

    async def python(self, code: str, token: str | None = "hf_good") -> Any:
        """Run client code that leaves its answer in `said`."""
        head = "import json, sys\nfrom huggingface_hub import *\nfrom huggingface_hub.errors import *\napi = HfApi()\n"
        result, out, err = await self.run(sys.executable, "-c", f"{head}{code}\nprint(json.dumps(said))", token=token)
        assert result == 0, err
        return json.loads(out.splitlines()[-1])


@functools.cache
def laid() -> Path:
    """A hub's folder with the base model in it, made once: its objects never change, so tests share them by links."""
    folder = Path(tempfile.mkdtemp(prefix="hub-"))
    atexit.register(shutil.rmtree, folder)
    flux.lay(Shelf(folder))
    return folder


def on_hub(folder: Path, play: Callable[[Scene], Awaitable[None]], **options: Any) -> None:
    async def whole() -> None:
        if not (folder / "hub").exists():
            shutil.copytree(laid(), folder / "hub", copy_function=os.link)
        clock = Hand()
        hub = Hub(**{"folder": folder / "hub", "speed": 1e6, "clock": clock, "dice": random.Random(7), **options})
        hub.add_token("hf_good", "alice", orgs=("acme",), role="fineGrained")
        hub.add_token("hf_read", "carol", orgs=("acme",), role="read")
        hub.add_token("hf_nogate", "bob", role="fineGrained", gated=False)
        hub.add_token("hf_narrow", "dave", role="fineGrained", reads_gated=False)
        url = await hub.start()
        try:
            await play(Scene(hub, url, clock, folder))
        finally:
            await hub.stop()

    asyncio.run(whole())


def lora(folder: Path, name: str = "tok.safetensors", size: int = 3_000_000) -> Path:
    path = folder / name
    path.write_bytes(random.Random(name).randbytes(size))
    return path
