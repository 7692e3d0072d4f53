"""The arithmetic of the figures' rows. The figures themselves are `make bench`."""

import pytest

from tests.bench.client import machine
from tests.bench.row import Pairs, least, most, paired, percentile, skipped
from tests.bench.start import Spans


def test_a_limit_is_held_from_the_right_side() -> None:
    assert most("x", 1.05, 1.05, "x").holds
    assert not most("x", 1.06, 1.05, "x").holds
    assert least("x", 15.0, 15, "%").holds
    assert not least("x", 14.9, 15, "%").holds
    assert least("x", 99.6, 99.5, "%").aim == ">= 99.5"


def test_a_figure_that_could_not_be_taken_neither_holds_nor_fails() -> None:
    row = skipped("scp", "no sshd here")
    assert (row.value, row.holds, row.detail) == (None, None, "skipped: no sshd here")


def test_a_ratio_is_the_median_of_the_pairs_not_of_the_sides() -> None:
    pairs = Pairs([1.0, 2.0, 30.0], [1.0, 4.0, 10.0])
    assert pairs.ratio == 1.0
    assert pairs.spread == "3 pairs, 0.50-3.00"


def test_pairs_take_turns_in_going_first() -> None:
    said: list[str] = []

    def take(name: str) -> float:
        said.append(name)
        return float(len(said))

    pairs = paired(lambda: take("a"), lambda: take("b"), 3)
    assert "".join(said) == "baabba" or "".join(said) == "abbaab"
    assert len(pairs.ours) == len(pairs.theirs) == 3


@pytest.mark.parametrize(("percent", "value"), [(50, 50), (99, 99), (100, 100), (0.5, 1)])
def test_a_percentile_is_one_of_the_values(percent: float, value: int) -> None:
    assert percentile(list(range(100, 0, -1)), percent) == value


def test_what_the_sandbox_was_told_to_take_is_not_ours() -> None:
    spans = Spans(whole=100, told_of=105, boot=60, fetch=20, load=10)
    assert (spans.told, spans.gaps) == (90, 2.0)


def test_each_machine_of_a_crowd_is_one_of_its_own() -> None:
    assert len({machine(22, number).instance for number in range(5)}) == 5
