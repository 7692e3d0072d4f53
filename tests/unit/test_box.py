"""What we say to a box and what it answers: nothing typed goes there, nothing it says is believed."""

import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.faults import HostFault, OperatorFault
from pipeline.domain.ids import JobId
from pipeline.trainers import aitoolkit, box

JOB = JobId("k3v9q0000000")
GOOD = b"Welcome!\nhome=/root\ngpu=NVIDIA GeForce RTX 4090, 24564, 580.65.06\ndisk_kb=200000000\ntoolkit=yes\n"


def test_a_box_is_read_through_its_banner() -> None:
    facts = box.read_look(GOOD)
    assert (facts.home, facts.gpu, facts.vram_mb, facts.disk_gb, facts.toolkit) == (
        "/root", "NVIDIA GeForce RTX 4090", 24564, 200.0, True,
    )  # fmt: skip


@pytest.mark.parametrize("home", [b"/root; rm -rf /", b"$(id)", b"/w/my_cnn", b"/x_LoRA", b"/a b", b"relative"])
def test_a_home_that_could_end_a_word_of_ours_or_silence_resume_is_no_home(home: bytes) -> None:
    with pytest.raises(HostFault, match="box-unreadable"):
        box.read_look(GOOD.replace(b"/root", home))


@given(st.binary(max_size=3000))
def test_no_answer_of_a_box_makes_us_stumble(out: bytes) -> None:
    box.read_fetched(out)
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
        box.fetch_line("https://cdn.example/x", path, 1, None)


@pytest.mark.parametrize(
    "url", ['https://x/"; rm', "https://x/\n", "https://x/\\", "file:///etc/passwd", "https://x/ y"]
)
def test_a_hub_s_odd_link_reaches_no_box(url: str) -> None:
    with pytest.raises(OperatorFault, match="hub-odd-file"):
        box.fetch_line(url, "a/b", 1, None)


def test_no_typed_byte_is_in_a_command() -> None:
    """Every command is made of a job id, a number, or the operator's toolkit folder: by signature."""
    commands = [
        box.look("/app"), box.fetch(JOB), box.fetched(JOB), box.unpack(JOB), aitoolkit.ready(JOB),
        aitoolkit.start(JOB, "/app"), aitoolkit.poll(JOB, 7), aitoolkit.save_now(JOB), aitoolkit.interrupt(JOB),
    ]  # fmt: skip
    for command in commands:
        assert not re.search(r"hf_\w|HF_TOKEN|Bearer", command.script), command.name
