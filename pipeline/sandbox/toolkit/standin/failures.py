"""Errors that show in the traceback by the name of the real ones."""


class OutOfMemoryError(RuntimeError):
    """What torch raises; the headline is its text."""

    __module__ = "torch"


class SafetensorError(Exception):
    """What a weight file cannot be read or written with."""

    __module__ = "safetensors._safetensors_rust"


def out_of_memory() -> OutOfMemoryError:
    """As it is on a card of 24 GB."""
    return OutOfMemoryError(
        "CUDA out of memory. Tried to allocate 90.00 MiB. GPU 0 has a total capacity of 23.64 GiB of which 57.38 MiB "
        "is free. Of the allocated memory 22.98 GiB is allocated by PyTorch"
    )


def disk_full() -> SafetensorError:
    return SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")
