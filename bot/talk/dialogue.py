"""The conversation, with no chat in it: what was said and what is known become effects. The same on every platform."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from bot.ports import Said
from bot.talk import dataset, hello, jobs, models, operators, options, purse, settings, train, upload
from bot.talk.effects import AddToDraft, Aside, Effect, Known, Refuse, Tell
from pipeline.domain.faults import UserFault
from pipeline.domain.text import clean

LONGEST: Final = 4000  # letters of one remark that are read
COMMAND: Final = re.compile(r"/([A-Za-z_]{1,32})(?:@\w{1,64})?")  # "@name": how groups call one bot of several

Answer = Callable[[Sequence[str], Known], tuple[Effect, ...]]
COMMANDS: Final[Mapping[str, Answer]] = {
    **train.COMMANDS, **dataset.COMMANDS, **jobs.COMMANDS, **models.COMMANDS, **purse.COMMANDS, **settings.COMMANDS,
    **upload.COMMANDS, **operators.COMMANDS, **hello.COMMANDS,
}  # fmt: skip
BUTTONS: Final[Mapping[str, Callable[[str, Known], tuple[Effect, ...]]]] = {
    **train.BUTTONS, **dataset.BUTTONS, **jobs.BUTTONS, **models.BUTTONS,
}  # fmt: skip
GROUP: Final = frozenset({"status", "models", "model"})  # answered before others; money, drafts, samples never are

GROUP_BUTTONS: Final = frozenset({"samples"})  # what a card before others can have


def answer(said: Said, known: Known) -> tuple[Effect, ...]:
    """Decide what to do about `said`. Never raises: a person's mistake is a Refuse."""
    if said.pressed is not None:
        return _pressed(clean(said.pressed, 64), known, private=said.private)
    if not said.private:
        said = replace(said, attachments=())  # a draft is nobody else's business
    taken = (AddToDraft(said.attachments),) if said.attachments else ()
    text = clean(said.text, LONGEST)
    words = options.split(text)
    if not words:
        return taken
    name = COMMAND.fullmatch(words[0])
    if name is None:  # a caption under a picture is for people
        return taken or ((Tell("chat-no-command"),) if said.private else ())
    return _commanded(name[1].lower(), words[1:], said, known)


def _commanded(name: str, words: Sequence[str], said: Said, known: Known) -> tuple[Effect, ...]:
    if not said.private and name not in GROUP:
        return (Aside(name),) if name in COMMANDS else ()
    # what came with /train is counted by its quote, so one message answers
    taken = (AddToDraft(said.attachments, count=name not in train.COMMANDS),) if said.attachments else ()
    if name not in COMMANDS:
        return (*taken, Tell("chat-unknown-command", {"command": f"/{name}"}))
    try:
        return (*taken, *COMMANDS[name](words, known))
    except UserFault as fault:
        return (*taken, Refuse.of(fault))


def _pressed(action: str, known: Known, *, private: bool) -> tuple[Effect, ...]:
    verb, _, of = action.partition(":")
    there = verb in BUTTONS and (private or verb in GROUP_BUTTONS)
    return BUTTONS[verb](of, known) if there else (Tell("chat-button-gone"),)
