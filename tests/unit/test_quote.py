"""Offers ranked by what the whole job costs there, and quotes made by the same sum."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.faults import OperatorFault
from pipeline.domain.money import MicroUsd, Tariff, micro
from pipeline.domain.quote import Need, estimate, quote, ranked, sound
from pipeline.domain.recipe import Recipe
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
        {"gpu_rate": micro(3.0)}, {"down_mbps": 0.0},
    ],
    ids=lambda wrong: next(iter(wrong)),
)  # fmt: skip
def test_a_floor_the_market_did_not_apply_is_applied_by_us(wrong: dict[str, object]) -> None:
    assert sound(offer(1), NEED)
    assert not sound(replace(offer(1), **wrong), NEED)  # type: ignore[arg-type]


def test_a_shunned_machine_is_not_chosen_again() -> None:
    assert [one.id for one in ranked([offer(1), offer(2)], NEED, frozenset({offer(1).machine}))] == ["o2"]


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
