"""What people say, and what the dialogue decides to do about it. No platform, no office."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.ports import Said
from bot.talk import hello, options, train
from bot.talk.dialogue import BUTTONS, COMMANDS, answer
from bot.talk.effects import (
    AddToDraft,
    Aside,
    AskQuote,
    BringLink,
    ClearDraft,
    Decline,
    DropPicture,
    Effect,
    Grant,
    Known,
    MakeWish,
    Page,
    Refuse,
    Show,
    Submit,
    Take,
    Tell,
)
from notifier.words import Words
from pipeline.domain.dataset import Manifest, Picture
from pipeline.domain.faults import UserFault
from pipeline.domain.ids import Identity, Sha256, Slug
from pipeline.domain.job import Address
from pipeline.domain.ledger import Balance
from pipeline.domain.money import Points, Tariff, micro
from pipeline.domain.recipe import BOUNDS, PRESETS, Captions, Preset, Publish, Recipe
from pipeline.domain.stage import Wish
from pipeline.flow.intake import Offered
from tests.support.office import PRICE

NOTHING = Known()
LAST = Recipe(trigger="ohwx", steps=1500, rank=32)
ZIP, CAT = Path("pictures.zip"), Path("cat.jpg")
EN = Words("en", strict=True)


def said(text: str = "", *files: Path, pressed: str | None = None) -> Said:
    return Said(
        identity=Identity("terminal:7"),
        address=Address("terminal", "7"),
        text=text,
        attachments=files,
        pressed=pressed,
    )


def spoken(effect: Effect) -> str:
    """The sentence a Tell or Refuse becomes."""
    if isinstance(effect, Tell):
        return EN.say(effect.key, **effect.facts)
    assert isinstance(effect, Refuse), effect
    return EN.fault(UserFault(effect.code, **effect.facts))


@pytest.mark.parametrize(
    ("text", "effects"),
    [
        ("/train ohwx", (AskQuote(Recipe(trigger="ohwx")),)),
        ("/train@somebot ohwx", (AskQuote(Recipe(trigger="ohwx")),)),
        ("  /TRAIN   ohwx  Steps=30 ", (AskQuote(Recipe(trigger="ohwx", steps=30)),)),
        ("/train ohwx steps = 30", (AskQuote(Recipe(trigger="ohwx", steps=30)),)),
        ("/dataset", (Show(Page.DRAFT),)),
        ("/dataset drop 3", (DropPicture(3),)),
        ("/dataset Clear", (ClearDraft(),)),
        ("/dataset drop three", (Tell("chat-dataset-usage"),)),
        ("/dataset drop 99999", (Tell("chat-dataset-usage"),)),
        ("/status", (Show(Page.STATUS),)),
        ("/status K3v9Aaaaaaaa", (Show(Page.STATUS, "k3v9aaaaaaaa"),)),
        ("/jobs", (Show(Page.JOBS),)),
        ("/stop", (MakeWish(Wish.STOP),)),
        ("/cancel k3v9aaaaaaaa", (MakeWish(Wish.CANCEL, "k3v9aaaaaaaa"),)),
        ("/models", (Show(Page.MODELS),)),
        ("/model ohwx-lora", (Show(Page.MODEL, "ohwx-lora"),)),
        ("/model", (Tell("chat-model-usage"),)),
        ("/balance", (Show(Page.BALANCE),)),
        ("/receipts", (Show(Page.RECEIPTS),)),
        ("/start", (Show(Page.START),)),
        ("/start deep-link-payload", (Show(Page.START),)),
        ("/help", (Show(Page.HELP),)),
        ("/imagine a cat", (Tell("chat-unknown-command", {"command": "/imagine"}),)),
        ("good evening", (Tell("chat-no-command"),)),
        ("   ", ()),
    ],
)
def test_words_become_effects(text: str, effects: tuple[Effect, ...]) -> None:
    assert answer(said(text), NOTHING) == effects


LINK = "https://example.com/a.zip?key=a=b"


@pytest.mark.parametrize(
    ("text", "known", "effects"),
    [
        (f"/train url={LINK}", NOTHING, (BringLink(LINK),)),
        (f"/train URL = {LINK}", Known(last=LAST), (BringLink(LINK, count=False), AskQuote(LAST))),
        (
            f"/train cat url={LINK} steps=30",
            NOTHING,
            (BringLink(LINK, count=False), AskQuote(Recipe(trigger="cat", steps=30))),
        ),
        (f"/train url={LINK} url={LINK}", NOTHING, (Refuse("option-twice", {"option": "url"}),)),
        (f"/train url={LINK} steps=30", NOTHING, (Refuse("trigger-missing"),)),
        ("/train cat url=", NOTHING, (Refuse("option-empty", {"option": "url"}),)),
        ("/train cat url=http://example.com/a.zip", NOTHING, (Refuse("link-not-https"),)),
        ("/train cat url=example.com/a.zip", NOTHING, (Refuse("link-not-https"),)),
        ("/train cat url=https://ann:pw@example.com/", NOTHING, (Refuse("link-login"),)),
        ("/train cat url=https://", NOTHING, (Refuse("link-bad"),)),
        ("/train cat url=https://[", NOTHING, (Refuse("link-bad"),)),
        ("/train cat url=https://e.com/" + "x" * 2000, NOTHING, (Refuse("link-bad"),)),
    ],
)
def test_a_link_is_fetched_before_its_quote_or_refused_in_one_sentence(
    text: str, known: Known, effects: tuple[Effect, ...]
) -> None:
    assert answer(said(text), known) == effects
    assert "key" not in repr(answer(said(text), known))


def test_every_option_of_train_is_read() -> None:
    order = Recipe(
        trigger="ohwx", name="my-cat", base="other", preset=Preset.STYLE,
        steps=10, rank=1, lr=1e-6, resolution=(512, 1024), save_every=10,
        samples=0, samples_every=50, captions=Captions.NONE, prompts=("a fox, day = night", "it's 'snow'"),
        publish=Publish.PRIVATE, region="SE", gpu="RTX 4090", max_price=micro(0.5),
    )  # fmt: skip
    text = "/train ohwx steps=10 base=other preset=style name=my-cat rank=1 lr=1e-6 resolution=512,1024 save_every=10"
    text += " samples=0 samples_every=50 captions=none publish=private region=se gpu=RTX_4090 max_price=0.5"
    text += """ prompt="a fox, day = night" prompt = “it's 'snow'”"""
    assert answer(said(text), NOTHING) == (AskQuote(order),)
    assert answer(said(options.spelled(order)), NOTHING) == (AskQuote(order),)


def ordered(text: str, known: Known = NOTHING) -> Recipe:
    (effect,) = answer(said(text), known)
    assert isinstance(effect, AskQuote), effect
    return effect.recipe


def test_a_preset_sets_what_a_person_leaves_open_and_nothing_else() -> None:
    style = ordered("/train ohwx rank=8 preset=STYLE")
    assert (style.preset, style.steps, style.rank) == (Preset.STYLE, PRESETS[Preset.STYLE]["steps"], 8)
    assert ordered("/train ohwx preset=subject") == ordered("/train ohwx")


def test_an_order_changed_afterwards_keeps_its_preset_and_what_was_typed() -> None:
    style = ordered("/train ohwx preset=style name=mine-ohwx")
    assert ordered("/train steps=500", Known(last=style)) == replace(style, steps=500)
    assert ordered("/train preset=subject", Known(last=style)) == replace(Recipe(trigger="ohwx"), name="mine-ohwx")


def test_a_prompt_is_one_thing_in_either_kind_of_quotes_and_there_are_four_at_most() -> None:
    assert ordered("/train ohwx prompt=fox").prompts == ("fox",)
    assert ordered('/train ohwx "prompt=a red fox"').prompts == ("a red fox",)
    (many,) = answer(said("/train ohwx " + "prompt=fox " * 5), NOTHING)
    (long,) = answer(said(f'/train ohwx prompt="{"fox " * 200}"'), NOTHING)
    assert [spoken(many), spoken(long)] == [
        EN.say("fault-too-many-prompts", have=5, most=4), EN.say("fault-bad-prompt", most=400),
    ]  # fmt: skip


@given(st.text(max_size=200))
def test_any_text_has_an_answer_whatever_its_quotes(text: str) -> None:
    assert answer(said(f"/train ohwx {text}"), NOTHING)


def test_a_preset_s_own_values_need_not_be_spelled() -> None:
    assert options.spelled(ordered("/train ohwx preset=style")) == "/train ohwx preset=style"
    assert options.spelled(ordered("/train ohwx preset=style steps=2000")) == "/train ohwx steps=2000 preset=style"


@pytest.mark.parametrize(
    ("order", "told"),
    [
        ("ohwx steps=0", "steps must be from 10 to 20,000; you gave 0."),
        ("ohwx steps=1000000000", "steps must be from 10 to 20,000; you gave 1,000,000,000."),
        ("ohwx steps=10**9", "steps needs a whole number, and “10**9” is none."),
        ("ohwx steps=2000.5", "steps needs a whole number, and “2000.5” is none."),
        ("ohwx rank=129", "rank must be from 1 to 128; you gave 129."),
        ("ohwx lr=1", "lr must be from 0.000001 to 0.01; you gave 1."),
        ("ohwx lr=nan", "lr needs a number, and “nan” is none."),
        ("ohwx lr=fast", "lr needs a number, and “fast” is none."),
        ("ohwx resolution=64", "resolution must be from 256 to 1,536; you gave 64."),
        ("ohwx resolution=512,,768", "resolution needs a whole number, and “” is none."),
        ("ohwx resolution=512,512", EN.say("fault-bad-resolution")),
        ("ohwx save_every=5", "save_every must be from 10 to 20,000; you gave 5."),
        ("ohwx samples=5", "samples must be from 0 to 4; you gave 5."),
        ("ohwx preset=cat", "preset can be subject, style, character, not “cat”."),
        ("ohwx publish=everywhere", "publish can be hf, private, not “everywhere”."),
        ("ohwx region=Sweden", EN.say("fault-bad-region", got="SWEDEN")),
        ("ohwx gpu=../x", EN.say("fault-bad-gpu", got="../x")),
        ("ohwx max_price=0", "max_price must be from 0.01 to 100; you gave 0."),
        ("ohwx max_price=cheap", "max_price needs a number, and “cheap” is none."),
        ("ohwx name=../etc", EN.say("fault-bad-name", got="../etc")),
        ("o", EN.say("fault-bad-trigger", got="o")),
        (
            "ohwx speed=9",
            EN.say("fault-option-unknown", option="speed", known=", ".join([*options.written(LAST), "prompt", "url"])),
        ),
        ("ohwx steps=30 steps=40", "The option steps is there twice. Say it once."),
        ("ohwx steps=", "The option steps needs a value after the equals sign."),
        ("ohwx in the garden", "I do not understand “in”. After the trigger word, options look like steps=2000."),
        ("", EN.say("fault-trigger-missing")),
        ("steps=30", EN.say("fault-trigger-missing")),
    ],
)
def test_a_mistake_in_an_order_gets_one_sentence_that_names_it(order: str, told: str) -> None:
    (refusal,) = answer(said(f"/train {order}"), NOTHING)
    assert isinstance(refusal, Refuse)
    assert spoken(refusal) == told


def test_a_number_of_five_thousand_digits_is_a_mistake_like_any_other() -> None:
    (refusal,) = answer(said(f"/train ohwx steps={'9' * 3000}"), NOTHING)
    assert spoken(refusal).startswith("steps must be from 10 to 20,000")


def test_pictures_go_into_the_draft_and_one_message_counts_them() -> None:
    assert answer(said("", ZIP, CAT), NOTHING) == (AddToDraft((ZIP, CAT)),)
    assert answer(said("my cat in the garden", CAT), NOTHING) == (AddToDraft((CAT,)),)


def test_train_with_a_zip_adds_it_first_and_the_quote_counts_it() -> None:
    assert answer(said("/train ohwx", ZIP), NOTHING) == (
        AddToDraft((ZIP,), count=False),
        AskQuote(Recipe(trigger="ohwx")),
    )


def test_a_mistake_in_the_caption_of_a_zip_does_not_lose_the_zip() -> None:
    add, refusal = answer(said("/train ohwx steps=0", ZIP), NOTHING)
    assert add == AddToDraft((ZIP,), count=False)
    assert isinstance(refusal, Refuse)


def test_train_without_a_trigger_changes_the_last_order_and_with_one_begins_a_new_order() -> None:
    known = Known(last=LAST)
    assert answer(said("/train steps=40"), known) == (AskQuote(Recipe(trigger="ohwx", steps=40, rank=32)),)
    assert answer(said("/train"), known) == (AskQuote(LAST),)
    assert answer(said("/train other"), known) == (AskQuote(Recipe(trigger="other")),)


def test_the_operators_default_says_who_may_see_a_model_until_the_person_does() -> None:
    known = Known(publish=Publish.PRIVATE)
    assert answer(said("/train ohwx"), known) == (AskQuote(Recipe(trigger="ohwx", publish=Publish.PRIVATE)),)
    assert answer(said("/train ohwx publish=HF"), known) == (AskQuote(Recipe(trigger="ohwx")),)


@pytest.mark.parametrize(
    ("action", "effects"),
    [
        ("start:0123456789abcdef", (Submit("0123456789abcdef"),)),
        ("decline:0123456789abcdef", (Decline("0123456789abcdef"),)),
        ("stop:k3v9aaaaaaaa", (MakeWish(Wish.STOP, "k3v9aaaaaaaa", aloud=False),)),
        ("cancel:k3v9aaaaaaaa", (MakeWish(Wish.CANCEL, "k3v9aaaaaaaa", aloud=False),)),
        ("clear:draft", (ClearDraft(),)),
        ("take:k3v9aaaaaaaa-1500", (Take("k3v9aaaaaaaa", 1500),)),
        ("take:-1500", (Take("-", 1500),)),
        ("take:k3v9aaaaaaaa", (Tell("chat-button-gone"),)),
        ("take:k3v9aaaaaaaa-1e3", (Tell("chat-button-gone"),)),
        ("take:k3v9aaaaaaaa-99999999999", (Tell("chat-button-gone"),)),
        ("launch:rocket", (Tell("chat-button-gone"),)),
        ("", (Tell("chat-button-gone"),)),
    ],
)
def test_buttons_become_effects(action: str, effects: tuple[Effect, ...]) -> None:
    assert answer(said(pressed=action), NOTHING) == effects


def test_a_button_that_names_no_job_never_means_the_newest_one() -> None:
    for verb in ("stop", "cancel"):
        for action in (verb, f"{verb}:"):
            (wish,) = answer(said(pressed=action), NOTHING)
            assert isinstance(wish, MakeWish)
            assert wish.job


def test_change_says_how_and_repeats_the_last_order_as_it_can_be_typed() -> None:
    (told,) = answer(said(pressed="change:0123456789abcdef"), Known(last=LAST))
    assert "/train ohwx steps=1500 rank=32" in spoken(told)
    assert answer(said(pressed="change:0123456789abcdef"), NOTHING) == (Tell("chat-button-gone"),)


recipes = st.builds(
    Recipe,
    trigger=st.from_regex(r"[A-Za-z0-9_]{2,10}(-[A-Za-z0-9_]{1,10}){0,2}", fullmatch=True),
    preset=st.sampled_from(Preset),
    name=st.from_regex(r"([A-Za-z0-9][A-Za-z0-9_-]{0,47})?", fullmatch=True),
    steps=st.integers(10, 20_000),
    rank=st.integers(1, 128),
    lr=st.sampled_from([1e-6, 2e-5, 1e-4, 0.00035, 1e-2]),
    resolution=st.lists(st.integers(256, 1536), min_size=1, max_size=4, unique=True).map(tuple),
    save_every=st.integers(10, 20_000),
    samples=st.integers(0, 4),
    publish=st.sampled_from(Publish),
)


@given(recipes)
def test_an_order_spelled_out_and_typed_again_is_the_same_order(order: Recipe) -> None:
    assert answer(said(options.spelled(order)), NOTHING) == (AskQuote(order),)


typed = st.text() | st.lists(
    st.sampled_from([f"/{name}" for name in COMMANDS]) | st.sampled_from(sorted(BOUNDS)).map("{}=".format) | st.text()
).map(" ".join)


@given(typed)
def test_no_text_makes_the_dialogue_raise_and_every_refusal_can_be_said(text: str) -> None:
    for known in (NOTHING, Known(last=LAST)):
        for effect in answer(said(text), known):
            if isinstance(effect, Tell | Refuse):
                assert spoken(effect)


@given(st.text() | st.builds("{}:{}".format, st.sampled_from(sorted(BUTTONS)), st.text()))
def test_no_forged_button_makes_the_dialogue_raise(action: str) -> None:
    assert answer(said(pressed=action), Known(last=LAST))


def test_help_lists_exactly_what_works() -> None:
    listed = {label.removeprefix("/") for label, _ in hello.help_card(EN, Publish.HF).fields if label.startswith("/")}
    assert listed == set(COMMANDS) - {"start", "grant"}  # operators know theirs


OPERATOR = Known(operator=True)


def test_an_operator_grants_to_an_identity_and_never_to_a_name() -> None:
    assert answer(said("/grant telegram:8 5000 for a bug"), OPERATOR) == (
        Grant(Identity("telegram:8"), 5000, "for a bug"),
    )
    for text in ("/grant", "/grant @bob 5000", "/grant telegram:8", "/grant telegram:8 -5", "/grant telegram:8 1e9"):
        assert answer(said(text), OPERATOR) == (Tell("chat-grant-usage"),)


def test_who_is_no_operator_does_not_learn_that_there_is_a_grant() -> None:
    (told,) = answer(said("/grant telegram:7 5000"), NOTHING)
    assert told == Tell("chat-unknown-command", {"command": "/grant"})


def test_before_others_only_what_shows_no_money_and_no_draft_is_answered() -> None:
    for name in set(COMMANDS):
        effects = answer(replace(said(f"/{name} ohwx", ZIP), private=False), OPERATOR)
        if name in {"status", "models", "model"}:
            assert all(isinstance(effect, Show) for effect in effects)
        else:
            assert effects == (Aside(name),)
    assert answer(replace(said("/elsewhere"), private=False), NOTHING) == ()


def test_a_quote_says_what_happens_to_pictures_without_a_caption() -> None:
    def lines(captions: Captions, captioned: int) -> tuple[str, ...]:
        pictures = tuple(
            Picture(sha256=Sha256(f"{n:064x}"), width=9, height=9, size=9, caption="c" * (n < captioned))
            for n in range(12)
        )
        offered = Offered(
            recipe=Recipe(trigger="ohwx", captions=captions), manifest=Manifest(pictures), findings=(), quote=PRICE,
            digest="d", slug=Slug("ohwx"), balance=Balance(available=Points(9), held=Points(0)),
        )  # fmt: skip
        return train.quote_card(offered, EN, Tariff(), first=False).lines

    assert EN.say("chat-quote-captions-auto", count=10) in lines(Captions.AUTO, 2)
    assert EN.say("chat-quote-captions-none") in lines(Captions.NONE, 2)
    assert lines(Captions.KEEP, 2) == lines(Captions.AUTO, 12) == lines(Captions.NONE, 0)
