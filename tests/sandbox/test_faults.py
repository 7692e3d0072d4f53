"""Each of the market's 27 faults (facts/vast.md 10), and what our own client makes of it, on real sockets."""

import asyncio
import math
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from pipeline.adapters.providers.vast import Settings, connect
from pipeline.adapters.providers.vast.market import Vast
from pipeline.domain.faults import Fault, HostFault, HostSilent, OperatorFault
from pipeline.domain.ids import InstanceId, Label
from pipeline.domain.job import Machine
from pipeline.domain.quote import Need, ranked
from pipeline.ports import RentOrder, Sight, Status
from pipeline.sandbox.market.faults import KNOWN, Faults
from tests.sandbox.market_scene import KEY, NO_TLS, Client, played

SPEED = 1500.0  # a rental is up in a tenth of a second
NEED = Need(
    steps=1000, step_factor=1, model_gb=34, dataset_gb=0.1, image_gb=20, disk_gb=120, vram_mb=23_000,
    setup_seconds=300, sample_seconds=60,
)  # fmt: skip
OURS = Label("ts-test-job-1")


class Scene:
    """Our client before a market that lies."""

    def __init__(self, client: Client, vast: Vast) -> None:
        self.client = client
        self.vast = vast
        self.market = client.market
        self.arm = client.market.faults.arm

    async def rent(self, label: Label = OURS) -> Machine:
        """The best offer, asked for once."""
        offer, *_ = ranked(await self.vast.offers(NEED, fresh=True), NEED)
        order = RentOrder(label=label, image="ostris/aitoolkit:1", disk_gb=120, onstart="")
        return await self.vast.rent(offer, order, NEED, datetime.now(UTC))  # noqa: TID251  # the market's clock is the wall's

    async def until(self, instance: InstanceId, right: Callable[[Sight | None], bool]) -> Sight | None:
        while not right(sight := await self.vast.look(instance)):  # noqa: ASYNC110  # the market is asked; the test's own time limit ends a wait in vain
            await asyncio.sleep(0.005)
        return sight

    async def seen(self, instance: InstanceId, status: Status) -> Sight:
        sight = await self.until(instance, lambda sight: sight is not None and sight.status is status)
        assert sight is not None
        return sight

    async def give_back(self) -> None:
        """As TERMINATE and the reaper do: what is listed is destroyed until nothing is."""
        while sights := await self.vast.owned():
            for sight in sights:
                await self.vast.destroy(sight.instance)

    def asked_for(self) -> Counter[str]:
        """How many rentals each of our labels ever had."""
        return Counter(rental.order.label for rental in self.market.history if rental.order.label)


def against(folder: Path, act: Callable[[Scene], Awaitable[None]], **how: float) -> None:
    """At the end nothing of ours lives, and nothing was asked for twice."""

    async def play(client: Client) -> None:
        speed = how.get("speed", SPEED)
        vast = connect(Settings(url=str(client.http.base_url).rstrip("/"), api_key=KEY, pace=1 / speed))
        scene = Scene(client, vast)
        try:
            await act(scene)
            await scene.give_back()
        finally:
            await vast.close()
        assert client.market.live() == 0
        assert not scene.asked_for() or max(scene.asked_for().values()) == 1

    played(folder, play, **{"speed": SPEED, **how})


async def fails(doing: Awaitable[object]) -> Fault:
    with pytest.raises(Fault) as failed:
        await doing
    return failed.value


def test_every_row_of_the_fact_sheet_can_be_armed_by_a_name_that_is_explained() -> None:
    faults = Faults()
    for name, known in KNOWN.items():
        faults.arm(name)
        assert faults.armed(name)
        assert known.says
    assert {known.row for known in KNOWN.values()} >= set(range(1, 28))


# 1-5: renting -------------------------------------------------------------------------------------------------------


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


# 6-9: too fast, too often, with the wrong key -----------------------------------------------------------------------


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


# 10-15: booting -----------------------------------------------------------------------------------------------------


def test_10_a_rental_that_is_not_listed_yet_shows_up_under_its_label(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.arm("slow-listing", seconds=300)
        machine = await scene.rent()
        assert await scene.vast.look(machine.instance) is None
        assert await scene.vast.find(OURS) is None
        assert await scene.until(machine.instance, bool)

    against(tmp_path, act)


def test_11_a_frozen_text_is_booting_whether_it_ends_or_not(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.arm("slow-loading", seconds=300)
        slow = await scene.rent(Label("ts-test-slow-1"))
        scene.arm("stuck-loading")
        stuck = await scene.rent(Label("ts-test-stuck-1"))
        await scene.seen(slow.instance, Status.BOOTING)
        await scene.seen(slow.instance, Status.RUNNING)
        sight = await scene.vast.look(stuck.instance)
        assert sight is not None
        assert sight.status is Status.BOOTING

    against(tmp_path, act)


@pytest.mark.parametrize(("fault", "said"), [("pull-error", "manifest unknown"), ("oci-error", "OCI runtime")])
def test_12_an_image_that_will_not_start_is_broken_at_once_and_says_why(tmp_path: Path, fault: str, said: str) -> None:
    async def act(scene: Scene) -> None:
        scene.arm(fault)
        sight = await scene.seen((await scene.rent()).instance, Status.BROKEN)
        assert said in sight.said

    against(tmp_path, act)


@pytest.mark.parametrize("fault", ["ports-null", "ports-other"])
def test_13_without_a_mapped_port_only_the_proxy_pair_is_offered(tmp_path: Path, fault: str) -> None:
    async def act(scene: Scene) -> None:
        scene.arm(fault)
        machine = await scene.rent()
        sight = await scene.seen(machine.instance, Status.RUNNING)
        box = scene.market.rentals[int(machine.instance)].box
        assert [end.port for end in sight.endpoints] == [box.proxy_port]

    against(tmp_path, act)


def test_13_ports_that_lag_behind_running_are_waited_for(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.arm("ports-late", seconds=150)
        machine = await scene.rent()
        early = await scene.seen(machine.instance, Status.RUNNING)
        late = await scene.until(machine.instance, lambda sight: sight is not None and len(sight.endpoints) == 2)
        assert late is not None
        assert late.endpoints[1:] == early.endpoints

    against(tmp_path, act)


# 16-18: what becomes of it ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["host-exited", "host-offline", "host-unknown", "outbid", "rental-expired"])
def test_16_17_24_a_rental_that_stopped_behind_our_back_is_broken_and_can_be_destroyed(
    tmp_path: Path, fault: str
) -> None:
    async def act(scene: Scene) -> None:
        scene.arm(fault, seconds=100)
        machine = await scene.rent()
        await scene.seen(machine.instance, Status.RUNNING)
        assert (await scene.seen(machine.instance, Status.BROKEN)).endpoints == ()

    against(tmp_path, act)


def test_16_a_host_that_was_offline_is_back_under_another_address_and_is_the_same_machine(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.arm("host-moves", seconds=100)
        machine = await scene.rent()
        before = await scene.until(machine.instance, lambda sight: sight is not None and len(sight.endpoints) == 2)
        await scene.seen(machine.instance, Status.BROKEN)
        after = await scene.seen(machine.instance, Status.RUNNING)
        assert before is not None
        assert not set(after.endpoints) & set(before.endpoints)
        assert (after.machine, after.label) == (before.machine, before.label)

    against(tmp_path, act)


def test_17_a_rental_that_resumes_by_itself_still_carries_our_label_and_is_destroyed(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.arm("outbid-resumed", seconds=50)
        machine = await scene.rent()
        await scene.seen(machine.instance, Status.RUNNING)
        await scene.seen(machine.instance, Status.BROKEN)
        assert (await scene.seen(machine.instance, Status.RUNNING)).label == OURS

    against(tmp_path, act)


def test_18_a_start_that_was_queued_does_not_outlive_a_destroy(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        number = int((await scene.rent()).instance)
        wire = f"/api/v0/instances/{number}/"
        await scene.client.http.put(wire, json={"state": "stopped"})
        await asyncio.sleep(0.06)  # the endpoint's own interval and its jitter
        scene.arm("start-queued", seconds=100)
        reply = (await scene.client.http.put(wire, json={"state": "running"})).json()
        assert reply == {
            "success": False, "msg": "Required resources are currently unavailable, state change queued.",
        }  # fmt: skip
        await scene.vast.destroy(InstanceId(str(number)))
        await asyncio.sleep(150 / SPEED)
        assert await scene.until(InstanceId(str(number)), lambda sight: sight is None) is None

    against(tmp_path, act)


def test_18_a_start_that_was_queued_runs_and_bills_when_nobody_thinks_of_it_any_more(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        machine = await scene.rent()
        await scene.seen(machine.instance, Status.RUNNING)
        wire = f"/api/v0/instances/{machine.instance}/"
        await scene.client.http.put(wire, json={"state": "stopped"})
        await scene.seen(machine.instance, Status.BROKEN)
        await asyncio.sleep(0.06)  # the endpoint's own interval and its jitter
        scene.arm("start-queued", seconds=100)
        await scene.client.http.put(wire, json={"state": "running"})
        await scene.seen(machine.instance, Status.RUNNING)

    against(tmp_path, act)


# 19, 20: destroying -------------------------------------------------------------------------------------------------


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
        scene.arm("destroy-lingers", seconds=200)
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
        scene.arm("destroy-undone", seconds=150)
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


# 21, 22: lists ------------------------------------------------------------------------------------------------------


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


# 23, 24, 27: rows ---------------------------------------------------------------------------------------------------


def test_23_another_gpu_than_offered_is_seen_in_the_row(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.arm("gpu-differs")
        machine = await scene.rent()
        sight = await scene.vast.look(machine.instance)
        assert sight is not None
        assert sight.gpu != machine.gpu
        assert sight.vram_mb < machine.vram_mb

    against(tmp_path, act)


def test_23_a_tenth_of_the_claimed_line_pulls_the_image_ten_times_as_long(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.arm("slow-line")
        slow = scene.market.rentals[int((await scene.rent()).instance)]
        fair = scene.market.rentals[int((await scene.rent(Label("ts-test-fair-1"))).instance)]
        await scene.seen(InstanceId(str(fair.id)), Status.RUNNING)
        assert slow.actual == "loading"
        assert slow.given.machine.honest * 4 < fair.given.machine.honest

    against(tmp_path, act)


def test_24_when_the_credit_is_gone_everything_stops_and_nothing_can_be_rented(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        offer = ranked(await scene.vast.offers(NEED, fresh=True), NEED)[3]
        other = await scene.rent(Label("ts-test-other-1"))
        await scene.seen(other.instance, Status.RUNNING)
        scene.arm("credit-gone", seconds=50)
        machine = await scene.rent()
        await scene.seen(machine.instance, Status.RUNNING)
        for each in (machine, other):
            await scene.seen(each.instance, Status.BROKEN)
        assert await scene.vast.credit() <= 0
        order = RentOrder(label=Label("ts-test-third-1"), image="ostris/aitoolkit:1", disk_gb=120, onstart="")
        assert (await fails(scene.vast.rent(offer, order, NEED, machine.since))).code == "market-credit"

    against(tmp_path, act)


@pytest.mark.parametrize("fault", ["row-strings", "row-extra", "row-strange", "clock-ahead", "gpu-count", "disk-short"])
def test_27_a_row_told_strangely_is_read_all_the_same(tmp_path: Path, fault: str) -> None:
    async def act(scene: Scene) -> None:
        scene.arm(fault)
        machine = await scene.rent()
        assert (await scene.vast.find(OURS) or machine).instance == machine.instance
        booting = await scene.vast.look(machine.instance)
        assert booting is not None
        assert booting.status is Status.BOOTING
        sight = await scene.until(machine.instance, lambda sight: sight is not None and len(sight.endpoints) == 2)
        assert sight is not None
        assert (sight.machine, sight.gpu, sight.label) == (machine.machine, machine.gpu, OURS)
        assert sight.rate > 0
        assert sight.since is not None
        ahead = timedelta(hours=1) if fault == "clock-ahead" else timedelta()
        assert abs(sight.since - machine.since - ahead) < timedelta(seconds=5)

    against(tmp_path, act)


# 25, 26: transport and logs -----------------------------------------------------------------------------------------

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
