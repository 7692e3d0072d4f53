"""Faults of the market (facts/vast.md 10), rows 21, 22, 25, 26: lists, searches and answers that are none."""

import math
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from pipeline.domain.faults import OperatorFault
from pipeline.domain.ids import Label
from pipeline.domain.quote import ranked
from tests.sandbox.fault_scene import NEED, Scene, against, fails
from tests.sandbox.market_scene import NO_TLS

# 21, 22: lists --------------------------------------------------------------------------------------------------------


async def many(scene: Scene, count: int) -> None:
    offers = await scene.client.offers(num_gpus={"eq": 1}, dph_total={"lte": 0.7})
    for number, offer in enumerate(offers[:count]):
        await scene.client.create(offer["id"], label=f"ts-test-{number}-1", disk=10, target_state="stopped")


def test_21_a_rental_that_comes_between_two_pages_hides_none(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        await many(scene, 27)
        scene.arm("list-insert")
        assert len(await scene.vast.owned()) == 28

    against(tmp_path, act, credit=1000)


@pytest.mark.parametrize("fault", ["list-bad-token", "list-null", "list-short", "list-html"])
def test_21_a_list_that_cannot_be_whole_makes_us_blind(tmp_path: Path, fault: str) -> None:
    async def act(scene: Scene) -> None:
        await scene.rent()
        scene.arm(fault, times=math.inf)
        assert isinstance(await fails(scene.vast.owned()), OperatorFault)
        assert isinstance(await fails(scene.vast.find(Label("ts-test-other-1"))), OperatorFault)
        scene.market.faults.disarm(fault)
        assert len(await scene.vast.owned()) == 1

    against(tmp_path, act)


@pytest.mark.parametrize("fault", ["look-empty", "look-hollow"])
def test_21_gone_is_understood_as_an_empty_list_and_as_a_hollow_object(tmp_path: Path, fault: str) -> None:
    async def act(scene: Scene) -> None:
        machine = await scene.rent()
        scene.arm(fault, times=math.inf)
        assert await scene.vast.look(machine.instance) is not None
        await scene.vast.destroy(machine.instance)
        assert await scene.until(machine.instance, lambda sight: sight is None) is None

    against(tmp_path, act)


def test_22_a_filter_the_market_forgot_is_applied_at_home(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        honest = ranked(await scene.vast.offers(NEED, fresh=True), NEED)
        scene.arm("search-unfiltered")
        raw = await scene.vast.offers(NEED, fresh=True)
        assert len(raw) == 64
        sound = ranked(raw, NEED)
        assert sound
        assert {offer.machine for offer in sound} <= {offer.machine for offer in honest}

    against(tmp_path, act)


def test_22_an_offer_of_nulls_is_no_choice_and_hides_no_other(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        honest = ranked(await scene.vast.offers(NEED, fresh=True), NEED)
        scene.arm("search-nulls")
        left = ranked(await scene.vast.offers(NEED, fresh=True), NEED)
        assert 0 < len(left) < len(honest)
        assert all(offer.gpu and offer.vram_mb for offer in left)

    against(tmp_path, act)


def test_22_of_more_than_64_matches_the_cheapest_64_are_chosen_from(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.arm("search-crowded")
        offers = await scene.vast.offers(NEED, fresh=True)
        assert len(offers) == 64
        assert len(ranked(offers, NEED)) > 50

    against(tmp_path, act)


# 25, 26: transport and logs -------------------------------------------------------------------------------------------

NOT_AN_ANSWER = ("answer-truncated", "answer-broken", "answer-html", "answer-empty")


@pytest.mark.parametrize("fault", NOT_AN_ANSWER)
def test_25_what_is_no_answer_is_asked_again_and_is_never_taken_for_none(tmp_path: Path, fault: str) -> None:
    async def act(scene: Scene) -> None:
        machine = await scene.rent()
        asks: dict[str, Callable[[], Awaitable[Any]]] = {
            "list": scene.vast.owned, "look": lambda: scene.vast.look(machine.instance), "user": scene.vast.credit,
            "search": lambda: scene.vast.offers(NEED, fresh=True),
        }  # fmt: skip
        for op, ask in asks.items():
            scene.arm(fault, op=op)
            assert await ask(), op
            scene.arm(fault, times=math.inf, op=op)
            failed = await fails(ask())
            assert (type(failed), failed.code) == (OperatorFault, "market-down"), op
        scene.market.faults.disarm(fault)

    against(tmp_path, act)


@pytest.mark.parametrize("fault", ["answer-huge", "answer-charset"])
def test_25_five_megabytes_and_a_charset_are_an_answer(tmp_path: Path, fault: str) -> None:
    async def act(scene: Scene) -> None:
        scene.arm(fault, op="rent")
        machine = await scene.rent()
        assert machine.key
        for op, ask in (("list", scene.vast.owned), ("look", lambda: scene.vast.look(machine.instance))):
            scene.arm(fault, op=op)
            assert await ask()

    against(tmp_path, act)


@pytest.mark.parametrize(("fault", "status"), [("log-late", 403), ("log-never", 404)])
def test_26_a_log_that_is_not_ready_is_not_ours_to_wait_for(tmp_path: Path, fault: str, status: int) -> None:
    async def act(scene: Scene) -> None:
        machine = await scene.rent()
        scene.arm(fault, seconds=3000)
        path = f"/api/v0/instances/request_logs/{machine.instance}/"
        url = (await scene.client.http.put(path, json={"tail": "50"})).json()["result_url"]
        async with httpx.AsyncClient(verify=NO_TLS) as nobody:
            assert (await nobody.get(url)).status_code == status
        assert await scene.vast.look(machine.instance)  # nothing of ours asks for logs: nothing hangs on them

    against(tmp_path, act)
