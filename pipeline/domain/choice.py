"""Do a person's filters leave a real choice? Else somebody who rents out machines could steer jobs to their own.

A person names a region, a card and a price that only their own box has, lets it fail, pays nothing, and our credit
pays them (threats.md 5).
"""

from collections.abc import Iterable
from dataclasses import replace
from statistics import median
from typing import Final

from pipeline.domain.faults import OperatorFault, UserFault
from pipeline.domain.quote import Filters, Need, Offer, expected_cost, ranked

MACHINES: Final = 5
OWNERS: Final = 3
DEAREST: Final = 1.5  # times the median cost of this job on the open market


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
