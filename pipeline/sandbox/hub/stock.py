"""The base models that the sandbox's hub has, by repo: all that the bot can train on."""

from collections.abc import Mapping
from typing import Any, Final

from pipeline.sandbox.hub.flux import ADAPTER, DEV, SCHNELL
from pipeline.sandbox.hub.laying import Stock, Weights, card, pieces, pipeline

WHOLE: Final = "diffusion_pytorch_model"
QWEN_TEXTS: Final[dict[str, Any]] = {
    "vocab.json": {"in": 0, "th": 1},
    "merges.txt": "#version: 0.2\ni n\nt h\n",
}


def _below(folder: str, texts: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{folder}/{path}": said for path, said in texts.items()}


KLEIN: Final = (
    Stock(
        id="black-forest-labs/FLUX.2-klein-base-4B",
        key="6967a1b2c3d4e5f60718293a",
        title="FLUX.2 [klein] 4B",
        weights=(
            Weights("flux-2-klein-base-4b.safetensors", 7_751_109_744, 249),
            Weights(f"transformer/{WHOLE}.safetensors", 7_751_109_744, 249),  # the same again
        ),
        texts={**card("apache-2.0"), "transformer/config.json": {}},
    ),
    Stock(
        id="ai-toolkit/flux2_vae",
        key="6924f1aa0b1c2d3e4f506172",
        title="the VAE",
        weights=(Weights("ae.safetensors", 336_213_556, 251),),
    ),
    Stock(
        id="Qwen/Qwen3-4B",
        key="680fa1c7d2e3f40516273849",
        title="Qwen3 4B",
        weights=pieces("", "model", (3.957900840, 3.987450520, 0.099630640), 399),
        texts={
            **QWEN_TEXTS,
            "config.json": {"architectures": ["Qwen3ForCausalLM"]},
            "generation_config.json": {"do_sample": True},
            "tokenizer_config.json": {"tokenizer_class": "Qwen2Tokenizer"},
            "tokenizer.json": {"version": "1.0", "model": {"type": "BPE"}},
            **card("apache-2.0"),
        },
    ),
)
QWEN: Final = Stock(
    id="Qwen/Qwen-Image",
    key="688f0a1b2c3d4e5f60718293",
    title="Qwen-Image",
    weights=(
        *pieces("transformer/", WHOLE, (4.99, 4.98, 4.95, 4.98, 4.95, 4.95, 4.91, 4.98, 1.17), 1933),
        *pieces("text_encoder/", "model", (4.97, 4.99, 4.93, 1.69), 729),
        Weights(f"vae/{WHOLE}.safetensors", 253_806_966, 194),
    ),
    texts={
        **pipeline(
            "QwenImagePipeline",
            {
                "scheduler": ("diffusers", "FlowMatchEulerDiscreteScheduler"),
                "text_encoder": ("transformers", "Qwen2_5_VLForConditionalGeneration"),
                "tokenizer": ("transformers", "Qwen2Tokenizer"),
                "transformer": ("diffusers", "QwenImageTransformer2DModel"),
                "vae": ("diffusers", "AutoencoderKLQwenImage"),
            },
        ),
        **_below("tokenizer", QWEN_TEXTS),
        **card("apache-2.0"),
    },
)
ZIMAGE: Final = (
    Stock(
        id="Tongyi-MAI/Z-Image-Turbo",
        key="69258e0c1d2e3f4051627384",
        title="Z-Image-Turbo",
        weights=(
            *pieces("transformer/", WHOLE, (9.97, 9.97, 4.67), 521),  # in F32
            *pieces("text_encoder/", "model", (3.96, 3.99, 0.1), 398),
            Weights(f"vae/{WHOLE}.safetensors", 167_666_902, 244),
        ),
        texts={
            **pipeline(
                "ZImagePipeline",
                {
                    "scheduler": ("diffusers", "FlowMatchEulerDiscreteScheduler"),
                    "text_encoder": ("transformers", "Qwen3Model"),
                    "tokenizer": ("transformers", "Qwen2Tokenizer"),
                    "transformer": ("diffusers", "ZImageTransformer2DModel"),
                    "vae": ("diffusers", "AutoencoderKL"),
                },
            ),
            **_below("tokenizer", QWEN_TEXTS),
            **card("apache-2.0"),
        },
        noise={"assets/showcase.jpg": 900},
    ),
    Stock(
        id="ostris/zimage_turbo_training_adapter",
        key="6928b0c1d2e3f40516273849",
        title="the adapter",
        weights=(
            Weights("zimage_turbo_training_adapter_v1.safetensors", 340_210_000, 480),
            Weights("zimage_turbo_training_adapter_v2.safetensors", 340_210_000, 480),
        ),
    ),
)
SDXL: Final = Stock(
    id="stabilityai/stable-diffusion-xl-base-1.0",
    key="64bf0a1b2c3d4e5f60718293",
    title="SDXL 1.0",
    weights=(
        Weights("sd_xl_base_1.0.safetensors", 6_938_078_334, 2515),
        Weights("text_encoder/model.safetensors", 492_265_168, 196),
        Weights("text_encoder/model.fp16.safetensors", 246_144_152, 196),
        Weights("text_encoder_2/model.safetensors", 2_778_702_264, 517),
        Weights("text_encoder_2/model.fp16.safetensors", 1_389_382_176, 517),
        Weights(f"unet/{WHOLE}.safetensors", 10_270_077_736, 1680),
        Weights(f"unet/{WHOLE}.fp16.safetensors", 5_135_149_760, 1680),
        Weights(f"vae/{WHOLE}.safetensors", 334_643_268, 248),
        Weights(f"vae/{WHOLE}.fp16.safetensors", 167_335_342, 248),
    ),
    texts={
        **pipeline(
            "StableDiffusionXLPipeline",
            {
                "scheduler": ("diffusers", "EulerDiscreteScheduler"),
                "text_encoder": ("transformers", "CLIPTextModel"),
                "text_encoder_2": ("transformers", "CLIPTextModelWithProjection"),
                "tokenizer": ("transformers", "CLIPTokenizer"),
                "tokenizer_2": ("transformers", "CLIPTokenizer"),
                "unet": ("diffusers", "UNet2DConditionModel"),
                "vae": ("diffusers", "AutoencoderKL"),
            },
        ),
        **_below("tokenizer", QWEN_TEXTS),
        **_below("tokenizer_2", QWEN_TEXTS),
        "unet/openvino_model.xml": "<net/>\n",
        **card("openrail++"),
    },
    noise={"unet/model.onnx": 730, "vae_encoder/model.onnx": 900},
)
STOCK: Final[Mapping[str, Stock]] = {stock.id: stock for stock in (DEV, SCHNELL, ADAPTER, *KLEIN, QWEN, *ZIMAGE, SDXL)}
