"""The table of bases: module lists as the real toolkit writes them, and rows that everything else can use."""

from dataclasses import replace
from fnmatch import fnmatchcase

import pytest

from pipeline.domain.faults import UserFault
from pipeline.domain.quote import sound
from pipeline.domain.recipe import Recipe
from pipeline.flow.kit import need_of
from pipeline.flow.stages.upload import where
from pipeline.ports import RemoteFile
from pipeline.trainers.bases import BASES, Base, Rung, base
from tests.support.jobs import a_job
from tests.support.world import HOUSE, offer

MEASURED = {  # facts/loading.md 1: the toolkit's own network on models of real size: modules, elements per rank, MB
    "flux1-dev": (494, 5_369_856, 171.97),
    "flux1-schnell": (494, 5_369_856, 171.97),
    "flux2-klein-4b": (80, 1_443_840, 46.20),
    "qwen-image": (840, 9_216_000, 294.91),
    "sdxl": (722, 2_659_840, 85.42),
    "zimage-turbo": (240, 2_657_280, 85.03),
}
KEYS = {
    "flux1-dev": "transformer.transformer_blocks.0.attn.to_q",
    "flux1-schnell": "transformer.transformer_blocks.0.attn.to_q",
    "flux2-klein-4b": "diffusion_model.double_blocks.0.img_attn.qkv",
    "qwen-image": "diffusion_model.transformer_blocks.0.attn.to_q",
    "sdxl": "lora_unet_down_blocks_1_attentions_0_proj_in",
    "zimage-turbo": "diffusion_model.layers.0.attention.to_q",
}
each_base = pytest.mark.parametrize("row", BASES.values(), ids=BASES)
REVISION = "0123456789abcdef0123456789abcdef01234567"


def place(base_id: str, repo: str, path: str) -> str:
    """Where UPLOAD puts a file of the hub."""
    job = a_job()
    file = RemoteFile(repo=repo, path=path, size=1, sha256=None, revision=REVISION)
    return where(replace(job, recipe=replace(job.recipe, base=base_id)), file)


@each_base
def test_modules_and_sizes_are_those_the_toolkit_writes(row: Base) -> None:
    modules, elements, megabytes = MEASURED[row.id]
    assert (len(row.modules), row.elements_per_rank) == (modules, elements)
    assert abs(row.lora_bytes(16) - megabytes * 1e6) < 1e6
    assert KEYS[row.id].startswith(row.prefix)
    assert KEYS[row.id].removeprefix(row.prefix) in row.modules


@each_base
def test_no_base_takes_a_whole_repo(row: Base) -> None:
    for part in row.parts:
        if part.place:  # a repo that holds its weights twice has them at its top, or in a folder we did not name
            unwanted = ("whole-model.safetensors", "onnx/model.onnx", "README.md", "samples/grid.jpg")
            assert not any(fnmatchcase(file, pattern) for file in unwanted for pattern in part.patterns)
    assert len({part.repo for part in row.parts}) == len(row.parts)


@each_base
def test_the_machine_asked_for_holds_the_download_and_what_is_made_of_it(row: Base) -> None:
    assert row.disk_gb > row.download_gb + 30 + 20  # facts/aitoolkit.md 5.2's advice, and the image
    assert row.rung(row.vram_mb) in row.ladder


@each_base
def test_a_restricted_licence_has_a_name_and_a_link_for_the_card(row: Base) -> None:
    assert bool(row.license_name) == bool(row.license_link) == (row.license == "other")


@each_base
def test_the_assistant_a_config_names_is_one_of_the_files_fetched(row: Base) -> None:
    if row.assistant:
        (part,) = (part for part in row.parts if part.place == "assistant")
        (file,) = part.patterns
        assert place(row.id, part.repo, file) == row.assistant
        assert row.assistant_at_hub.startswith(part.repo)


def test_a_base_s_own_files_lie_in_the_folder_the_config_names() -> None:
    path = "transformer/config.json"
    for base_id, repo in (
        ("flux1-schnell", "black-forest-labs/FLUX.1-schnell"),
        ("zimage-turbo", BASES["zimage-turbo"].parts[0].repo),
    ):
        assert place(base_id, repo, path) == f"base/{path}"


def test_klein_s_vae_lies_beside_its_transformer_and_its_text_encoder_in_the_hub_s_cache() -> None:
    """By name of the toolkit's code: it looks for ae.safetensors in the base's folder, for Qwen/Qwen3-4B at the hub."""
    klein = "flux2-klein-4b"
    assert place(klein, "black-forest-labs/FLUX.2-klein-base-4B", "flux-2-klein-base-4b.safetensors").startswith(
        "base/"
    )
    assert place(klein, "ai-toolkit/flux2_vae", "ae.safetensors") == "base/ae.safetensors"
    encoder = place(klein, "Qwen/Qwen3-4B", "model-00001-of-00003.safetensors")
    assert encoder == f"hub/models--Qwen--Qwen3-4B/snapshots/{REVISION}/model-00001-of-00003.safetensors"


def test_every_small_file_of_the_text_encoder_is_taken_along() -> None:
    """Generic loading wants the config, the tokenizer's files and the index, not the weights alone (publish.md 1.9)."""
    (part,) = (part for part in BASES["flux2-klein-4b"].parts if not part.place)
    wanted = (
        "config.json", "generation_config.json", "model.safetensors.index.json", "model-00003-of-00003.safetensors",
        "tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt",
    )  # fmt: skip
    assert all(any(fnmatchcase(file, pattern) for pattern in part.patterns) for file in wanted)


def test_a_ladder_goes_down_by_the_card_and_by_request_and_ends() -> None:
    row = BASES["flux1-dev"]
    assert row.rung(48_000) == Rung(25_000)
    assert row.rung(24_564).low_vram
    assert row.rung(24_564, 1).cache_text
    assert row.rung(24_564, 9) == row.ladder[-1] == row.rung(48_000, 2)


def test_schnell_fuses_its_adapter_on_the_card_where_there_is_room() -> None:
    assert not BASES["flux1-schnell"].rung(24_564).low_vram


def test_an_unknown_base_is_refused_with_those_there_are() -> None:
    with pytest.raises(UserFault) as caught:
        base("flux9")
    assert caught.value.facts["known"] == ", ".join(BASES)


def test_qwen_is_offered_only_machines_whose_own_memory_holds_it_before_it_is_quantized() -> None:
    wanted = need_of(Recipe(trigger="tok", base="qwen-image"), 10**8, 20, HOUSE)
    big = replace(offer(1, 0.5), vram_mb=49_140, disk_gb=500.0, seconds_left=10**7, ram_mb=64_000)
    assert sound(big, wanted)
    assert not sound(replace(big, ram_mb=32_000), wanted)
    assert not sound(replace(big, ram_mb=0), wanted)  # a machine that does not say
    assert not sound(replace(big, vram_mb=24_564), wanted)
