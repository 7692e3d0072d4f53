"""The words that the trainer's log is known by: what names a phase, and what names a trouble (facts/aitoolkit.md 6)."""

from typing import Final

ALONE: Final = "Text Encoder"  # names a phase only as a whole line: such common words stand in others
# The first words that are found name the phase; only words that begin one are here. No bare "Loading": with an adapter
# beside the base each round of samples ends with "Loading assistant lora", and what is resumed from is loaded, too.
PHASES: Final = (
    ("Loading Flux", "loading"), ("Loading transformer", "loading"), ("Loading pipeline components", "loading"),  # SDXL
    ("Quantizing", "quantizing"), ("- quantizing ", "quantizing"), (ALONE, "loading"), ("Loading Qwen", "loading"),
    ("Loading VAE", "loading"), ("Loading T5", "loading"), ("Loading CLIP", "loading"), ("Making pipe", "loading"),
    ("Preparing Model", "loading"), ("Model Loaded", "loading"),
    ("Preprocessing image", "caching"), ("Caching latents", "caching"), ("Caching text", "caching"),
    ("Generating baseline", "baseline"), ("Saving at step", "saving"), ("Sampling at step", "sampling"),
    ("Generating Images", "sampling"), ("Generating Samples", "sampling"),
)  # fmt: skip
TROUBLES: Final = (  # (text anywhere, code); the most telling first: a headline may lie (facts 6)
    ("times in a row, aborting training", "out_of_memory"), ("CUDA out of memory", "out_of_memory"),
    ("OutOfMemoryError", "out_of_memory"), ("CUDA error: out of memory", "out_of_memory"),
    ("Please enable access to public gated repositories", "hub_token_permission"),
    ("Invalid credentials in Authorization header", "hub_bad_token"),
    ("GatedRepoError", "hub_gated"), ("Cannot access gated repo", "hub_gated"),
    ("RepositoryNotFoundError", "hub_repo_missing"),
    ("client has been closed", "hub_offline"), ("OfflineModeIsEnabled", "hub_offline"),
    ("offline mode is enabled", "hub_offline"), ("ConnectError", "hub_offline"),
    ("LocalEntryNotFoundError", "hub_offline"), ("Temporary failure in name resolution", "hub_offline"),
    ("no images found in", "dataset_empty"), ("no videos found in", "dataset_empty"),
    ("No space left on device", "disk_full"),
    ("no kernel image is available", "gpu_driver"), ("NVIDIA driver on your system is too old", "gpu_driver"),
    ("is not compatible with the current PyTorch", "gpu_driver"), ("CUDA capability sm_", "gpu_driver"),
    ("sm_120 is not compatible", "gpu_driver"), ("unsatisfied condition: cuda", "gpu_driver"),
    ("CUDA driver version is insufficient", "gpu_driver"), ("Found no NVIDIA driver", "gpu_driver"),
    ("killed by signal: Bus error", "shared_memory"), ("insufficient shared memory (shm)", "shared_memory"),
    ("not any lora modules in this network", "no_modules"),
    ("does not appear to have a file named", "base_missing"),
    ("Unable to load weights from checkpoint file", "base_missing"),
    ("Error while deserializing header", "checkpoint_truncated"),  # safetensors, whatever it found wrong there
    ("incomplete metadata, file not fully covered", "checkpoint_truncated"),
    ("header too small", "checkpoint_truncated"), ("HeaderTooSmall", "checkpoint_truncated"),
    ("MetadataIncompleteBuffer", "checkpoint_truncated"),
    ("EOFError", "checkpoint_truncated"),  # what it resumes from is no checkpoint; the headline is empty (run 17b)
    ("UnicodeDecodeError", "caption_not_utf8"),
    ("config file is invalid", "config_invalid"), ("Could not find config file", "config_invalid"),
    ("name_or_path must be specified", "config_invalid"), ("Environment variable ", "config_invalid"),
    ("unexpected pos", "disk_full"),  # an optimizer.pt cut short: no end by itself (run 26a)
)  # fmt: skip
UNQUANTIZED: Final = "Failed to quantize "  # of one module: a few are no trouble (facts 6)
MISSING: Final = "No such file or directory"  # a dataset, when it was the data loader that looked for it
_LAST: Final = ("dataset_missing", "quantize_failed")  # codes that more than a word decides
RANK: Final = {code: at for at, code in reversed(list(enumerate([*(code for _, code in TROUBLES), *_LAST])))}
