"""Every group of rows by the name that ONLY= matches. A group measures one thing and may return several rows."""

from collections.abc import Callable, Mapping

from tests.bench.boots import boots
from tests.bench.cards import cards
from tests.bench.demo import demo
from tests.bench.discord_figures import discords
from tests.bench.market import market
from tests.bench.reader import reader
from tests.bench.recovery import recovery
from tests.bench.row import Row
from tests.bench.ssh import crowds, files, polls
from tests.bench.start import start
from tests.bench.startup import startup
from tests.bench.telegram_figures import telegrams
from tests.bench.watching import watching

FIGURES: Mapping[str, Callable[[], list[Row]]] = {
    "startup": startup, "cards": cards, "reader": reader, "demo": demo, "market": market, "boots": boots,
    "ssh-files": files, "ssh-crowds": crowds, "ssh-polls": polls, "first-step": start, "discord": discords,
    "telegram": telegrams,
    "watching": watching, "recovery": recovery,
}  # fmt: skip
