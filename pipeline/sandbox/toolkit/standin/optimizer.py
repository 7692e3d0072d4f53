"""optimizer.pt: a captured one is written, and what would be unpickled is looked at before it counts as loaded."""

import pickletools
import zipfile
from pathlib import Path
from typing import Final

from .voice import say

CAPTURED: Final = Path(__file__).parent.parent / "optimizer.pt"  # of a real adamw8bit run
TORCH_TYPES: Final = ("torch.", "torch._utils.", "collections.")
CORRUPT: Final = "PytorchStreamReader failed reading zip archive: failed finding central directory."


def load(path: Path) -> None:
    """Say how it went; a broken or hostile file means a fresh optimizer, and rc 0 all the same."""
    if not path.exists():
        return
    say(f"Loading optimizer state from {path}")
    refused = _refusal(path)
    if refused:
        say(f"Failed to load optimizer state from {path}\n{refused}")
    say("Updating optimizer LR from params")


def _refusal(path: Path) -> str | None:
    try:
        with zipfile.ZipFile(path) as archive:
            name = next(name for name in archive.namelist() if name.endswith("/data.pkl"))
            opcodes = [(code.name, argument) for code, argument, _ in pickletools.genops(archive.read(name))]
    except (OSError, ValueError, StopIteration, zipfile.BadZipFile):
        return CORRUPT
    named = [str(argument).replace(" ", ".") for code, argument in opcodes if code == "GLOBAL"]
    strange = next((one for one in named if not one.startswith(TORCH_TYPES)), None)
    if strange is None and not any(code in ("STACK_GLOBAL", "INST", "OBJ") for code, _ in opcodes):
        return None
    return f"Weights only load failed.\n\nTrying to load unsupported GLOBAL {strange or 'by stack'}"
