"""What a recipe refuses before anybody pays for it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.talk.effects import Known
from bot.talk.options import recipe
from pipeline.domain.faults import UserFault
from pipeline.domain.recipe import TRIGGER, Recipe


@pytest.mark.parametrize("trigger", ["ab--w", "ab--n", "-x", "x-", "--", "a---b", "o", "a" * 33, "a b", "ohwx\n", "é1"])
def test_a_trigger_that_could_make_a_flag_of_a_prompt_is_refused_in_chat_and_command_line_alike(trigger: str) -> None:
    with pytest.raises(UserFault) as caught:
        Recipe(trigger=trigger).check()
    assert (caught.value.code, caught.value.facts) == ("bad-trigger", {"got": trigger})
    with pytest.raises(UserFault, match="bad-trigger"):
        recipe([trigger], Known())


@pytest.mark.parametrize("trigger", ["ohwx", "my-cat", "a-b-c", "_x", "x_", "a_-_b", "x1", "a" * 32])
def test_a_trigger_may_have_single_dashes_between_its_letters(trigger: str) -> None:
    Recipe(trigger=trigger).check()


@given(st.text("aZ_9-", max_size=34), st.sampled_from(["{}", "-{}", "{}-", "-{}-", "a -{}- b"]))
def test_no_trigger_that_is_taken_makes_two_dashes_of_one(trigger: str, around: str) -> None:
    if TRIGGER.fullmatch(trigger):
        assert "--" not in around.format(trigger)
