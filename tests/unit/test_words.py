"""Every word a person can meet exists, fits its facts, and is spoken in their language."""

import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import pytest
from fluent.syntax import FluentParser
from fluent.syntax import ast as ftl
from fluent.syntax.visitor import Visitor

from notifier.words import Unspoken, Words, languages, spoken, words_folder
from pipeline.domain.dataset import Finding
from pipeline.domain.faults import Blame, OperatorFault, UserFault
from pipeline.domain.money import MicroUsd
from pipeline.domain.stage import End, Stage, Wish
from pipeline.trainers.log import PHASES

ROOT: Final = Path(__file__).parents[2]
TREE: Final = ("pipeline", "notifier", "bot")
FAULTS: Final = ("UserFault", "OperatorFault", "HostFault", "HostSilent")
EN: Final = Words("en", strict=True)


class _Blanks(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def visit_VariableReference(self, node: ftl.VariableReference) -> None:  # noqa: N802  # fluent's own spelling
        self.names.add(node.id.name)


def blanks(message: ftl.Message) -> set[str]:
    """The facts that a message wants."""
    walk = _Blanks()
    walk.visit(message)
    return walk.names


def entries(language: str) -> list[ftl.EntryType]:
    files = sorted((words_folder() / language).glob("*.ftl"))
    return [entry for file in files for entry in FluentParser().parse(file.read_text("utf-8")).body]


@cache
def messages(language: str = "en") -> dict[str, ftl.Message]:
    return {entry.id.name: entry for entry in entries(language) if isinstance(entry, ftl.Message)}


@dataclass(frozen=True, slots=True)
class Spoken:
    """A call in the tree that spells its first argument out."""

    name: str
    place: str
    text: str
    facts: frozenset[str | None]  # names of its keywords; None: a whole mapping


@cache
def spoken_in_tree() -> tuple[Spoken, ...]:
    return tuple(
        found
        for package in TREE
        for file in sorted((ROOT / package).rglob("*.py"))
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Call) and node.args
        for found in _spoken(node, str(file.relative_to(ROOT)))
    )


def _spoken(call: ast.Call, file: str) -> Iterator[Spoken]:
    name = getattr(call.func, "id", getattr(call.func, "attr", ""))
    facts = frozenset(word.arg for word in call.keywords)
    for text in literals(call.args[0]):
        yield Spoken(name, f"{file}:{call.lineno}", text, facts)


def literals(node: ast.expr) -> list[str]:
    """The texts an expression may be, as far as they are written down."""
    if isinstance(node, ast.IfExp):
        return literals(node.body) + literals(node.orelse)
    return [node.value] if isinstance(node, ast.Constant) and isinstance(node.value, str) else []


def keyed(prefix: str, *names: str, under: tuple[str, ...] = ("",)) -> list[tuple[str, str, frozenset[str | None]]]:
    """(place, message id, facts given) of each call of `names` in a folder of `under`."""
    return [
        (found.place, prefix + found.text, found.facts)
        for found in spoken_in_tree()
        if found.name in names and found.place.startswith(under)
    ]


@pytest.mark.parametrize("language", languages())
def test_no_file_of_words_holds_anything_unreadable_or_said_twice(language: str) -> None:
    junk = [entry.content for entry in entries(language) if isinstance(entry, ftl.Junk)]
    twice = Counter(entry.id.name for entry in entries(language) if isinstance(entry, ftl.Message))
    assert junk == []
    assert [name for name, count in twice.items() if count > 1] == []


@pytest.mark.parametrize("language", [language for language in languages() if language != "en"])
def test_every_language_says_what_english_says_with_no_fact_english_does_not_have(language: str) -> None:
    english, other = messages(), messages(language)
    assert set(other) <= set(english)
    assert [name for name in other if not blanks(other[name]) <= blanks(english[name])] == []


def test_every_fault_code_in_the_tree_has_a_message() -> None:
    assert [(place, key) for place, key, _ in keyed("fault-", *FAULTS, "translated") if key not in messages()] == []


def test_every_finding_code_in_the_tree_has_a_message() -> None:
    known = messages()
    found = [*keyed("finding-", "Finding"), *keyed("finding-", "note", "Broken", under=("pipeline/adapters/workshop",))]
    assert found
    assert [(place, key) for place, key, _ in found if key not in known] == []
    given = {"name", "facts", "count"}
    assert [(place, key) for place, key, facts in found if not blanks(known[key]) <= facts | given] == []


def test_every_persons_fault_brings_the_facts_its_message_wants() -> None:
    known = messages()
    lacking = [
        (place, key, blanks(known[key]) - facts)
        for place, key, facts in keyed("fault-", "UserFault")
        if None not in facts and key in known and not blanks(known[key]) <= facts
    ]
    assert lacking == []


def test_messages_for_operators_have_no_blanks_because_every_fact_is_added_to_them() -> None:
    known = messages()
    ours = {key for _, key, _ in keyed("fault-", "OperatorFault", "HostFault", "HostSilent")}
    assert [key for key in ours if key in known and blanks(known[key])] == []


def test_every_message_that_is_said_exists_and_gets_its_facts() -> None:
    known = messages()
    said = keyed("", "say", under=("notifier", "bot"))
    assert said
    assert [(place, key) for place, key, _ in said if key not in known] == []
    assert [(place, key) for place, key, facts in said if None not in facts and not blanks(known[key]) <= facts] == []


def test_every_stage_wish_end_blame_and_phase_has_its_words() -> None:
    phases = (
        {name for _, name in PHASES} | {"training"} | {key for _, key, _ in keyed("", "note", under=("pipeline/flow",))}
    )
    wanted = [
        *(f"{kind}-{stage}" for stage in Stage for kind in ("stage", "why")),
        *(f"wish-{wish}" for wish in Wish),
        *(f"end-{end}" for end in End),
        *(f"{end}-title" for end in End),
        *(f"{end}-{part}" for end in (End.STOPPED, End.CANCELLED) for part in ("closing", "lead")),
        *(f"blame-{blame}" for blame in Blame if blame is not Blame.USER),
        *(f"next-{blame}" for blame in Blame),
        *(f"phase-{phase}" for phase in phases),
        "fault-bug",
    ]
    assert [key for key in wanted if key not in messages()] == []


def test_a_missing_message_or_fact_is_an_error_in_tests_and_words_in_life() -> None:
    with pytest.raises(Unspoken):
        EN.say("fault-never-written")
    with pytest.raises(Unspoken):
        EN.say("fault-bad-trigger")
    assert Words("en").say("fault-never-written") == "never written"


def test_a_language_we_lack_is_answered_in_english_and_a_dialect_in_its_language() -> None:
    assert spoken("tlh-Latn") == "en"
    assert spoken("en_GB") == "en"
    assert Words("tlh").say("stage-train") == "training"


def test_a_persons_fault_is_told_in_full_and_ours_as_one_kind_sentence() -> None:
    user = UserFault("out-of-bounds", option="lr", low=1e-6, high=1e-2, got=0.5)
    assert EN.fault(user) == "lr must be from 0.000001 to 0.01; you gave 0.5."
    ours = OperatorFault("market-key", said="secret-looking text")
    assert EN.fault(ours) == EN.say("blame-operator")
    assert EN.fault(OperatorFault("market-busy")) == "The market we rent machines from is busy."
    assert EN.detail(ours.code, ours.facts) == "The market refuses our API key. (said: secret-looking text)"


def test_foreign_text_in_a_fault_or_a_finding_becomes_one_clean_line() -> None:
    told = EN.fault(UserFault("bad-trigger", got="a\x1b[2J\nb\u202ec"))
    assert "a[2J bc" in told
    assert "\n" not in told


def test_a_finding_names_the_file_it_is_about() -> None:
    key = next(key for key in messages() if key.startswith("finding-"))
    facts: dict[str, str | int | float] = dict.fromkeys(blanks(messages()[key]) - {"name"}, 2)
    assert "cat.jpg" in EN.finding(Finding(key.removeprefix("finding-"), "cat.jpg", facts))


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (EN.points(1), "1 point"),
        (EN.points(12_345), "12,345 points"),
        (EN.usd(MicroUsd(1_234_567)), "$1.23"),
        (EN.usd(MicroUsd(3_000)), "$0.0030"),
        (EN.usd(MicroUsd(0)), "$0.00"),
        (EN.duration(8.4), "8 sec"),
        (EN.duration(59.9), "1 min"),
        (EN.duration(4_830), "1 hr, 20 min"),
        (EN.duration(3 * 86_400 + 7_200 + 60), "3 days, 2 hr"),
        (EN.number(2000), "2,000"),
        (EN.number(1e-4), "0.0001"),
        (EN.number(0.41237, 3), "0.412"),
        (EN.number(float("nan")), "–"),
        (EN.size(23_800_000_000), "23.8 GB"),
        (EN.size(512), "0 MB"),
    ],
)
def test_figures_read_as_people_write_them(said: str, expected: str) -> None:
    assert said == expected


def test_nothing_invisible_stands_around_a_blank() -> None:
    assert EN.say("done-use", tag="<lora:cat:0.8>", trigger="cat") == (
        "Put <lora:cat:0.8> into a prompt, together with the word cat."
    )
