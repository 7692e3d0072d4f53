"""Generated markets: the same seed, the same market; and the judge's sum is the fact sheet's."""

from dataclasses import replace

import pytest

from pipeline.domain.money import micro
from pipeline.domain.quote import Need, estimate, ranked, rate
from pipeline.domain.recipe import Recipe
from pipeline.flow.kit import need_of
from tests.support.snapshots import Day, Host, day, lowest_hour, snapshot
from tests.support.world import HOUSE, offer

NEED: Need = need_of(Recipe(trigger="tok", steps=2000), 5_000_000, 20, HOUSE)


def as_claimed(number: int, price: float) -> Host:
    """A host of which everything that we assume is true."""
    return Host(replace(offer(number, price), reliability=1.0), efficiency=0.5, step=3.25, fails=0.0)


def test_a_seed_is_a_market() -> None:
    assert snapshot(7) == snapshot(7)
    assert snapshot(7) != snapshot(8)


def test_a_market_is_as_spread_as_the_real_one() -> None:
    hosts = [host for seed in range(20) for host in snapshot(seed)]
    offers = [host.offer for host in hosts]
    assert len({one.gpu for one in offers}) == 6
    assert min(one.down_mbps for one in offers) < 100
    assert max(one.down_mbps for one in offers) > 5000
    assert any(one.down_per_gb == 0 for one in offers)
    assert max(one.down_per_gb for one in offers) == micro(0.02)
    assert all(10 < len(ranked((host.offer for host in snapshot(seed)), NEED)) < 60 for seed in range(5))
    assert 0.02 < sum(host.fails == 1.0 for host in hosts) / len(hosts) < 0.05


def test_the_judge_and_the_estimate_are_the_same_sum_where_every_claim_is_true() -> None:
    host = as_claimed(1, 0.3)
    assert host.cost(NEED) == pytest.approx(estimate(host.offer, NEED).cost, rel=0.001)


def test_a_host_that_lies_about_its_line_costs_more_than_it_claims() -> None:
    honest, liar = as_claimed(1, 0.3), replace(as_claimed(1, 0.3), efficiency=0.1)
    assert liar.cost(NEED) > 1.1 * honest.cost(NEED)


def test_a_boot_that_fails_is_paid_and_the_next_in_rank_is_tried() -> None:
    first, second = as_claimed(1, 0.3), as_claimed(2, 0.4)
    today = Day([first, second], frozenset({second.offer.id}))
    paid = today.paid([first.offer, second.offer], NEED)
    assert paid == pytest.approx(first.wasted(NEED) + second.cost(NEED))
    assert Day([first], frozenset()).paid([first.offer], NEED) is None


def test_hindsight_never_pays_more_than_anybody() -> None:
    for seed in range(10):
        today = day(seed, snapshot(seed))
        order = ranked((host.offer for host in today.hosts), NEED)
        best = today.hindsight(order, NEED)
        assert best is not None
        for chosen in (order, lowest_hour(order, NEED)):
            paid = today.paid(chosen, NEED)
            assert paid is not None
            assert best <= paid


def test_the_shopper_by_the_price_tag_pays_the_lowest_hour() -> None:
    fit = ranked((host.offer for host in snapshot(3)), NEED)
    assert [rate(one, NEED) for one in lowest_hour(fit, NEED)] == sorted(rate(one, NEED) for one in fit)
