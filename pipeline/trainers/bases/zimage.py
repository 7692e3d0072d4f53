"""Z-Image-Turbo: distilled, so it trains on top of an adapter that is taken away again for use."""

from collections.abc import Iterator
from typing import Final

from pipeline.trainers.bases.row import HOME, ROOM_24, Base, Part, Rung

WIDTH: Final = 3840
ADAPTER: Final = "zimage_turbo_training_adapter_v2.safetensors"


def modules() -> Iterator[tuple[str, tuple[int, int]]]:
    """The 240 modules a LoRA touches; the refiners stay untrained."""
    d, ff = WIDTH, 10_240
    for n in range(30):
        block = f"layers.{n}"
        yield from ((f"{block}.attention.{name}", (d, d)) for name in ("to_q", "to_k", "to_v", "to_out.0"))
        yield f"{block}.feed_forward.w1", (d, ff)
        yield f"{block}.feed_forward.w2", (ff, d)
        yield f"{block}.feed_forward.w3", (d, ff)
        yield f"{block}.adaLN_modulation.0", (256, 4 * d)


ROWS: Final = (
    Base(
        id="zimage-turbo",
        title="Z-Image-Turbo",
        arch="zimage",
        version="zimage",
        parts=(
            Part(
                "Tongyi-MAI/Z-Image-Turbo",
                ("model_index.json", "scheduler/*", "transformer/*", "vae/*", "text_encoder/*", "tokenizer/*"),
                HOME,
            ),
            Part("ostris/zimage_turbo_training_adapter", (ADAPTER,), "assistant"),
        ),
        assistant=f"assistant/{ADAPTER}",
        assistant_at_hub=f"ostris/zimage_turbo_training_adapter/{ADAPTER}",
        gated=False,
        download_gb=33.2,  # its transformer is stored in F32 at the hub (24.6 GB), not in bf16
        disk_gb=120,
        vram_mb=ROOM_24,
        ram_told_mb=30_000,  # its transformer lies there in whole before it is quantized: 24 GB
        ladder=(Rung(0, low_vram=True), Rung(0, low_vram=True, cache_text=True)),
        step_factor=0.7,  # an estimate: half of the parameters
        scheduler="flowmatch",
        timestep="weighted",
        guidance=1.0,
        sample_steps=9,
        quantize=True,
        prefix="diffusion_model.",
        modules=dict(modules()),
        card_base="Tongyi-MAI/Z-Image-Turbo",
        license="apache-2.0",
    ),
)
