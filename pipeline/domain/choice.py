"""Do a person's filters leave a real choice? Else somebody who rents out machines could steer jobs to their own.

A person names a region, a card and a price that only their own box has, lets it fail, pays nothing, and our credit
pays them (threats.md 5).
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import replace
from statistics import median
from typing import Final

from pipeline.domain.faults import OperatorFault, UserFault
from pipeline.domain.quote import Filters, Need, Offer, expected_cost, ranked
from pipeline.domain.recipe import Recipe
from pipeline.domain.speeds import SECONDS_PER_STEP, VRAM_MB

MACHINES: Final = 5
OWNERS: Final = 3
DEAREST: Final = 1.5  # times the median cost of this job on the open market


def filters(recipe: Recipe, gpus: Collection[str], region: str) -> Filters:
    """What a recipe asks of machines, within the operator's `gpus` (empty: any) and `region` ("": anywhere).

    Raises UserFault("unknown-gpu" | "region-fixed").
    """
    if recipe.region and region not in {"", recipe.region}:
        raise UserFault("region-fixed", got=recipe.region, only=region)
    asked = frozenset({_card(recipe.gpu, gpus or SECONDS_PER_STEP)} if recipe.gpu else ())
    return Filters(gpus=asked, region=recipe.region, max_rate=recipe.max_price or None)


def roomy(gpus: Collection[str], vram_mb: int, base: str) -> frozenset[str]:
    """Those of the operator's `gpus` that may have so much memory; a card nobody knows may.

    Raises UserFault("base-needs-larger-card") when all are too small: the market need not be asked.
    """
    left = frozenset(gpu for gpu in gpus if VRAM_MB.get(gpu, vram_mb) >= vram_mb)
    if gpus and not left:
        raise UserFault("base-needs-larger-card", base=base, gb=vram_mb // 1000, cards=", ".join(sorted(gpus)))
    return left


def _card(asked: str, cards: Collection[str]) -> str:
    """The market's name of a card a person calls "4090", "rtx4090" or "RTX 4090"."""
    wanted = _plain(asked)
    for card in cards:
        if wanted in {_plain(card), _plain(card).removeprefix("rtx")}:
            return card
    raise UserFault("unknown-gpu", got=asked[:40], known=", ".join(sorted(cards)))


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def choice(offers: Iterable[Offer], market: Iterable[Offer], need: Need) -> list[Offer]:
    """Those of `offers` that may be rented for `need`, whose filters they fit; `market` was found without filters.

    Raises UserFault("filters-too-narrow") when too few are left, OperatorFault("no-offers") for an empty market.
    """
    if need.filters.open:
        return list(offers)
    anywhere = replace(need, filters=Filters())
    costs = [expected_cost(offer, anywhere) for offer in ranked(market, anywhere)]
    if not costs:
        raise OperatorFault("no-offers")
    most = DEAREST * median(costs)
    left = [offer for offer in ranked(offers, need) if expected_cost(offer, need) <= most]
    machines, owners = {offer.machine for offer in left}, {offer.host for offer in left} - {""}
    if len(machines) < MACHINES or len(owners) < OWNERS:
        raise UserFault("filters-too-narrow", left=len(machines), least=MACHINES, owners=OWNERS)
    return left
