"""Which modules a LoRA touches, and how its keys are spelled, per arch (facts/loading.md 1-2).

Written from the fact sheet once more, not taken from the bot's table of bases: that table is judged by these files.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

Module = tuple[str, int, int]  # name, width in, width out
Modules = Callable[[], Iterator[Module]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grammar:
    """`still`: modules without a gradient, whose upper half stays zero for ever."""

    version: str  # ss_base_model_version
    modules: Modules
    prefix: str = "diffusion_model."
    down: str = "lora_A.weight"
    up: str = "lora_B.weight"
    alpha: bool = False  # a third key with each pair; without one linear_alpha is ignored
    still: frozenset[str] = frozenset()


def flux1() -> Iterator[Module]:
    """494 modules."""
    d = 3072
    square = ("to_q", "to_k", "to_v", "to_out.0", "add_q_proj", "add_k_proj", "add_v_proj", "to_add_out")
    for n in range(19):
        block = f"transformer_blocks.{n}"
        for name in square:
            yield f"{block}.attn.{name}", d, d
        for side in ("", "_context"):
            yield f"{block}.ff{side}.net.0.proj", d, 4 * d
            yield f"{block}.ff{side}.net.2", 4 * d, d
            yield f"{block}.norm1{side}.linear", d, 6 * d
    for n in range(38):
        block = f"single_transformer_blocks.{n}"
        for name in ("to_q", "to_k", "to_v"):
            yield f"{block}.attn.{name}", d, d
        yield f"{block}.proj_mlp", d, 4 * d
        yield f"{block}.proj_out", 5 * d, d
        yield f"{block}.norm.linear", d, 3 * d


def klein() -> Iterator[Module]:
    """80 modules."""
    d = 3072
    double = (("attn.qkv", d, 3 * d), ("attn.proj", d, d), ("mlp.0", d, 6 * d), ("mlp.2", 3 * d, d))
    for n in range(5):
        for side in ("img", "txt"):
            yield from ((f"double_blocks.{n}.{side}_{name}", wide, tall) for name, wide, tall in double)
    for n in range(20):
        yield f"single_blocks.{n}.linear1", d, 9 * d
        yield f"single_blocks.{n}.linear2", 4 * d, d


def qwen() -> Iterator[Module]:
    """840 modules."""
    d = 3072
    attention = ("to_q", "to_k", "to_v", "add_q_proj", "add_k_proj", "add_v_proj", "to_out.0", "to_add_out")
    for n in range(60):
        block = f"transformer_blocks.{n}"
        yield from ((f"{block}.attn.{name}", d, d) for name in attention)
        for side in ("img", "txt"):
            yield f"{block}.{side}_mod.1", d, 6 * d
            yield f"{block}.{side}_mlp.net.0.proj", d, 4 * d
            yield f"{block}.{side}_mlp.net.2", 4 * d, d


def zimage() -> Iterator[Module]:
    """240 modules."""
    d, inner = 3840, 10_240
    for n in range(30):
        layer = f"layers.{n}"
        yield from ((f"{layer}.attention.{name}", d, d) for name in ("to_q", "to_k", "to_v", "to_out.0"))
        yield f"{layer}.feed_forward.w1", d, inner
        yield f"{layer}.feed_forward.w2", inner, d
        yield f"{layer}.feed_forward.w3", d, inner
        yield f"{layer}.adaLN_modulation.0", 256, 4 * d


def sdxl() -> Iterator[Module]:
    """722 modules."""
    blocks = (
        ("down_blocks_1", 640, 2, 2), ("down_blocks_2", 1280, 2, 10), ("mid_block", 1280, 1, 10),
        ("up_blocks_0", 1280, 3, 10), ("up_blocks_1", 640, 3, 2),
    )  # fmt: skip
    for block, c, attentions, layers in blocks:
        for n in range(attentions):
            place = f"{block}_attentions_{n}"
            yield f"{place}_proj_in", c, c
            yield f"{place}_proj_out", c, c
            for layer in range(layers):
                inside = f"{place}_transformer_blocks_{layer}"
                for attention, context in (("attn1", c), ("attn2", 2048)):
                    yield f"{inside}_{attention}_to_q", c, c
                    yield f"{inside}_{attention}_to_k", context, c
                    yield f"{inside}_{attention}_to_v", context, c
                    yield f"{inside}_{attention}_to_out_0", c, c
                yield f"{inside}_ff_net_0_proj", c, 8 * c
                yield f"{inside}_ff_net_2", 4 * c, c


_LAST: Final = "transformer_blocks.59."
GRAMMARS: Final[Mapping[str, Grammar]] = {
    "flux": Grammar(version="flux.1", modules=flux1, prefix="transformer."),
    "flux2_klein_4b": Grammar(version="flux2_klein_4b", modules=klein),
    "qwen_image": Grammar(
        version="qwen_image",
        modules=qwen,
        still=frozenset(
            _LAST + name for name in ("attn.add_q_proj", "attn.to_add_out", "txt_mlp.net.0.proj", "txt_mlp.net.2")
        ),
    ),
    "zimage": Grammar(version="zimage", modules=zimage),
    "sdxl": Grammar(
        version="sdxl_1.0", modules=sdxl, prefix="lora_unet_", down="lora_down.weight", up="lora_up.weight", alpha=True
    ),
}
