"""The script that sends a file home, run here: size, bytes and hash are of one and the same file."""

import hashlib
import subprocess
from pathlib import Path

import pytest

from pipeline.adapters.ssh_files import _sending

LOG = b"step 1\n" * 40_000
GROWS = """#!/bin/sh
test -e grown || { touch grown; echo more >> log; }
shift 3
exec sha256sum
"""


def sent(home: Path, done: int, cap: int = 1 << 20) -> tuple[bytes, bytes, bytes]:
    """First line, bytes, hash."""
    env = {"PATH": f"{home / 'bin'}:/usr/bin:/bin"}
    out = subprocess.run(
        ["sh", "-c", _sending("./log", done, cap)], cwd=home, env=env, capture_output=True, timeout=30, check=True
    ).stdout
    head, _, rest = out.partition(b"\n")
    size = int(head.removeprefix(b"size="))
    return head, rest[: size - done], rest[size - done :][:64]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "log").write_bytes(LOG)
    (tmp_path / "bin").mkdir()
    return tmp_path


@pytest.mark.parametrize("done", [0, 7000])
def test_what_comes_goes_on_from_a_byte_and_the_hash_is_of_the_whole_file(home: Path, done: int) -> None:
    assert sent(home, done) == (b"size=280000", LOG[done:], hashlib.sha256(LOG).hexdigest().encode())


def test_a_log_that_grows_while_it_is_hashed_comes_as_it_was_when_it_was_measured(home: Path) -> None:
    slow = home / "bin" / "openssl"
    slow.write_text(GROWS)
    slow.chmod(0o755)
    assert sent(home, 0) == (b"size=280000", LOG, hashlib.sha256(LOG).hexdigest().encode())
    assert (home / "log").read_bytes() == LOG + b"more\n"
