"""The child's own walls, raised before the first foreign byte: limits everywhere, Landlock where the kernel has it.

An empty environment is not enough: a codec exploit runs as our user, and could read /proc/<parent>/environ or the .env
file. Landlock (Linux 5.13, no privilege needed) leaves it the folders of its task and the libraries, no TCP and no
signals to others.
Where it is missing (other systems, old kernels) the limits and the empty environment remain.
"""

import contextlib
import ctypes
import os
import resource
import sys
from collections.abc import Sequence
from typing import Final

# include/uapi/linux/landlock.h; the syscalls have the same numbers on every architecture
_CREATE, _ADD, _RESTRICT = 444, 445, 446
_RULE_PATH: Final = 1
_VERSION_FLAG: Final = 1
_NO_NEW_PRIVS: Final = 38  # prctl
_READ: Final = 1 << 2 | 1 << 3  # read a file, list a folder
_LOAD: Final = _READ | 1 << 0  # and execute, which mapping a library asks for
_WRITE: Final = 1 << 1 | 1 << 4 | 1 << 5 | 1 << 7 | 1 << 8 | 1 << 13  # write, remove and make files and folders, rename
_FILE_BITS: Final = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 14  # what may be said of a file that is no folder
_FILES_BY_ABI: Final = ((1, 13), (2, 14), (3, 15), (5, 16))  # rights known from this version on
_TRUNCATE: Final = (3, 1 << 14)
_TCP_SINCE, _TCP = 4, 0b11  # bind, connect
_SCOPE_SINCE, _SCOPE = 6, 0b11  # abstract sockets, signals


class _Rules(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scope", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("folder", ctypes.c_int32))


def limit(*, seconds: float, memory: int, file: int) -> None:
    """Bound processor seconds, address space, the largest file written, open files and core dumps, for good."""
    os.umask(0o077)
    os.putenv("OPENBLAS_NUM_THREADS", "1")  # each thread takes address space: 64 cores would not fit
    for kind, most in (
        (resource.RLIMIT_CPU, int(seconds) + 1),
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_FSIZE, file),
        (resource.RLIMIT_NOFILE, 64),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(kind)
        least = most if hard == resource.RLIM_INFINITY else min(most, hard)
        with contextlib.suppress(ValueError, OSError):  # macOS refuses RLIMIT_AS
            resource.setrlimit(kind, (least, least))


def shut(*, reads: Sequence[str], writes: Sequence[str]) -> bool:
    """Leave this process nothing but `reads`, `writes` and the libraries. False: this system has no Landlock."""
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    abi = libc.syscall(_CREATE, None, 0, _VERSION_FLAG)
    if abi < 1:
        return False
    known = (1 << max(bits for since, bits in _FILES_BY_ABI if since <= abi)) - 1
    rules = _Rules(known, _TCP if abi >= _TCP_SINCE else 0, _SCOPE if abi >= _SCOPE_SINCE else 0)
    size = 24 if abi >= _SCOPE_SINCE else 16 if abi >= _TCP_SINCE else 8
    ruleset = libc.syscall(_CREATE, ctypes.byref(rules), size, 0)
    truncate = _TRUNCATE[1] if abi >= _TRUNCATE[0] else 0
    for path in _libraries():
        _allow(libc, ruleset, path, _LOAD)
    for path in reads:
        _allow(libc, ruleset, path, _READ)
    for path in writes:
        _allow(libc, ruleset, path, _READ | _WRITE & known | truncate)
    libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0)
    shut_in = libc.syscall(_RESTRICT, ruleset, 0) == 0
    os.close(ruleset)
    return bool(shut_in)


def _libraries() -> list[str]:
    """Where Python's own files lie (not the folder of `pipeline`: it may hold .env). Late imports read them."""
    here = os.path.dirname(__file__)  # noqa: PTH120  # strings all the way: pathlib costs 10 ms of start
    return [here, *(path for path in sys.path[1:] if path != sys.path[0])]


def _allow(libc: ctypes.CDLL, ruleset: int, path: str, rights: int) -> None:
    try:
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # e.g. python311.zip, which nobody has
    try:
        if not os.path.isdir(path):  # noqa: PTH112  # as above
            rights &= _FILE_BITS
        libc.syscall(_ADD, ruleset, _RULE_PATH, ctypes.byref(_Beneath(rights, opened)), 0)
    finally:
        os.close(opened)
