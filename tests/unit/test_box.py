"""What we say to a box and what it answers: nothing typed goes there, nothing it says is believed."""

import re
from contextlib import suppress
from pathlib import Path

import huggingface_hub
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.faults import HostFault, OperatorFault
from pipeline.domain.ids import JobId
from pipeline.trainers import aitoolkit, box, fetching, lease
from pipeline.trainers.lease import Lease

JOB = JobId("k3v9q0000000")
LEASE = Lease(lapses=2700, ends=9000, every=20)
GOOD = b"Welcome!\nhome=/home/box\ngpu=NVIDIA GeForce RTX 4090, 24564, 580.65.06\ndisk_kb=200000000\ntoolkit=yes\n"


def test_a_box_is_read_through_its_banner() -> None:
    facts = box.read_look(GOOD)
    assert (facts.home, facts.gpu, facts.vram_mb, facts.disk_gb, facts.toolkit) == (
        "/home/box", "NVIDIA GeForce RTX 4090", 24564, 200.0, True,
    )  # fmt: skip


@pytest.mark.parametrize("home", [b"/home/box; rm -rf /", b"$(id)", b"/w/my_cnn", b"/x_LoRA", b"/a b", b"relative"])
def test_a_home_that_could_end_a_word_of_ours_or_silence_resume_is_no_home(home: bytes) -> None:
    with pytest.raises(HostFault, match="box-unreadable"):
        box.read_look(GOOD.replace(b"/home/box", home))


@given(st.binary(max_size=3000))
def test_no_answer_of_a_box_makes_us_stumble(out: bytes) -> None:
    fetching.read_fetched(out)
    box.read_exercise(out)
    lease.proven(out, "00", "ssh-ed25519 AAAA", "key")
    aitoolkit.read_poll(out)
    with suppress(HostFault):
        box.read_look(out)


@pytest.mark.parametrize(
    ("promised", "found", "same"),
    [
        ("RTX 4090", "NVIDIA GeForce RTX 4090", True), ("A100 SXM4", "NVIDIA A100-SXM4-80GB", True),
        ("H100 SXM", "NVIDIA H100 80GB HBM3", True), ("RTX 4090", "NVIDIA GeForce RTX 3090", False),
    ],
)  # fmt: skip
def test_a_gpu_is_the_one_promised_or_it_is_another(promised: str, found: str, same: bool) -> None:
    assert box.same_gpu(promised, found) is same


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a b", "a\tb", "-rf", "a;b", "$(id)", "", "a/../b"])
def test_a_hub_s_odd_path_reaches_no_box(path: str) -> None:
    with pytest.raises(OperatorFault, match="hub-odd-file"):
        fetching.planned(path, 1, None)


@pytest.mark.parametrize(
    "url", ['https://x/"; rm', "https://x/\n", "https://x/\\", "file:///etc/passwd", "https://x/ y"]
)
def test_a_hub_s_odd_link_reaches_no_box(url: str) -> None:
    with pytest.raises(OperatorFault, match="hub-odd-file"):
        fetching.link(1, url)


def test_no_typed_byte_is_in_a_command() -> None:
    """Every command is made of a job id, a number, or the operator's toolkit folder: by signature."""
    commands = [
        box.look("/app"), box.exercise(), box.unpack(JOB), fetching.fetch(JOB), fetching.fetched(JOB, LEASE),
        lease.hold(LEASE), lease.prove("00ff"), aitoolkit.ready(JOB), aitoolkit.start(JOB, "/app"),
        aitoolkit.pump(JOB, LEASE), aitoolkit.save_now(JOB), aitoolkit.interrupt(JOB),
    ]  # fmt: skip
    for command in commands:
        assert not re.search(r"hf_\w|HF_TOKEN|Bearer [^%]", command.script), command.name


def test_a_nonce_is_hex_or_it_is_nothing() -> None:
    assert "reboot" not in lease.prove("00; reboot").script


def test_only_the_boxs_own_key_behind_the_host_key_we_see_is_a_proof() -> None:
    said = f"proof={lease.answer('00', 'ssh-rsa B', 'k')}\nproof={lease.answer('00', 'ssh-ed25519 A', 'k')}\n".encode()
    assert lease.proven(said, "00", "ssh-ed25519 A", "k")
    for nonce, host_key, key in (
        ("01", "ssh-ed25519 A", "k"),
        ("00", "ssh-ed25519 M", "k"),
        ("00", "ssh-ed25519 A", ""),
    ):
        assert not lease.proven(said, nonce, host_key, key)


def test_a_start_of_the_market_s_is_short_enough_for_it() -> None:
    assert len(lease.onstart(LEASE)) < 4096  # the smallest limit anybody states (facts/vast.md 4)


def test_a_side_repo_lies_as_the_hubs_own_client_looks_for_it(tmp_path: Path) -> None:
    revision = "0123456789abcdef0123456789abcdef01234567"
    at = fetching.place("Qwen/Qwen3-4B", "model/config.json", revision, into="")
    file, refs = tmp_path / at, tmp_path / "hub" / "models--Qwen--Qwen3-4B" / "refs"
    file.parent.mkdir(parents=True)
    file.write_text("{}")
    refs.mkdir()
    (refs / "main").write_text(revision)
    found = huggingface_hub.try_to_load_from_cache("Qwen/Qwen3-4B", "model/config.json", cache_dir=tmp_path / "hub")
    assert found == str(file)
    assert fetching.place("a/b", "model/config.json", revision, into="base") == "base/model/config.json"


def test_a_box_that_writes_more_than_a_file_has_is_not_further() -> None:
    look = fetching.read_fetched(b"f1=999999\nf2=5\nwhole1=1\n")
    assert (look.bytes([100, 50]), look.whole, look.failed) == (105, frozenset({1}), None)


@pytest.mark.parametrize(("gpu", "flops"), [("NVIDIA A100-SXM4-80GB", 312.0), ("RTX 4090", 165.0), ("Tesla T4", 60.0)])
def test_a_gpu_must_do_a_share_of_what_its_kind_does(gpu: str, flops: float) -> None:
    assert box.rated(gpu) == flops
