"""What the market's tests share: a key and how its file is written."""

import asyncio
from pathlib import Path

import asyncssh

SSH_KEY = asyncssh.generate_private_key("ssh-ed25519")
PUBLIC = SSH_KEY.export_public_key().decode().strip()


async def written(file: Path, text: str) -> None:
    """Wait for a box to have written it; the test's own time limit ends a wait in vain."""
    while not file.exists() or file.read_text() != text:  # noqa: ASYNC110  # the writer is another process
        await asyncio.sleep(0.01)
