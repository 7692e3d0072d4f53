"""Vast.ai, a market of strangers' GPUs: the wire, what refusals mean, manners (client.py), the port (market.py)."""

import random
from dataclasses import dataclass, field
from typing import Protocol, cast

from pydantic import SecretStr

from pipeline.adapters.http import Http, loopback
from pipeline.adapters.providers.vast.client import Line
from pipeline.adapters.providers.vast.market import Vast
from pipeline.ports import Pace, Provider


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    url: str
    api_key: str = field(repr=False)
    pace: float = 1.0


class Configured(Protocol):
    """What the program's settings hold for us."""

    vast_url: str
    vast_api_key: SecretStr | None
    pace: float


def build(settings: object) -> Provider | None:
    """The market, or None without a key. Raises OperatorFault("url-not-https") for a key over plain http."""
    given = cast("Configured", settings)
    if given.vast_api_key is None:
        return None
    return connect(Settings(url=given.vast_url, api_key=given.vast_api_key.get_secret_value(), pace=given.pace))


def connect(settings: Settings, dice: random.Random | None = None) -> Vast:
    pace = Pace(settings.pace)
    line = Line(Http(settings.url, bearer=settings.api_key), pace, dice or random.Random())  # noqa: S311  # jitter, no secret
    return Vast(line, pace, local=loopback(settings.url))
