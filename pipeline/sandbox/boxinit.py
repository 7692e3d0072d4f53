"""The first process of a sandbox box: starts what SSH asks for, adopts orphans, takes all of them along when it ends.

A program of its own (`python -I -S boxinit.py FD`), standard library only. FD is one end of a SEQPACKET pair: a request
is JSON {id, argv, env, cwd} with three descriptors, an answer is JSON {id, code}, minus the signal's number when one
ended the command. When the other end closes, even by kill -9, the box dies. As the subreaper it is the parent of
everything a box starts, however detached, so each process it kills is one that it has not yet reaped: never a stranger.
"""

import ctypes
import fcntl
import json
import os
import select
import signal
import socket
import sys
import termios
from typing import Any

PR_SET_CHILD_SUBREAPER = 36
LONGEST = 1 << 20  # of one request; the kernel refuses an argument of more than 128 KB anyway


def begin(request: dict[str, Any], streams: list[int]) -> int:
    """Start one command on `streams` in a session of its own; returns its pid."""
    pid = os.fork()
    if pid:
        return pid
    try:
        os.setsid()
        for deaf in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores both, and exec would hand that on
            signal.signal(deaf, signal.SIG_DFL)
        if os.isatty(streams[0]):
            fcntl.ioctl(streams[0], termios.TIOCSCTTY, 0)  # Ctrl-C and a changed size reach who is in front
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        os.chdir(request["cwd"])
        os.execvpe(request["argv"][0], request["argv"], request["env"])  # noqa: S606  # running commands is its trade
    finally:
        os._exit(127)


def reap(line: socket.socket, running: dict[int, int]) -> None:
    """Collect whoever ended, adopted ones too, and tell the end of those that were asked for."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        asked = running.pop(pid, None)
        if asked is not None:
            answer = {"id": asked, "code": os.waitstatus_to_exitcode(status)}
            line.send(json.dumps(answer).encode())


def children() -> list[int]:
    """Pids whose parent is this process. /proc/self/task/*/children is not compiled into every kernel."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):  # noqa: PTH208  # pathlib triples the start-up
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as stat:  # noqa: PTH123  # as above
                parent = stat.read().rpartition(")")[2].split()[1]
        except OSError:
            continue
        if parent == str(os.getpid()):
            found.append(int(name))
    return found


def end() -> None:
    """Kill child after child; a dead one's children become ours, and are next."""
    while True:
        for pid in children():
            os.kill(pid, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def serve(line: socket.socket) -> None:
    """Answer requests until the other end is gone."""
    woken, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    running: dict[int, int] = {}
    while True:
        ready, _, _ = select.select([line.fileno(), woken], [], [])
        if woken in ready:
            os.read(woken, 4096)
            reap(line, running)
        if line.fileno() in ready:
            data, streams, _, _ = socket.recv_fds(line, LONGEST, 3)
            if not data:
                return
            for stream in streams:
                os.set_inheritable(stream, False)  # noqa: FBT003  # recv_fds drops its flags, MSG_CMSG_CLOEXEC too (3.11)
            request = json.loads(data)
            running[begin(request, streams)] = request["id"]
            for stream in streams:
                os.close(stream)


def main() -> None:
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    with socket.socket(fileno=int(sys.argv[1])) as line:
        line.set_inheritable(False)
        try:
            serve(line)
        except OSError:
            pass  # the sandbox was killed while it was being told something
        finally:
            end()


if __name__ == "__main__":
    main()
