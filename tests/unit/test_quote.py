"""Offers ranked by what the whole job costs there, and quotes made by the same sum."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.choice import choice, filters, roomy
from pipeline.domain.faults import OperatorFault, UserFault
from pipeline.domain.money import MicroUsd, Tariff, micro
from pipeline.domain.quote import (
    Filters,
    Need,
    Offer,
    deadline,
    estimate,
    expected_cost,
    explained,
    owner,
    quote,
    ranked,
    sound,
)
from pipeline.domain.recipe import Recipe
from pipeline.domain.speeds import Known, Mean, Seen
from pipeline.flow.kit import need_of
from tests.support.world import HOUSE, offer

NEED: Need = need_of(Recipe(trigger="tok", steps=2000), 5_000_000, 20, HOUSE)


def test_the_sum_of_the_fact_sheet_comes_out_for_its_own_example() -> None:
    """facts/vast.md 8: 0.30 $/h, 120 GB at 0.15, 900 Mbit/s, 0.002 $/GB, 30.5 GB in, 0.5 out, 2 h: $0.79."""
    need = replace(NEED, model_gb=30, dataset_gb=0.5, image_gb=10.2, steps=0, setup_seconds=7200, sample_seconds=0)
    card = replace(offer(1, 0.30), down_mbps=900, up_mbps=900, reliability=1.0)
    told = estimate(card, need)
    assert told.cost / 1e6 == pytest.approx(0.79, abs=0.015)
    assert told.fetch == pytest.approx(542, abs=2)


def test_a_plain_job_costs_half_a_dollar_to_two() -> None:
    for price in (0.17, 0.55):
        assert 0.4e6 < estimate(offer(1, price), NEED).cost < 2.0e6


def test_a_slower_dearer_link_loses_against_a_higher_hourly_price() -> None:
    cheap_hour = replace(offer(1, 0.25), down_mbps=60, down_per_gb=micro(0.02))
    assert [one.id for one in ranked([cheap_hour, offer(2, 0.35)], NEED)] == ["o2", "o1"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"num_gpus": 2}, {"gpu_frac": 0.5}, {"vram_mb": 16_000}, {"verified": False}, {"reliability": 0.9},
        {"direct_ports": 0}, {"disk_gb": 60.0}, {"arch": "arm64"}, {"driver": 570_000_000}, {"seconds_left": 3600.0},
        {"gpu_rate": micro(3.0)}, {"down_mbps": 0.0}, {"driver": 0},
    ],
    ids=lambda wrong: next(iter(wrong)),
)  # fmt: skip
def test_a_floor_the_market_did_not_apply_is_applied_by_us(wrong: dict[str, object]) -> None:
    assert sound(offer(1), NEED)
    assert not sound(replace(offer(1), **wrong), NEED)  # type: ignore[arg-type]  # a test names fields freely


def test_a_shunned_machine_address_or_owner_is_not_chosen_again() -> None:
    first = replace(offer(1), address="1.1.1.1")
    for mark in (first.machine, first.address, owner(first.host)):
        assert [one.id for one in ranked([first, offer(2)], NEED, frozenset({mark}))] == ["o2"]
    assert len(ranked([offer(1), offer(2)], NEED, frozenset({"", offer(1).host}))) == 2


def test_a_rental_that_would_end_before_the_jobs_deadline_is_not_taken() -> None:
    slow = estimate(offer(1), NEED, slow=1.5).seconds
    assert not sound(replace(offer(1), seconds_left=2 * slow), NEED)
    assert sound(replace(offer(1), seconds_left=2 * slow + 1), NEED)
    short = replace(NEED, steps=1, model_gb=0.1, image_gb=0.1, setup_seconds=1, sample_seconds=0)
    assert deadline(estimate(offer(1), short).seconds) == 1800
    assert not sound(replace(offer(1), seconds_left=1799), short)


def test_the_explained_sum_of_the_winner_and_the_runner_up_is_what_they_are_ranked_by() -> None:
    offers = [offer(n, 0.3 + n / 100) for n in range(1, 6)]
    first, second, *_ = explained(offers, NEED, frozenset({offer(1).machine}))
    assert [each.offer for each in (first, second)] == ranked(offers, NEED, frozenset({offer(1).machine}))[:2]
    for each in (first, second):
        parts = each.estimate.costs
        assert expected_cost(each.offer, NEED) == parts.total
        summands = parts.boot + parts.fetch + parts.train + parts.home + parts.disk + parts.traffic_in
        assert summands + parts.traffic_out + parts.failures == parts.total
        assert min(parts.boot, parts.fetch, parts.train, parts.home, parts.disk, parts.failures) > 0
    assert (first.mbps, first.step_seconds, first.boots) == (1000, 3.25, 0.99)


def test_our_own_history_corrects_the_table_the_claim_and_the_odds() -> None:
    machine = offer(1).machine
    slow = Seen(step=Mean(20, 6.5), link=Mean(20, 0.1), boot=Mean(20, 0.0))
    known = replace(NEED, known=Known(machines={machine: slow}))
    (told,) = explained([offer(1)], known)
    assert told.step_seconds == pytest.approx((4 * 3.25 + 20 * 6.5) / 24)
    assert told.mbps == pytest.approx(2000 * (4 * 0.5 + 20 * 0.1) / 24)
    assert told.boots == pytest.approx(0.99 * 4 / 24)
    assert [one.id for one in ranked([offer(1, 0.2), offer(2, 0.3)], known)] == ["o2", "o1"]


def test_a_gpu_measured_anywhere_is_believed_everywhere_and_one_odd_run_moves_little() -> None:
    fast = Known(gpus={"RTX 4090": Seen(step=Mean().seen(1.0))})
    assert fast.step_seconds("RTX 4090", offer(9).machine) == pytest.approx((4 * 3.25 + 1.0) / 5)
    mean = Mean()
    for _ in range(1000):
        mean = mean.seen(2.0)
    assert (mean.n, mean.value) == (20, 2.0)
    assert mean.seen(4.0).value == pytest.approx(2.1)


def mine(*, region: str = "SE", count: int = 8, owners: int = 4, price: float = 0.3) -> list[Offer]:
    return [replace(offer(n, price), region=region, host=f"h{n % owners}") for n in range(101, 101 + count)]


MARKET = [offer(n, 0.3 + n / 100) for n in range(1, 20)]
IN_SWEDEN = replace(NEED, filters=Filters(region="SE"))


def test_a_base_no_card_of_ours_has_room_for_is_refused_before_the_market_is_asked() -> None:
    assert roomy({"RTX 4090", "RTX A6000", "RTX 9999"}, 45_000, "qwen-image") == {"RTX A6000", "RTX 9999"}
    assert roomy((), 45_000, "qwen-image") == frozenset()  # any card
    with pytest.raises(UserFault, match="base-needs-larger-card"):
        roomy({"RTX 3090", "RTX 4090"}, 45_000, "qwen-image")


def test_filters_that_leave_a_real_choice_are_kept() -> None:
    assert {one.region for one in choice([*MARKET, *mine()], MARKET, IN_SWEDEN)} == {"SE"}
    assert choice(MARKET, [], NEED) == MARKET


@pytest.mark.parametrize(
    "left",
    [mine(count=4), mine(owners=2), mine(price=0.9), mine(count=4) + mine(count=4), []],
    ids=["four machines", "two owners", "dear", "four machines offered twice", "none"],
)
def test_filters_that_steer_a_job_to_somebodys_own_box_are_refused(left: list[Offer]) -> None:
    with pytest.raises(UserFault, match="filters-too-narrow"):
        choice(left, MARKET, IN_SWEDEN)


def test_a_price_cap_of_a_person_counts_gpu_and_disk() -> None:
    capped = replace(NEED, filters=Filters(max_rate=micro(0.42)))
    assert [one.id for one in ranked(MARKET, capped)] == [f"o{n}" for n in range(1, 10)]


@pytest.mark.parametrize("said", ["4090", "rtx4090", "RTX 4090", "rtx_4090", "Rtx-4090"])
def test_a_card_is_known_by_every_way_to_write_it(said: str) -> None:
    recipe = Recipe(trigger="tok", gpu=said, region="SE", max_price=micro(0.5))
    asked = filters(recipe, {"RTX 3090", "RTX 4090"}, "")
    assert asked == Filters(gpus=frozenset({"RTX 4090"}), region="SE", max_rate=micro(0.5))
    assert filters(recipe, (), "").gpus == {"RTX 4090"}


def test_filters_stay_within_what_the_operator_offers() -> None:
    with pytest.raises(UserFault, match="unknown-gpu"):
        filters(Recipe(trigger="tok", gpu="H100"), {"RTX 3090"}, "")
    with pytest.raises(UserFault, match="region-fixed"):
        filters(Recipe(trigger="tok", region="CN"), (), "US")
    assert filters(Recipe(trigger="tok", region="US"), (), "US").region == "US"


def test_a_quote_is_a_ceiling_above_the_expected_price() -> None:
    price = quote([offer(1)], NEED, Tariff())
    assert price.points < price.ceiling <= 1.5 * price.points + 1
    assert price.points == Tariff().points(price.cost)


def test_no_sound_offer_is_said_not_guessed() -> None:
    with pytest.raises(OperatorFault, match="no-offers"):
        quote([], NEED, Tariff())


@given(st.integers(0, 10**12), st.integers(1, 10**6), st.integers(0, 100))
def test_points_never_undercharge_and_never_by_more_than_one(cost: int, per_usd: int, fee: int) -> None:
    points = Tariff(per_usd, fee).points(MicroUsd(cost))
    exact = cost * (100 + fee) * per_usd / 1e8
    assert exact - 1e-6 * exact <= points <= exact + 1 + 1e-6 * exact


@given(st.floats(0.1, 3), st.floats(50, 9000), st.floats(0.5, 1.0))
def test_a_slower_run_is_never_cheaper(price: float, mbps: float, reliability: float) -> None:
    card = replace(offer(1, price), down_mbps=mbps, reliability=reliability)
    assert estimate(card, NEED, slow=1.5).cost >= estimate(card, NEED).cost
