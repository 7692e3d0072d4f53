# What `trainstation explain` says of a trainer's log.

explain-success = It finished: the final model was saved.
explain-failed = It failed.
explain-stopped = It was stopped before its end.
explain-saved = The final model was saved. Whether it also ended well, only its exit code tells: the last samples may still fail.
explain-unfinished = It has not ended yet, as far as this log tells.
explain-cause = Cause: { $code }. { $sentence }
explain-steps = Step { $step } of { $steps }.
explain-step = Step { $step }.
explain-no-steps = It never reached a step.
explain-loss = Last loss { $loss }.
explain-lr = Learning rate { $lr }.
explain-phase = Last seen at this: { $phase }
explain-checkpoints =
    { $count ->
        [0] No checkpoint was saved.
        [one] One checkpoint was saved: { $names }
       *[other] { $count } checkpoints were saved: { $names }
    }
explain-more =
    { $count ->
        [one] and one before them
       *[other] and { $count } before them
    }

explain-cause-dataset_missing = The folder of pictures that the config names does not exist.
explain-cause-dataset_empty = The folder of pictures is there, but no picture is in it.
explain-cause-hub_bad_token = The hub does not know the access token: it is wrong, or was withdrawn.
explain-cause-hub_gated = The base model is gated: its licence has to be accepted at the hub, and a token of that account given.
explain-cause-hub_token_permission = The token may not read gated models: its permissions have to be widened at the hub.
explain-cause-hub_repo_missing = The hub has no such base model, or the token may not see it.
explain-cause-hub_offline = The hub could not be reached, or the trainer was told to stay offline and lacks a file.
explain-cause-out_of_memory = The GPU ran out of memory: a larger card, a smaller resolution or the low-VRAM settings help.
explain-cause-host_ram = It was killed without a word while it loaded the base model: the machine's own memory was most likely full.
explain-cause-nan = The loss was no number any more, so the model is worth nothing: a lower learning rate may help.
explain-cause-disk_full = The disk was full.
explain-cause-checkpoint_truncated = The checkpoint it was to go on from cannot be read: cut off, or no checkpoint at all.
explain-cause-caption_not_utf8 = A text file, most likely a caption, is not UTF-8.
explain-cause-gpu_driver = The machine's driver or GPU does not fit this trainer.
explain-cause-base_missing = A file of the base model is missing or cut off.
explain-cause-no_modules = The LoRA fits no part of this base model.
explain-cause-config_invalid = The config was not found, or the trainer does not accept it.
explain-cause-killed = A signal ended it, and it left no word.
explain-cause-no_model = It ended as if all was well, but saved no final model.
explain-cause-trainer_failed = The trainer failed with an error that we have no name for: see the end of the log.
explain-cause-shared_memory = The machine gives the trainer too little shared memory (/dev/shm) to load pictures with.
explain-cause-quantize_failed = Hardly a part of the base model could be quantized: the trainer and the libraries beside it do not fit each other, or this GPU.
