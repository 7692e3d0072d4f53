"""What each base prints while it is loaded, and the phases that are read from it.

FLUX.1-dev and Z-Image were captured, the others are told by the toolkit's code (`ostris/ai-toolkit`:
toolkit/stable_diffusion_model.py, extensions_built_in/diffusion_models, toolkit/util/quantize.py), SDXL's bar by
diffusers' (pipelines/pipeline_utils.py).
"""

import re
from datetime import timedelta
from itertools import groupby
from typing import Final

import pytest

from pipeline.domain import stall
from pipeline.trainers.bases import BASES
from pipeline.trainers.log import PHASES, Phase, Reader, Reading, Step
from tests.support.virtual import EPOCH

JOB: Final = "k3v9q0000000"
SHARDS: Final = "\rLoading checkpoint shards: 100%|##########| 3/3 [00:09<00:00,  3.12s/it]\n"
WEIGHTS: Final = (
    "\rLoading weights:   0%|          | 0/36 [00:00<?, ?it/s]"
    "\rLoading weights: 100%|##########| 36/36 [00:01<00:00, 31.20it/s]\n"
)
NETWORK: Final = (
    "create LoRA network. base dim (rank): 16, alpha: 16\n"
    "neuron dropout: p=None, rank dropout: p=None, module dropout: p=None\n"
    "create LoRA for Text Encoder: 0 modules.\ncreate LoRA for U-Net: 494 modules.\n"
    "enable LoRA for U-Net\n"
)


def blocks(count: int) -> str:
    return (
        f"Quantizing Transformer\n - quantizing {count} transformer blocks\n"
        f"\r  0%|          | 0/{count} [00:00<?, ?it/s]"
        f"\r100%|##########| {count}/{count} [03:15<00:00,  4.88s/it]\n - quantizing extras\n"
    )


FLUX_1: Final = (
    f"Quantizing transformer\nLoading VAE\nLoading T5\n{WEIGHTS}Quantizing T5\nLoading CLIP\n{WEIGHTS}"
    "Making pipe\nPreparing Model\n"
)
ONE_ENCODER: Final = (
    f"Moving transformer to CPU\nText Encoder\n{WEIGHTS}Quantizing Text Encoder\nLoading VAE\nMaking pipe\n"
    "Preparing Model\nModel Loaded\n"
)
PRINTED: Final = {
    "flux1-dev": f"Loading Flux model\nLoading transformer\n{SHARDS}{FLUX_1}",
    "flux1-schnell": (
        f"Loading Flux model\nLoading transformer\n{SHARDS}Fusing in LoRA\n{FLUX_1}"
        f"Loading assistant lora\nLoading assistant adapter from /w/assistant/a.safetensors\n{NETWORK}"
    ),
    "flux2-klein-4b": (
        f"Loading Flux2 model\nLoading transformer\n{blocks(25)}Loading Qwen3\n{WEIGHTS}Quantizing Qwen3\n"
        "Loading VAE\nMaking pipe\nPreparing Model\nModel Loaded\n"
    ),
    "qwen-image": f"Loading Qwen Image model\nLoading transformer\n{SHARDS}{blocks(60)}{ONE_ENCODER}",
    "sdxl": (
        f"\rLoading pipeline components...:   0%|          | 0/7 [00:00<?, ?it/s]{WEIGHTS}"
        "\rLoading pipeline components...:  29%|##8       | 2/7 [00:04<00:10,  2.01s/it]"
        f"{WEIGHTS}\rLoading pipeline components...: 100%|##########| 7/7 [00:11<00:00,  1.60s/it]\n"
    ),
    "zimage-turbo": (
        f"Loading ZImage model\nLoading transformer\n{SHARDS}Loading assistant LoRA\n{NETWORK}"
        f"Merging in assistant LoRA\n{blocks(30)}{ONE_ENCODER}"
    ),
}
BLOCKS: Final = {"flux2-klein-4b": 25, "qwen-image": 60, "zimage-turbo": 30}  # what is counted: blocks
CACHED: Final = (
    "Dataset: /w/dataset\n  -  Preprocessing image dimensions\n\r100%|####| 6/6 [00:00<00:00, 402.02it/s]\n"
    "Caching latents for /w/dataset\n\rCaching latents to disk: 100%|####| 6/6 [00:00<00:00, 12.93it/s]\n"
)
each_base = pytest.mark.parametrize("base", BASES)


def read(log: str) -> list[Reading]:
    reader, found = Reader().feed(f"# Running job: {JOB}\nRunning  1 process\n{log}".encode())
    return found + reader.finish()


def phases(log: str) -> list[str]:
    """Phases in turn, each once however often it is told."""
    return [name for name, _ in groupby(reading.name for reading in read(log) if isinstance(reading, Phase))]


@each_base
def test_a_base_goes_through_loading_and_quantizing_until_it_is_loaded(base: str) -> None:
    expected = ["loading", "quantizing", "loading", "quantizing", "loading"] if BASES[base].quantize else ["loading"]
    assert phases(PRINTED[base]) == expected
    assert phases(PRINTED[base] + NETWORK + CACHED) == [*expected, "caching"]


@each_base
def test_without_quantizing_a_base_is_loading_from_its_first_word_to_its_last(base: str) -> None:
    said = re.sub(r" - quantizing .*\n(\r.*\n)?|Quantizing .*\n", "", PRINTED[base])
    assert "uantizing" not in said
    assert phases(said) == ["loading"]


@each_base
def test_no_bar_of_loading_is_taken_for_a_training_bar_and_only_blocks_are_counted(base: str) -> None:
    found = read(PRINTED[base])
    assert not [reading for reading in found if isinstance(reading, Step)]
    counted = [reading for reading in found if isinstance(reading, Phase) and reading.total]
    total = BLOCKS.get(base)
    assert counted == ([Phase("quantizing", 0, total), Phase("quantizing", total, total)] if total else [])


@each_base
def test_loading_is_read_alike_in_any_cut(base: str) -> None:
    log = PRINTED[base].encode()
    for size in (1, 7, 64):
        reader, found = Reader(), list[Reading]()
        for start in range(0, len(log), size):
            reader, readings = reader.feed(log[start : start + size])
            found += readings
        assert found + reader.finish() == Reader().feed(log)[1]


def test_an_adapter_that_is_put_aside_for_samples_and_back_is_no_loading() -> None:
    bar = f"\r{JOB}:  50%|#####     | 10/20 [00:04<00:01,  6.33it/s, lr: 1.0e-04 loss: 1.515e+00]"
    drawn = "\rGenerating Samples: 100%|####| 2/2 [00:44<00:00, 22.17s/it]\n"
    samples = f"Unloading assistant lora\n{drawn}Loading assistant lora\n"
    said = f"Generating baseline samples before training\n{samples}\n{bar}\nSaving at step 10\n{samples}\n{bar}\n"
    assert phases(said) == ["baseline", "saving", "sampling"]


@pytest.mark.parametrize(
    "line",
    [
        "create LoRA for Text Encoder: 0 modules.", "***** UNLOADING TEXT ENCODER *****", "a caption of a Text Encoder",
        "Loading optimizer state from /w/out/optimizer.pt", "Loading from /w/out/k3v9q0000000.safetensors",
        "Failed to quantize blocks.0: no kernel", "Embeddings cached to disk. We dont need the text encoder anymore",
    ],
)  # fmt: skip
def test_words_that_only_look_like_loading_name_no_phase(line: str) -> None:
    assert phases(f"{line}\n") == []


@pytest.mark.parametrize(
    "said",
    [
        " - quantizing transformer blocks\n\r100%|####| 60/60 [01:00<00:00,  1.00s/it]\n",  # Qwen-Image of 2025
        "Quantizing (qfloat8)\n - quantizing 60 blocks\n\r100%|####| 60/60 [01:00<00:00,  1.00s/it]\n",  # after 2026-08
        "Quantizing Transformer\n\rAttaching quantization: 100%|####| 60/60 [01:00<00:00,  1.00s/it]\n",  # an ARA
    ],
    ids=["older", "newer", "recovery-adapter"],
)
def test_blocks_are_counted_in_the_words_of_other_toolkits(said: str) -> None:
    found = read(f"Loading transformer\n{said}Text Encoder\n")
    assert found[-2:] == [Phase("quantizing", 60, 60), Phase("loading")]


def test_every_phase_that_can_be_read_has_a_limit_in_time_or_of_silence() -> None:
    names = {name for _, name in PHASES} | {"", "training"}
    assert stall.PHASES.keys() <= names
    for name in names:
        sign = stall.Sign(at=EPOCH, since=EPOCH, heard=EPOCH, moved=EPOCH, phase=name)
        assert stall.stalled((sign,), EPOCH + timedelta(hours=1)) == stall.STALLED, name
    for name in ("loading", "quantizing"):  # a bar that is redrawn for ever is not silent
        late = EPOCH + timedelta(hours=1)
        sign = stall.Sign(at=late, since=EPOCH, heard=late, moved=late, phase=name)
        assert stall.stalled((sign,), late) == stall.STALLED, name
