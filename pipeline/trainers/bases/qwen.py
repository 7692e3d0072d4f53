"""Qwen-Image, 20 billion parameters: in 8 bits, on 48 GB cards.

The toolkit's 24 GB way (3 bits with an accuracy recovery adapter) is not taken: nobody here saw it run.
"""

from collections.abc import Iterator
from typing import Final

from pipeline.trainers.bases.flux1 import SQUARE
from pipeline.trainers.bases.row import HOME, Base, Part, Rung

WIDTH: Final = 3072


def modules() -> Iterator[tuple[str, tuple[int, int]]]:
    """The 840 modules a LoRA touches. Four of block 59 get no gradient and stay zero (facts/loading.md 6)."""
    d = WIDTH
    for n in range(60):
        block = f"transformer_blocks.{n}"
        yield from ((f"{block}.attn.{name}", (d, d)) for name in SQUARE)
        for side in ("img", "txt"):
            yield f"{block}.{side}_mlp.net.0.proj", (d, 4 * d)
            yield f"{block}.{side}_mlp.net.2", (4 * d, d)
            yield f"{block}.{side}_mod.1", (d, 6 * d)


ROWS: Final = (
    Base(
        id="qwen-image",
        title="Qwen-Image",
        arch="qwen_image",
        version="qwen_image",
        parts=(
            Part(
                "Qwen/Qwen-Image",
                ("model_index.json", "scheduler/*", "transformer/*", "vae/*", "text_encoder/*", "tokenizer/*"),
                HOME,
            ),
        ),
        gated=False,
        download_gb=57.7,
        disk_gb=160,
        vram_mb=45_000,  # a "48 GB" card lists as little as 46,000; 29 GB are weights
        ram_mb=60_000,  # 41 GB of bf16 lie in host memory before they are quantized; else: rc 137 and no word
        ladder=(Rung(0, low_vram=True), Rung(0, low_vram=True, cache_text=True)),
        step_factor=2.0,  # an estimate: the parameters
        scheduler="flowmatch",
        timestep="weighted",
        guidance=3.0,
        sample_steps=25,
        passes=2,
        quantize=True,
        prefix="diffusion_model.",
        modules=dict(modules()),
        card_base="Qwen/Qwen-Image",
        license="apache-2.0",
    ),
)
