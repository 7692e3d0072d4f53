"""What can be wrong with a trainer when somebody wants it to, by name (facts/aitoolkit.md 6 and 9).

The market knows them as faults, too: a rental that draws one has it for life.
"""

from collections.abc import Mapping
from typing import Final

MODES: Final[Mapping[str, str]] = {
    "old-bar": "a toolkit from before 2026-08-21: the bar ends at N-1/N, SIGINT ends it by signal 2, no thumbs",
    "generating-samples": "samples are told as newer archs tell them: Generating Samples, the bar stays",
    "oom-once": "one step runs out of memory and is skipped",
    "oom-four-times": "four steps in a row run out of memory: the end; not where text embeddings are cached",
    "oom-always": "the same, wherever one goes down the ladder",
    "oom-loading": "the last text encoder does not fit on the card",
    "oom-sampling": "the first sample does not fit on the card; the weights of the end are saved by then",
    "nan": "from the third step on the loss is no number; exit code 0",
    "gated-401": "the hub refuses the base: no token",
    "gated-403": "the hub refuses the base: its licence was not accepted",
    "stall-in-quantize": "it quantizes for ever, in silence",
    "stall-in-baseline": "it draws the baseline, asked for or not, and never gets anywhere",
    "stall-in-training": "half of the steps, then silence for ever",
    "rc-137": "the kernel kills it while it quantizes: the machine's own memory is full",
    "disk-full-optimizer": "the disk is full at the first optimizer.pt, which stays broken; the next weights are fatal",
    "disk-full-checkpoint": "the disk is full at the first weights",
    "disk-full-sample": "the disk is full at the first sample",
    "slow-steps": "every step takes five times as long as it should",
    "repeated-checkpoints": "every save is the first one again, byte for byte",
    "still-weights": "saves differ in what they say, never in their numbers: lora_B does not move",
    "hostile-log": "escape codes, a clipboard, links, text from right to left, a megabyte of one character",
    "crash-once": "a plain traceback two fifths of the way; the next start on this machine works",
    "crash-late": "a plain traceback four fifths of the way, at every start",
    "silent-exit-0": "it ends before the first step with exit code 0",
}
