"""SDXL: a U-Net that predicts noise (ddpm), nothing is quantized, and the LoRA is in kohya's form, with alphas."""

from collections.abc import Iterator
from typing import Final

from pipeline.trainers.bases.row import HOME, KOHYA, ROOM_24, Base, Part, Rung

TEXT: Final = 2048  # width of what both text encoders say
BLOCKS: Final = {  # attentions, layers in each
    "down_blocks_1": (2, 2),
    "down_blocks_2": (2, 10),
    "mid_block": (1, 10),
    "up_blocks_0": (3, 10),
    "up_blocks_1": (3, 2),
}
FILES: Final = (  # never the whole repo: it holds fp16, ONNX, OpenVINO and Flax copies of everything
    "model_index.json", "scheduler/*.json", "tokenizer/*", "tokenizer_2/*",
    "text_encoder/config.json", "text_encoder/model.safetensors",
    "text_encoder_2/config.json", "text_encoder_2/model.safetensors",
    "unet/config.json", "unet/diffusion_pytorch_model.safetensors",
    "vae/config.json", "vae/diffusion_pytorch_model.safetensors",
)  # fmt: skip


def modules() -> Iterator[tuple[str, tuple[int, int]]]:
    """The 722 modules a LoRA touches: every attention and feed-forward layer, no convolution."""
    for block, (attentions, layers) in BLOCKS.items():
        c = 640 if layers == 2 else 1280  # noqa: PLR2004  # the shallow blocks are the wide pictures'
        for n in range(attentions):
            place = f"{block}_attentions_{n}"
            yield f"{place}_proj_in", (c, c)
            yield f"{place}_proj_out", (c, c)
            for layer in range(layers):
                yield from _layer(f"{place}_transformer_blocks_{layer}", c)


def _layer(place: str, c: int) -> Iterator[tuple[str, tuple[int, int]]]:
    yield from ((f"{place}_attn1_{name}", (c, c)) for name in ("to_q", "to_k", "to_v", "to_out_0"))
    yield from ((f"{place}_attn2_{name}", (c, c)) for name in ("to_q", "to_out_0"))
    yield from ((f"{place}_attn2_{name}", (TEXT, c)) for name in ("to_k", "to_v"))
    yield f"{place}_ff_net_0_proj", (c, 8 * c)
    yield f"{place}_ff_net_2", (4 * c, c)


ROWS: Final = (
    Base(
        id="sdxl",
        title="SDXL 1.0",
        arch="sdxl",
        version="sdxl_1.0",
        parts=(Part("stabilityai/stable-diffusion-xl-base-1.0", FILES, HOME),),
        gated=False,
        download_gb=13.9,
        disk_gb=100,
        vram_mb=ROOM_24,  # it should do with less; nobody measured how much
        ladder=(Rung(0),),
        step_factor=0.5,  # an estimate: a fifth of the parameters, and nothing in 8 bits
        scheduler="ddpm",
        guidance=6.0,
        sample_steps=20,
        passes=2,
        quantize=False,
        prefix="lora_unet_",
        halves=KOHYA,
        alpha=True,
        modules=dict(modules()),
        card_base="stabilityai/stable-diffusion-xl-base-1.0",
        license="openrail++",
    ),
)
