"""The far side of the SSH figures, each in a process of its own: a real sshd, a line to it, a crowd's server."""

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncssh

FOUND = shutil.which("sshd", path=f"{os.defpath}:/usr/sbin:/sbin")
SSHD = FOUND if os.geteuid() == 0 else None  # we log in as root, and only root's sshd lets root in
NO_SSHD = "needs root and sshd (Debian: openssh-server)"
CONFIG = """ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host
AuthorizedKeysFile {folder}/admitted
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
MaxStartups 200
LogLevel ERROR
SetEnv HOME={folder}/home
Subsystem sftp internal-sftp -d {folder}/home
"""


@contextmanager
def sshd(folder: Path, public_key: str) -> Iterator[int]:
    """Debian's own server on a free port, which lets `public_key` in; `folder`/home is what a login calls its home."""
    assert SSHD is not None
    (folder / "home").mkdir(parents=True, exist_ok=True)
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # it will not start without; only systemd makes it
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "host"], check=True)
    (folder / "admitted").write_text(public_key + "\n")
    port = free_port()
    (folder / "config").write_text(CONFIG.format(port=port, folder=folder))
    with running([SSHD, "-D", "-e", "-f", str(folder / "config")]):
        _until_it_listens(port)
        yield port


@contextmanager
def thin_line(to: int, *, rtt_ms: float, mbit: float) -> Iterator[int]:
    """tests/support/wire.py in a process of its own; its port."""
    with running([sys.executable, "-m", "tests.support.wire", str(to), str(rtt_ms), str(mbit)]) as child:
        assert child.stdout is not None
        yield int(child.stdout.readline())


@contextmanager
def crowd_server(key: Path) -> Iterator[int]:
    """An asyncssh server in a process of its own: a thousand sshds would fork the machine to death; its port."""
    with running([sys.executable, "-m", "tests.bench.yonder", str(key)]) as child:
        assert child.stdout is not None
        yield int(child.stdout.readline())


@contextmanager
def running(argv: list[str]) -> Iterator["subprocess.Popen[bytes]"]:
    """A child that is gone when the block ends."""
    child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        yield child
    finally:
        child.terminate()
        try:
            child.wait(5)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        for pipe in (child.stdin, child.stdout):
            assert pipe is not None
            pipe.close()


async def _serve(key: Path) -> None:
    """Let the pair `key` in until the input ends."""
    server = await asyncssh.listen(
        "127.0.0.1", 0, server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")],
        authorized_client_keys=str(key.with_name(f"{key.name}.pub")), backlog=1000, config=None,
    )  # fmt: skip
    print(server.get_port(), flush=True)  # noqa: T201  # how its starter learns the port
    await asyncio.to_thread(sys.stdin.read)
    server.close()


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def _until_it_listens(port: int) -> None:
    end = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
        else:
            return


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1])))
