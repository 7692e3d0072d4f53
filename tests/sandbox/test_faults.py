"""Faults of the market (facts/vast.md 10), rows 1-9, 19, 20: our client rents from it, and gives back."""

import asyncio
import math
from collections import Counter
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bot.cli import app
from pipeline.domain.faults import HostFault, HostSilent, OperatorFault
from pipeline.ports import Status
from pipeline.sandbox.market.faults import KNOWN, Faults
from pipeline.sandbox.world import sandbox
from tests.sandbox.fault_scene import OURS, Scene, against, fails


def test_every_row_of_the_fact_sheet_can_be_armed_by_a_name_that_is_explained() -> None:
    faults = Faults()
    for name, known in KNOWN.items():
        faults.arm(name)
        assert faults.armed(name)
        assert known.says
    assert {known.row for known in KNOWN.values()} >= set(range(1, 28))


# 1-5: renting ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["offer-snatched", "offer-snatched-404", "offer-snatched-400"])
def test_01_a_snatched_offer_is_gone_however_it_is_spelled_and_the_next_one_is_had(tmp_path: Path, fault: str) -> None:
    async def act(scene: Scene) -> None:
        scene.arm(fault)
        first = await fails(scene.rent())
        assert (type(first), first.code) == (HostFault, "offer-gone")
        assert await scene.vast.find(OURS) is None
        assert (await scene.rent()).key

    against(tmp_path, act)


LOST = ("lost-create-reply", "create-502", "create-504", "answer-truncated", "answer-broken", "answer-empty")


@pytest.mark.parametrize("fault", LOST)
def test_02_03_a_create_whose_reply_is_lost_is_never_repeated_and_its_label_finds_it(
    tmp_path: Path, fault: str
) -> None:
    async def act(scene: Scene) -> None:
        scene.arm(fault, op="rent")
        silence = await fails(scene.rent())
        assert (type(silence), silence.code) == (HostSilent, "rent-unanswered")
        assert scene.market.live() == 1
        sight = await scene.vast.find(OURS)
        assert sight is not None

    against(tmp_path, act)


def test_04_a_refusal_that_made_a_rental_is_undone_before_it_is_told(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.arm("create-stopped")
        assert (await fails(scene.rent())).code == "offer-gone"
        assert scene.market.live() == 0

    against(tmp_path, act)


def test_04_a_refusal_that_made_a_rental_which_will_not_go_is_not_called_a_refusal(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.arm("create-stopped")
        scene.arm("destroy-500")
        assert (await fails(scene.rent())).code == "rent-unanswered"
        sight = await scene.vast.find(OURS)
        assert sight is not None
        assert sight.status is Status.BROKEN

    against(tmp_path, act)


def test_05_no_credit_is_ours_to_mend_and_rents_nothing(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.arm("no-credit")
        fault = await fails(scene.rent())
        assert (type(fault), fault.code) == (OperatorFault, "market-credit")
        assert scene.market.live() == 0

    against(tmp_path, act)


# 6-9: too fast, too often, with the wrong key -------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["429-text", "429-detail"])
def test_06_too_fast_is_waited_out_where_asking_again_does_no_harm(tmp_path: Path, fault: str) -> None:
    async def act(scene: Scene) -> None:
        machine = await scene.rent()
        for op, ask in (
            ("list", scene.vast.owned), ("look", lambda: scene.vast.look(machine.instance)),
            ("destroy", lambda: scene.vast.destroy(machine.instance)),
        ):  # fmt: skip
            scene.arm(fault, times=2, op=op)
            await ask()
        assert scene.market.live() == 0

    against(tmp_path, act)


@pytest.mark.parametrize("fault", ["429-body", "429-header"])
def test_06_the_pause_the_market_asks_for_is_kept_in_its_own_seconds(tmp_path: Path, fault: str) -> None:
    async def act(scene: Scene) -> None:
        scene.arm(fault, op="list")
        began = asyncio.get_running_loop().time()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await scene.vast.owned()
        assert asyncio.get_running_loop().time() - began < 1

    against(tmp_path, act)


def test_06_a_create_that_came_too_fast_is_not_repeated_either(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.arm("429-text", op="rent")
        await fails(scene.rent())
        assert scene.market.live() == 0

    against(tmp_path, act)


def test_07_a_quota_of_searches_is_not_waited_for(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.arm("search-quota", times=math.inf)
        fault = await fails(scene.rent())
        assert (type(fault), fault.code) == (OperatorFault, "market-searches")

    against(tmp_path, act)


def test_08_a_deprecated_list_makes_us_blind_never_empty(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        await scene.rent()
        scene.arm("list-deprecated", times=math.inf)
        assert isinstance(await fails(scene.vast.owned()), OperatorFault)
        assert isinstance(await fails(scene.vast.find(OURS)), OperatorFault)
        scene.market.faults.disarm("list-deprecated")
        assert len(await scene.vast.owned()) == 1

    against(tmp_path, act)


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("key-unknown", "market-key"), ("key-expired", "market-key"), ("key-missing", "market-key-missing"),
        ("key-scoped", "market-key-scope"),
    ],
)  # fmt: skip
def test_09_a_404_about_our_key_says_nothing_about_a_rental(tmp_path: Path, fault: str, code: str) -> None:
    async def act(scene: Scene) -> None:
        machine = await scene.rent()
        scene.arm(fault, times=math.inf)
        for ask in (scene.vast.look, scene.vast.destroy):
            failed = await fails(ask(machine.instance))
            assert (type(failed), failed.code) == (OperatorFault, code)
        await fails(scene.vast.credit())
        await fails(scene.vast.owned())
        scene.market.faults.disarm(fault)
        assert await scene.vast.look(machine.instance)

    against(tmp_path, act)


# 19, 20: destroying ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "left"),
    [
        ("destroy-500", 1), ("destroy-timeout", 1), ("destroy-refused", 1),
        ("destroy-500-applied", 0), ("destroy-timeout-applied", 0),
    ],
)  # fmt: skip
def test_19_a_destroy_that_was_not_confirmed_is_not_believed_and_asked_again(
    tmp_path: Path, fault: str, left: int
) -> None:
    async def act(scene: Scene) -> None:
        machine = await scene.rent()
        scene.arm(fault)
        assert isinstance(await fails(scene.vast.destroy(machine.instance)), OperatorFault)
        assert scene.market.live() == left
        await scene.vast.destroy(machine.instance)
        assert await scene.until(machine.instance, lambda sight: sight is None) is None

    against(tmp_path, act)


def test_19_too_fast_to_destroy_is_waited_out(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        machine = await scene.rent()
        scene.arm("destroy-429")
        await scene.vast.destroy(machine.instance)
        assert scene.market.live() == 0

    against(tmp_path, act)


def test_19_a_row_that_lingers_is_not_gone_and_not_running(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.arm("destroy-lingers", seconds=600)
        machine = await scene.rent()
        await scene.vast.destroy(machine.instance)
        sight = await scene.vast.look(machine.instance)
        assert sight is not None
        assert sight.status is Status.BROKEN
        assert await scene.until(machine.instance, lambda sight: sight is None) is None

    against(tmp_path, act)


def test_19_a_destroyed_rental_that_reappears_is_listed_under_our_label(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        machine = await scene.rent()
        scene.arm("destroy-undone", seconds=600)
        await scene.vast.destroy(machine.instance)
        assert await scene.vast.look(machine.instance) is None
        assert (await scene.until(machine.instance, bool), scene.market.live()) != (None, 0)
        again = await scene.vast.find(OURS)
        assert again is not None
        assert again.instance == machine.instance

    against(tmp_path, act)


@pytest.mark.parametrize("fault", ["destroy-not-found", ""])
def test_20_destroying_what_is_gone_is_success_in_both_spellings(tmp_path: Path, fault: str) -> None:
    async def act(scene: Scene) -> None:
        machine = await scene.rent()
        if fault:
            scene.arm(fault)
        await scene.vast.destroy(machine.instance)
        await scene.until(machine.instance, lambda sight: sight is None)
        await scene.vast.destroy(machine.instance)

    against(tmp_path, act)


# The command line -----------------------------------------------------------------------------------------------------


def test_a_misspelt_fault_ends_with_exit_code_2_and_the_list_of_all() -> None:
    said = CliRunner().invoke(app, ["sandbox", "--fault", "offer-snatched", "--fault", "offer-snached"])
    assert said.exit_code == 2
    assert all(name in said.output for name in KNOWN)


def test_a_fault_named_twice_strikes_twice(tmp_path: Path) -> None:
    async def play() -> None:
        async with sandbox(tmp_path / "world", faults=Counter(["offer-snatched", "offer-snatched"])) as world:
            assert [world.market.faults.strikes("offer-snatched") for _ in range(3)] == [True, True, False]

    asyncio.run(play())
