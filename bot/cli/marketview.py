"""Tables an operator likes to read, and the same facts as JSON rows. What strangers wrote is shown as plain text."""

import shutil
import sys
from collections import defaultdict
from dataclasses import fields
from statistics import median
from typing import Any, Final

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bot.cli.operate import number
from notifier.words import Words
from pipeline.domain.money import MICRO
from pipeline.domain.quote import Costs, Explained, Need
from pipeline.domain.text import line

WIDEST: Final = 400  # columns: so wide no table of ours is
MOST: Final = 15  # rows for eyes; a pipe and JSON get all
WORDS: Final = Words()


def console() -> Console:
    """Standard output; into a pipe, wide enough for every column."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 160
    return Console(width=width, highlight=False, soft_wrap=False)


def table(*columns: str) -> Table:
    """Columns whose name starts with ">" hold numbers."""
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    for name in columns:
        right = name.startswith(">")
        made.add_column(name.removeprefix(">"), justify="right" if right else "left", no_wrap=True)
    return made


def fitted(made: Table, out: Console, *least: str) -> Table:
    """Without `least`, the columns one can do without, where the window is narrow: a cut number is a wrong number."""
    for name in least:
        if out.measure(made, options=out.options.update(max_width=WIDEST)).maximum <= out.width:
            break
        kept = [column for column in made.columns if column.header != name]
        narrower = table(*(f"{'>' if column.justify == 'right' else ''}{column.header}" for column in kept))
        for row, cells in zip(made.rows, zip(*(column.cells for column in kept), strict=True), strict=True):
            narrower.add_row(*cells, style=row.style)
        made = narrower
    return made


def plain(text: object, style: str = "") -> Text:
    return Text(line(str(text), 80), style)


def usd(dollars: float | None, digits: int = 2) -> str:
    return "–" if dollars is None else f"${dollars:,.{digits}f}"


# --- offers


def offer_row(each: Explained, best: list[Explained], *, why: bool) -> dict[str, Any]:
    offer, estimate = each.offer, each.estimate
    row: dict[str, Any] = {
        "id": number(offer.id),
        "machine": number(offer.machine),
        "host": number(offer.host),
        "gpu": offer.gpu,
        "vram_mb": offer.vram_mb,
        "region": offer.region,
        "usd_per_hour": each.rate / MICRO,
        "usd_job": estimate.cost / MICRO,
        "seconds": round(estimate.seconds),
        "seconds_per_step": round(each.step_seconds, 2),
        "reliability": offer.reliability,
        "boot_odds": round(each.boots, 3),
        "down_mbps": offer.down_mbps,
        "up_mbps": offer.up_mbps,
        "usd_per_gb_down": offer.down_per_gb / MICRO,
        "usd_per_gb_up": offer.up_per_gb / MICRO,
        "rank": best.index(each) + 1,
        "costs": {part.name: getattr(estimate.costs, part.name) / MICRO for part in fields(Costs)},
    }
    return {**row, "why": reason(best)} if why and each is best[0] else row


def show_offers(shown: list[Explained], best: list[Explained], need: Need, *, explain: bool) -> None:
    out = console()
    if not best:
        out.print(Text(WORDS.say("ops-no-offers")))
        return
    found = table("", "Offer", "GPU", "Where", ">$/h", ">Job", ">Time", ">s/step", ">Down", ">$/GB in", ">Reliable")
    most = MOST if sys.stdout.isatty() else len(shown)
    for each in shown[:most]:
        offer, winner = each.offer, each is best[0]
        found.add_row(
            "★" if winner else "", plain(offer.id), plain(offer.gpu), plain(offer.region or "–"),
            usd(each.rate / MICRO, 3), Text(usd(each.estimate.cost / MICRO), "bold"),
            WORDS.duration(each.estimate.seconds), f"{each.step_seconds:.2f}", f"{offer.down_mbps:,.0f}",
            usd(offer.down_per_gb / MICRO, 3), f"{100 * offer.reliability:.1f} %",
            style="green" if winner else "",
        )  # fmt: skip
    out.print(fitted(found, out, "$/GB in", "s/step", "Down", "Reliable"))
    out.print()
    if len(shown) > most:
        out.print(Text(WORDS.say("ops-more", count=len(shown) - most)))
    out.print(Text(WORDS.say("ops-job", steps=need.steps)))
    out.print(Text(reason(best)))
    if explain:
        out.print()
        out.print(_sum(best[:2]))


def _sum(pair: list[Explained]) -> Table:
    """Every summand of the winner and the runner-up, and the difference."""
    names = [f">{'★ ' if each is pair[0] else ''}{each.offer.id}" for each in pair]
    shown = table("", *names, *([">more"] if len(pair) > 1 else []))
    for part in fields(Costs):
        amounts = [getattr(each.estimate.costs, part.name) / MICRO for each in pair]
        shown.add_row(WORDS.say(f"ops-cost-{part.name}"), *(usd(each, 3) for each in amounts), *_more(amounts))
    totals = [each.estimate.cost / MICRO for each in pair]
    shown.add_section()
    shown.add_row(WORDS.say("ops-cost-total"), *(usd(each, 3) for each in totals), *_more(totals), style="bold")
    return shown


def _more(amounts: list[float]) -> list[str]:
    return [f"{amounts[1] - amounts[0]:+.3f}"] if len(amounts) > 1 else []


def reason(best: list[Explained]) -> str:
    """Why the first wins, in a sentence: where the runner-up costs more, greatest first."""
    first = best[0]
    facts = {"offer": first.offer.id, "cost": WORDS.usd(first.estimate.cost)}
    if len(best) == 1:
        return WORDS.say("ops-only", **facts)
    second = best[1]
    parts = {
        part.name: getattr(second.estimate.costs, part.name) - getattr(first.estimate.costs, part.name)
        for part in fields(Costs)
    }
    dearer = sorted((name for name in parts if parts[name] > 0), key=lambda name: -parts[name])[:2]
    where = [WORDS.say("ops-part", part=WORDS.say(f"ops-cost-{name}"), cost=WORDS.usd(parts[name])) for name in dearer]
    more = WORDS.usd(second.estimate.cost - first.estimate.cost)
    if not where:
        return WORDS.say("ops-tie", **facts)
    return WORDS.say("ops-wins", more=more, parts=", ".join(where), **facts)


# --- regions


def by_region(best: list[Explained]) -> list[dict[str, Any]]:
    """One row a region and GPU, the cheapest job first."""
    groups: dict[tuple[str, str], list[Explained]] = defaultdict(list)
    for each in best:
        groups[each.offer.region, each.offer.gpu].append(each)
    rows = [
        {
            "region": region,
            "gpu": gpu,
            "offers": len(group),
            "usd_per_hour_min": min(each.rate for each in group) / MICRO,
            "usd_per_hour_median": median(each.rate for each in group) / MICRO,
            "usd_job_min": group[0].estimate.cost / MICRO,
        }
        for (region, gpu), group in groups.items()
    ]
    return sorted(rows, key=lambda row: row["usd_job_min"])


def show_regions(rows: list[dict[str, Any]], steps: int) -> None:
    out = console()
    if not rows:
        out.print(Text(WORDS.say("ops-no-offers")))
        return
    shown = table("Region", "GPU", ">Offers", ">$/h from", ">median", ">Job from")
    for row in rows:
        shown.add_row(
            plain(row["region"] or "–"), plain(row["gpu"]), str(row["offers"]), usd(row["usd_per_hour_min"], 3),
            usd(row["usd_per_hour_median"], 3), Text(usd(row["usd_job_min"]), "bold"),
        )  # fmt: skip
    out.print(shown)
    out.print()
    out.print(Text(WORDS.say("ops-job", steps=steps)))


# --- rentals


def show_instances(rows: list[dict[str, Any]]) -> None:
    out = console()
    if not rows:
        out.print(Text(WORDS.say("ops-no-instances")))
        return
    shown = table("Rental", "Owner", "GPU", "State", ">Age", ">$/h", ">So far", "Label")
    colours = {"nobody": "red", "settling": "yellow", "foreign": "dim"}
    for row in rows:
        shown.add_row(*_cells(row), style=colours.get(row["owner"], ""))
    mine = [row for row in rows if row["owner"] != "foreign"]
    out.print(fitted(shown, out, "Label", "$/h", "State"))
    out.print()
    hourly = sum(row["usd_per_hour"] for row in mine)
    out.print(Text(WORDS.say("ops-instances", count=len(mine), hourly=usd(hourly))))
    nobody = sum(row["owner"] == "nobody" for row in rows)
    if nobody:
        out.print(Text(WORDS.say("ops-nobody", count=nobody)))


def show_reaped(rows: list[dict[str, Any]], *, dry: bool) -> None:
    out = console()
    if not rows:
        out.print(Text(WORDS.say("ops-nothing-to-reap")))
        return
    shown = table("Rental", "Owner", "GPU", "State", ">Age", ">$/h", ">So far", "Label", "Why", "Gone")
    for row in rows:
        gone = Text("yes", "green") if row["gone"] else Text("not yet" if dry else "NO", "" if dry else "bold red")
        shown.add_row(*_cells(row), WORDS.say(f"ops-why-{row['why']}"), gone)
    out.print(fitted(shown, out, "Label", "$/h", "State", "So far"))


def _cells(row: dict[str, Any]) -> list[Text | str]:
    age = row["age_seconds"]
    return [
        plain(row["id"]), plain(row["owner"]), plain(row["gpu"]), plain(row["status"]),
        "–" if age is None else WORDS.duration(age), usd(row["usd_per_hour"], 3), usd(row["usd"]),
        plain(row["label"] or "–"),
    ]  # fmt: skip
