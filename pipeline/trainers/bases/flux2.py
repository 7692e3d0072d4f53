"""FLUX.2-klein 4B. The toolkit wants single files, not a diffusers folder, and its text encoder by hub id."""

from collections.abc import Iterator
from typing import Final

from pipeline.trainers.bases.row import HOME, ROOM_24, Base, Part, Rung

WIDTH: Final = 3072


def modules() -> Iterator[tuple[str, tuple[int, int]]]:
    """The 80 modules a LoRA touches."""
    d = WIDTH
    for n in range(5):
        for side in ("img", "txt"):
            block = f"double_blocks.{n}.{side}"
            yield f"{block}_attn.qkv", (d, 3 * d)
            yield f"{block}_attn.proj", (d, d)
            yield f"{block}_mlp.0", (d, 6 * d)
            yield f"{block}_mlp.2", (3 * d, d)
    for n in range(20):
        yield f"single_blocks.{n}.linear1", (d, 9 * d)
        yield f"single_blocks.{n}.linear2", (4 * d, d)


ROWS: Final = (
    Base(
        id="flux2-klein-4b",
        title="FLUX.2-klein 4B",
        arch="flux2_klein_4b",
        version="flux2_klein_4b",
        parts=(
            Part("black-forest-labs/FLUX.2-klein-base-4B", ("flux-2-klein-base-4b.safetensors",), HOME),
            Part("ai-toolkit/flux2_vae", ("ae.safetensors",), HOME),  # looked for beside the transformer first
            Part("Qwen/Qwen3-4B", ("*.json", "*.safetensors", "merges.txt")),  # hard-coded id: from the cache
        ),
        gated=False,
        download_gb=16.2,
        disk_gb=100,
        vram_mb=ROOM_24,  # it should do with less; nobody measured how much
        ladder=(Rung(0, low_vram=True), Rung(0, low_vram=True, cache_text=True)),
        step_factor=0.5,  # an estimate: a third of the parameters
        scheduler="flowmatch",
        timestep="weighted",
        guidance=4.0,
        sample_steps=25,
        passes=2,
        quantize=True,
        prefix="diffusion_model.",
        modules=dict(modules()),
        card_base="black-forest-labs/FLUX.2-klein-base-4B",
        license="apache-2.0",
    ),
)
