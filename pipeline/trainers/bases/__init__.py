"""Base models as rows: what a LoRA can be trained on. Adding a base is adding a row.

Not here, and why: Wan writes two files a save, and nothing of ours takes more than one.
"""

from collections.abc import Mapping
from typing import Final

from pipeline.domain.faults import UserFault
from pipeline.trainers.bases import flux1, flux2, qwen, sdxl, zimage
from pipeline.trainers.bases.row import HOME, PEFT, Base, Part, Rung

__all__ = ["BASES", "HOME", "PEFT", "Base", "Part", "Rung", "base"]

BASES: Final[Mapping[str, Base]] = {
    row.id: row for row in (*flux1.ROWS, *flux2.ROWS, *qwen.ROWS, *sdxl.ROWS, *zimage.ROWS)
}


def base(name: str) -> Base:
    """Find a base. Raises UserFault("unknown-base") with the names there are."""
    if name not in BASES:
        raise UserFault("unknown-base", got=name[:40], known=", ".join(BASES))
    return BASES[name]
