"""A child that breaks, hangs or lies harms nobody: the walls around the code that opens files of strangers."""

import asyncio
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from pipeline.adapters import cage
from pipeline.adapters.workshop import PACKAGES, ChildWorkshop
from pipeline.adapters.workshop_child import LIMIT_HIT
from pipeline.domain.dataset import Manifest
from pipeline.domain.faults import Fault, HostFault, OperatorFault, UserFault
from pipeline.ports import Demand
from tests.support.pictures import encoded, photo

DEMAND = Demand(modules={"a": (2, 2)}, prefix="t.", rank=1, dtype="BF16", metadata={})


def refusal_by(workshop: ChildWorkshop, source: Path) -> str:
    """Why `source` is refused whole; and nothing of it stays."""
    with pytest.raises(UserFault) as caught:
        asyncio.run(workshop.inspect(source, source.parent / "kept"))
    assert list((source.parent / "kept").iterdir()) == []
    return caught.value.code


def child(folder: Path, code: str) -> Path:
    """A child of our own making, in the place of the real one."""
    script = folder / "child.py"
    script.write_text("import json, os, signal, sys, time\n" + textwrap.dedent(code))
    return script


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "a.jpg"
    path.write_bytes(encoded(photo(1)))
    return path


def test_the_decode_worker_s_environment_is_empty(tmp_path: Path, picture: Path) -> None:
    secret = os.open(__file__, os.O_RDONLY)
    os.set_inheritable(secret, True)  # noqa: FBT003  # the library's form
    script = child(
        tmp_path,
        f"""
        alone = os.getsid(0) == os.getpid()
        bare = set(os.environ) <= {{"LC_CTYPE"}}  # Python itself sets that one
        files = sorted(int(name) for name in os.listdir("/proc/self/fd"))[:-1]
        told = [alone, bare, files == [0, 1, 2], sys.flags.isolated == 1]
        open({str(tmp_path / "told")!r}, "w").write(json.dumps(told))
        sys.exit({LIMIT_HIT})
        """,
    )
    try:
        assert refusal_by(ChildWorkshop(tmp_path, child=script), picture) == "archive-hostile"
    finally:
        os.close(secret)
    assert (tmp_path / "told").read_text() == "[true, true, true, true]"


def test_a_child_that_hangs_is_killed_with_its_children(tmp_path: Path, picture: Path) -> None:
    script = child(
        tmp_path,
        f"""
        if os.fork() == 0:
            open({str(tmp_path / "pid")!r}, "w").write(str(os.getpid()))
        time.sleep(600)
        """,
    )
    begun = time.perf_counter()
    assert refusal_by(ChildWorkshop(tmp_path, child=script, patience=0.01), picture) == "archive-hostile"
    assert time.perf_counter() - begun < 5
    grandchild = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 5
    while Path(f"/proc/{grandchild}/cmdline").exists() and Path(f"/proc/{grandchild}/cmdline").read_bytes():
        assert time.monotonic() < deadline


@pytest.mark.parametrize(
    "code",
    [
        "os.kill(os.getpid(), signal.SIGSEGV)",
        "sys.stdout.write('x' * 40_000_000)",
        "print('no answer')",
        "print('[' * 100_000)",
        "print(json.dumps({'done': {'pictures': [['../../x', 1, 1, 1, '', '']], 'findings': []}}))",
        "print(json.dumps({'done': {'pictures': [['0' * 64, 1, 1, 1, '', '']], 'findings': []}}))",
        "print(json.dumps({'done': {'pictures': [], 'findings': [['<b>', '', {}]]}}))",
        "print(json.dumps({'done': None}))",
        "print(json.dumps({'fault': ['bug', 'x', {}]}))",
        "print(json.dumps({'fault': ['user', 'x' * 99, {}]}))",
    ],
)
def test_a_child_that_dies_or_lies_makes_the_archive_hostile(code: str, tmp_path: Path, picture: Path) -> None:
    assert refusal_by(ChildWorkshop(tmp_path, child=child(tmp_path, code)), picture) == "archive-hostile"


def test_a_dead_child_is_blamed_on_whoever_made_the_file(tmp_path: Path, picture: Path) -> None:
    workshop = ChildWorkshop(tmp_path, child=child(tmp_path, "os.kill(os.getpid(), signal.SIGKILL)"))

    async def all_of_it() -> list[Fault]:
        faults: list[Fault] = []
        for work in (
            workshop.prove(picture, DEMAND, tmp_path / "out"),
            workshop.samples([picture], tmp_path / "samples"),
            workshop.sheet([picture], tmp_path / "sheet"),
            workshop.pack(Manifest(()), tmp_path, tmp_path / "tar"),
        ):
            try:
                await work
            except Fault as fault:
                faults.append(fault)
        return faults

    faults = asyncio.run(all_of_it())
    assert [(type(fault), fault.code) for fault in faults] == [
        (HostFault, "weights-file"),
        (HostFault, "samples-broken"),
        (HostFault, "samples-broken"),
        (OperatorFault, "workshop-died"),
    ]


def test_a_mistake_of_ours_is_a_bug_and_comes_with_its_traceback(tmp_path: Path, picture: Path) -> None:
    workshop = ChildWorkshop(tmp_path, child=child(tmp_path, "raise KeyError('\\x1b[2J<oops>')"))
    with pytest.raises(RuntimeError, match="KeyError"):
        asyncio.run(workshop.inspect(picture, tmp_path / "kept"))


def test_a_cancelled_call_leaves_no_child(tmp_path: Path, picture: Path) -> None:
    script = child(tmp_path, f"open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(600)")

    async def begin_and_leave() -> None:
        async with asyncio.TaskGroup() as group:
            call = group.create_task(ChildWorkshop(tmp_path, child=script).inspect(picture, tmp_path / "kept"))
            while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():  # noqa: ASYNC110  # another process writes it
                await asyncio.sleep(0.01)
            call.cancel()

    asyncio.run(begin_and_leave())
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text()}").exists()
    assert list((tmp_path / "kept").iterdir()) == []


# ---- walls


def in_a_cell(
    folder: Path, code: str, *, memory: int = 1024**3, file: int = 1024**2
) -> subprocess.CompletedProcess[str]:
    """Run `code` behind the real walls: it may write into `folder` only."""
    whole = f"""
        import sys
        sys.path.insert(0, {str(PACKAGES)!r})
        import os, signal, socket, time
        from pipeline.adapters.workshop_child import cell
        cell.limit(seconds=0, memory={memory}, file={file})
        shut = cell.shut(reads=[], writes=[{str(folder)!r}])
        def tried(work):
            try:
                return work()
            except OSError as error:
                return type(error).__name__
    """
    source = textwrap.dedent(whole) + textwrap.dedent(code)
    return subprocess.run([sys.executable, "-I", "-c", source], capture_output=True, text=True, check=False, timeout=30)


def test_behind_the_walls_there_is_nothing_to_read_to_call_or_to_kill(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / ".env").write_text("HF_TOKEN=x")
    done = in_a_cell(
        tmp_path / "mine",
        f"""
        print(shut)
        print(tried(lambda: open({str(tmp_path / ".env")!r}).read()))
        print(tried(lambda: open(f"/proc/{{os.getppid()}}/environ", "rb").read()))
        print(tried(lambda: open({str(tmp_path / "new")!r}, "w")))
        print(tried(lambda: socket.create_connection(("127.0.0.1", 9))))
        print(tried(lambda: os.kill(os.getppid(), 0)))
        print(tried(lambda: open({str(tmp_path / "mine" / "ok")!r}, "w").write("ok")))
        import colorsys  # the library stays readable
        """,
    )
    told = done.stdout.split()
    assert done.returncode == 0, done.stderr
    if told[0] == "False":
        pytest.skip("this kernel has no Landlock")
    assert told[1:4] == ["PermissionError"] * 3
    assert told[4] in {"PermissionError", "ConnectionRefusedError"}  # no TCP rule before Linux 6.7
    assert told[5] in {"PermissionError", "None"}  # no signal rule before Linux 6.12
    assert told[6] == "2"


def test_memory_processor_and_files_are_bounded(tmp_path: Path) -> None:
    assert "MemoryError" in in_a_cell(tmp_path, "bytes(2 * 1024**3)").stderr
    assert "File too large" in in_a_cell(tmp_path, f"open({str(tmp_path / 'x')!r}, 'wb').write(bytes(2**21))").stderr
    assert in_a_cell(tmp_path, "while True: pass").returncode < 0


def test_a_flood_of_complaints_is_kept_by_its_end() -> None:
    code = "import sys; sys.stderr.write('x' * 10_000_000 + 'the end'); sys.stdin.read()"
    done = asyncio.run(cage.run([sys.executable, "-c", code], b"", seconds=20, most=10))
    assert done.code == 0
    assert done.complaint.endswith(b"the end")
    assert len(done.complaint) <= 8192
