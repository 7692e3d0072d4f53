"""Base models as rows: what a LoRA can be trained on. Adding a base is adding a row."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from pipeline.domain.faults import UserFault


@dataclass(frozen=True, slots=True)
class Part:
    """Files of one hub repo that a base needs; patterns as in fnmatch, against the path in the repo."""

    repo: str
    patterns: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """One base model. Sizes in GB, `modules` name -> (in, out) widths of the LoRA's pairs (facts/loading.md 2)."""

    id: str
    title: str
    arch: str  # the trainer's word
    version: str  # ss_base_model_version
    parts: tuple[Part, ...]  # the first one is name_or_path
    gated: bool
    download_gb: float
    disk_gb: int
    vram_mb: int  # floor; a "24 GB" card lists as little as 24,000
    step_factor: float  # seconds per step against FLUX.1-dev
    scheduler: str
    guidance: float
    sample_steps: int
    quantize: bool
    prefix: str  # of every key in the LoRA file
    modules: Mapping[str, tuple[int, int]]
    card_base: str  # base_model on the model card
    license: str
    license_name: str = ""
    license_link: str = ""

    @property
    def elements_per_rank(self) -> int:
        return sum(wide + tall for wide, tall in self.modules.values())

    def lora_bytes(self, rank: int) -> int:
        """Size of the 16-bit LoRA file: two bytes an element, and about 130 of header a key."""
        return 2 * rank * self.elements_per_rank + 130 * 2 * len(self.modules)


def _flux1() -> Iterator[tuple[str, tuple[int, int]]]:
    """The 494 modules of FLUX.1."""
    d = 3072
    square = ("to_q", "to_k", "to_v", "to_out.0", "add_q_proj", "add_k_proj", "add_v_proj", "to_add_out")
    for n in range(19):
        block = f"transformer_blocks.{n}"
        yield from ((f"{block}.attn.{name}", (d, d)) for name in square)
        yield from ((f"{block}.{ff}.net.0.proj", (d, 4 * d)) for ff in ("ff", "ff_context"))
        yield from ((f"{block}.{ff}.net.2", (4 * d, d)) for ff in ("ff", "ff_context"))
        yield from ((f"{block}.{norm}.linear", (d, 6 * d)) for norm in ("norm1", "norm1_context"))
    for n in range(38):
        block = f"single_transformer_blocks.{n}"
        yield from ((f"{block}.attn.{name}", (d, d)) for name in ("to_q", "to_k", "to_v"))
        yield f"{block}.proj_mlp", (d, 4 * d)
        yield f"{block}.proj_out", (5 * d, d)
        yield f"{block}.norm.linear", (d, 3 * d)


BASES: Final[Mapping[str, Base]] = {
    base.id: base
    for base in (
        Base(
            id="flux1-dev",
            title="FLUX.1-dev",
            arch="flux",
            version="flux.1",
            parts=(
                Part(
                    "black-forest-labs/FLUX.1-dev",
                    (
                        "model_index.json", "scheduler/*", "transformer/*", "vae/*",
                        "text_encoder/*", "text_encoder_2/*", "tokenizer/*", "tokenizer_2/*",
                    ),  # never the whole repo: it holds its weights twice
                ),
            ),
            gated=True,
            download_gb=33.7,
            disk_gb=120,
            vram_mb=23_500,
            step_factor=1.0,
            scheduler="flowmatch",
            guidance=4.0,
            sample_steps=20,
            quantize=True,
            prefix="transformer.",
            modules=dict(_flux1()),
            card_base="black-forest-labs/FLUX.1-dev",
            license="other",
            license_name="flux-1-dev-non-commercial-license",
            license_link="https://huggingface.co/black-forest-labs/FLUX.1-dev/blob/main/LICENSE.md",
        ),
    )
}  # fmt: skip


def base(name: str) -> Base:
    """Find a base. Raises UserFault("unknown-base") with the names there are."""
    if name not in BASES:
        raise UserFault("unknown-base", got=name[:40], known=", ".join(BASES))
    return BASES[name]
