"""An order on the command line: one list of options for every command that takes one, read as /train reads its own."""

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

if TYPE_CHECKING:  # keeps --help quick
    from pipeline.domain.recipe import Recipe

OPTIONS: Final[Mapping[str, str]] = {
    "name": "the model's name",
    "steps": "10 to 20000",
    "base": "its base model",
    "preset": "subject, style or character; sets steps, rank and lr",
    "rank": "1 to 128",
    "lr": "0.000001 to 0.01",
    "resolution": "up to four sizes, e.g. 512,768,1024",
    "save_every": "steps between saves",
    "samples": "0 to 4, of the last step",
    "samples_every": "steps between rounds of samples while it trains",
    "captions": "auto, keep or none",
    "publish": "hf or private: who may see it",
    "region": "two letters, e.g. US",
    "gpu": "GPU name, e.g. RTX_4090",
    "max_price": "dollars an hour",
}
Prompt = Annotated[list[str] | None, typer.Option(help="of a sample, your own; up to four times")]


def ordering(command: Callable[..., None]) -> Callable[..., None]:
    """Give `command` all options of an order in place of its parameter `typed`: what was typed, as words of /train."""

    @functools.wraps(command)
    def whole(*, prompt: Prompt = None, **given: Any) -> None:
        values = {key: given.pop(key) for key in OPTIONS}
        words = [f"{key}={value}" for key, value in values.items() if value]
        command(typed=[*words, *(f"prompt={text}" for text in prompt or ())], **given)

    whole.__signature__ = inspect.Signature(_parameters(command))  # type: ignore[attr-defined]  # typer reads it
    return whole


def _parameters(command: Callable[..., None]) -> list[inspect.Parameter]:
    options = [_option(key, Annotated[str, typer.Option(help=text)], "") for key, text in OPTIONS.items()]
    found: list[inspect.Parameter] = []
    for own in inspect.signature(command).parameters.values():
        if own.name == "typed":
            found += [*options, _option("prompt", Prompt, None)]
        else:
            found.append(own.replace(kind=inspect.Parameter.KEYWORD_ONLY))
    return found


def _option(name: str, annotation: Any, default: str | None) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def read(trigger: str, typed: Sequence[str]) -> "Recipe":
    """One reader, one set of bounds, the same words for a mistake. Raises UserFault."""
    from bot.talk.effects import Known  # noqa: PLC0415  # keeps --help quick
    from bot.talk.options import recipe  # noqa: PLC0415  # keeps --help quick

    return recipe([trigger, *typed], Known())
