"""FLUX.1: dev, and schnell, which shares its modules but is distilled (facts/aitoolkit.md 5.2, loading.md 2)."""

from collections.abc import Iterator
from typing import Final

from pipeline.trainers.bases.row import HOME, ROOM_24, Base, Part, Rung

WIDTH: Final = 3072
SQUARE: Final = ("to_q", "to_k", "to_v", "to_out.0", "add_q_proj", "add_k_proj", "add_v_proj", "to_add_out")
FILES: Final = (  # never the whole repo: it holds its weights twice
    "model_index.json", "scheduler/*", "transformer/*", "vae/*",
    "text_encoder/*", "text_encoder_2/*", "tokenizer/*", "tokenizer_2/*",
)  # fmt: skip
ADAPTER: Final = "pytorch_lora_weights.safetensors"


def modules() -> Iterator[tuple[str, tuple[int, int]]]:
    """The 494 modules a LoRA touches."""
    d = WIDTH
    for n in range(19):
        block = f"transformer_blocks.{n}"
        yield from ((f"{block}.attn.{name}", (d, d)) for name in SQUARE)
        yield from ((f"{block}.{ff}.net.0.proj", (d, 4 * d)) for ff in ("ff", "ff_context"))
        yield from ((f"{block}.{ff}.net.2", (4 * d, d)) for ff in ("ff", "ff_context"))
        yield from ((f"{block}.{norm}.linear", (d, 6 * d)) for norm in ("norm1", "norm1_context"))
    for n in range(38):
        block = f"single_transformer_blocks.{n}"
        yield from ((f"{block}.attn.{name}", (d, d)) for name in ("to_q", "to_k", "to_v"))
        yield f"{block}.proj_mlp", (d, 4 * d)
        yield f"{block}.proj_out", (5 * d, d)
        yield f"{block}.norm.linear", (d, 3 * d)


MODULES: Final = dict(modules())
ROWS: Final = (
    Base(
        id="flux1-dev",
        title="FLUX.1-dev",
        arch="flux",
        version="flux.1",
        parts=(Part("black-forest-labs/FLUX.1-dev", FILES, HOME),),
        gated=True,
        download_gb=33.7,
        disk_gb=120,
        vram_mb=ROOM_24,
        ram_told_mb=30_000,  # its transformer lies there in whole before it is quantized: 24 GB
        step_factor=1.0,
        scheduler="flowmatch",
        guidance=4.0,
        sample_steps=20,
        quantize=True,
        prefix="transformer.",
        modules=MODULES,
        card_base="black-forest-labs/FLUX.1-dev",
        license="other",
        license_name="flux-1-dev-non-commercial-license",
        license_link="https://huggingface.co/black-forest-labs/FLUX.1-dev/blob/main/LICENSE.md",
    ),
    Base(
        id="flux1-schnell",
        title="FLUX.1-schnell",
        arch="flux",
        version="flux.1",
        parts=(
            Part("black-forest-labs/FLUX.1-schnell", FILES, HOME),
            Part("ostris/FLUX.1-schnell-training-adapter", (ADAPTER,), "assistant"),
        ),
        assistant=f"assistant/{ADAPTER}",
        assistant_at_hub="ostris/FLUX.1-schnell-training-adapter",
        gated=True,
        download_gb=34.1,
        disk_gb=120,
        vram_mb=ROOM_24,
        ram_told_mb=30_000,  # its transformer lies there in whole before it is quantized: 24 GB
        ladder=(Rung(24_000), Rung(0, low_vram=True), Rung(0, low_vram=True, cache_text=True)),
        # ^ fusing the adapter takes seconds on the card and minutes beside it: low_vram only where it must be
        step_factor=1.0,
        scheduler="flowmatch",
        guidance=1.0,
        sample_steps=4,
        quantize=True,
        prefix="transformer.",
        modules=MODULES,
        card_base="black-forest-labs/FLUX.1-schnell",
        license="apache-2.0",
    ),
)
