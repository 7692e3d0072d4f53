"""FLUX.1 at the hub: dev and schnell, each gated, each holding its weights twice; and schnell's training adapter."""

from typing import Any, Final

from pipeline.sandbox.hub.laying import SCALE, Stock, Weights, card, pieces, pipeline
from pipeline.sandbox.hub.laying import lay as _lay
from pipeline.sandbox.hub.repos import Repo, Shelf

__all__ = ["ADAPTER", "DEV", "ID", "SCALE", "SCHNELL", "lay"]

ID: Final = "black-forest-labs/FLUX.1-dev"


def _weights(whole: str) -> tuple[Weights, ...]:
    """The single files at the top are the same weights again: a good client leaves them."""
    return (
        Weights("ae.safetensors", 335_304_388, 244),
        Weights(whole, 23_802_932_552, 780),
        Weights("text_encoder/model.safetensors", 246_144_352, 196),
        *pieces("text_encoder_2/", "model", (4.994582224, 4.53006636), 219),
        *pieces("transformer/", "diffusion_pytorch_model", (9.983040304, 9.949328904, 3.870584832), 780),
        Weights("vae/diffusion_pytorch_model.safetensors", 167_666_902, 244),
    )


_TEXTS: Final[dict[str, Any]] = {
    **pipeline(
        "FluxPipeline",
        {
            "scheduler": ("diffusers", "FlowMatchEulerDiscreteScheduler"),
            "text_encoder": ("transformers", "CLIPTextModel"),
            "text_encoder_2": ("transformers", "T5EncoderModel"),
            "tokenizer": ("transformers", "CLIPTokenizer"),
            "tokenizer_2": ("transformers", "T5TokenizerFast"),
            "transformer": ("diffusers", "FluxTransformer2DModel"),
            "vae": ("diffusers", "AutoencoderKL"),
        },
    ),
    "tokenizer/vocab.json": {"in": 0, "th": 1},
    "tokenizer/merges.txt": "#version: 0.2\ni n\nt h\n",
    "tokenizer_2/tokenizer.json": {"version": "1.0", "model": {"type": "Unigram"}},
    "LICENSE.md": "The weights in this sandbox are noise. The real ones have a licence of their own.\n",
}
DEV: Final = Stock(
    id=ID,
    key="66aaa908fc35e079a941470d",
    title="FLUX.1 [dev]",
    gated=True,
    weights=_weights("flux1-dev.safetensors"),
    texts=_TEXTS | card("other", "flux-1-dev-non-commercial-license"),
    noise={"tokenizer_2/spiece.model": 792, "dev_grid.jpg": 1190},
)
SCHNELL: Final = Stock(
    id="black-forest-labs/FLUX.1-schnell",
    key="66aaa908fc35e079a9414710",
    title="FLUX.1 [schnell]",
    gated=True,
    weights=_weights("flux1-schnell.safetensors"),
    texts=_TEXTS | card("apache-2.0"),
    noise={"tokenizer_2/spiece.model": 792, "schnell_grid.jpg": 1190},
)
ADAPTER: Final = Stock(
    id="ostris/FLUX.1-schnell-training-adapter",
    key="66be1d3a20a8c4c0ee2a9f01",
    title="the adapter",
    weights=(Weights("pytorch_lora_weights.safetensors", 344_000_000, 988),),
    texts=card("apache-2.0"),
)


def lay(shelf: Shelf, scale: int = SCALE) -> Repo:
    """Put FLUX.1-dev on the shelf, once."""
    return _lay(shelf, DEV, scale)
