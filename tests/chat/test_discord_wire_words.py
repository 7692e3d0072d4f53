"""Another language from end to end: a locale that the test makes out of English, read in Discord by who speaks it."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from fluent.syntax import FluentParser, FluentSerializer, ast
from fluent.syntax.visitor import Transformer

from tests.chat.discord_scene import SHORT, Scene, a_zip, play
from tests.chat.telegram_scene import ROOT
from tests.support.discord import File

SPOKEN: Final = "fi"  # Discord knows it, we do not
ACCENTS: Final = str.maketrans("aeiouycnslrztdAEIOUYCNSLRZTD", "áéíóúýčñšľřžťďÁÉÍÓÚÝČÑŠĽŘŽŤĎ")
DATA: Final = frozenset({"flux", "ohwx"})  # the name of a thing, and the person's own word


class _Accented(Transformer):
    def __init__(self) -> None:
        self.english: set[str] = set()

    def visit_TextElement(self, node: Any) -> Any:  # noqa: N802  # its name for it
        self.english |= words_of(node.value)
        node.value = accented(node.value)
        return node


def accented(text: str) -> str:
    return text.translate(ACCENTS)


def words_of(text: str) -> set[str]:
    """Words that an accent would show on; not what is typed and looked up as it is."""
    plain = re.sub(r"https?://\S+|/[a-z]+|\w+=\S*|`[^`]*`", "", text)
    return {word for word in re.findall(r"[A-Za-z]{4,}", plain) if accented(word) != word}


def pseudo(tree: Path) -> set[str]:
    """Lay out the program at `tree` with one more language; the English words of everything that is said."""
    for name in ("bot", "notifier", "pipeline"):
        (tree / name).symlink_to(ROOT / name)
    (tree / "locales" / SPOKEN).mkdir(parents=True)
    (tree / "locales" / "en").symlink_to(ROOT / "locales" / "en")
    turned = _Accented()
    for file in sorted((ROOT / "locales" / "en").glob("*.ftl")):
        said: ast.Resource = FluentParser().parse(file.read_text(encoding="utf-8"))
        (tree / "locales" / SPOKEN / file.name).write_text(
            FluentSerializer().serialize(turned.visit(said)), encoding="utf-8"
        )
    return turned.english


@asynccontextmanager
async def speaking(one: Scene, tree: Path) -> AsyncIterator[None]:
    """The bot out of `tree`."""
    code = "from bot.__main__ import main; main()"
    env = {**one.settings(), "PYTHONPATH": str(tree), "HOME": str(one.folder)}
    with (one.folder / "bot.log").open("w") as log:
        bot = await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, "run", env=env, cwd=one.folder, stdin=asyncio.subprocess.DEVNULL, stdout=log,
            stderr=log,
        )  # fmt: skip
    try:
        await one.there.online(60)
        yield
    except AssertionError as error:
        error.add_note((one.folder / "bot.log").read_text()[-3000:])
        raise
    finally:
        bot.kill()
        await bot.wait()


def test_a_new_language_folder_is_all_that_a_person_of_it_reads(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    english = pseudo(tree) - DATA

    async def scenario(one: Scene) -> None:
        there = one.there
        ann, bob = there.person(7, locale=SPOKEN), there.person(8)
        async with speaking(one, tree):
            menu = ann.menu(there.channel)
            assert accented("train") in menu
            assert "train" in bob.menu(there.channel)
            shown = [*menu, *(ann.in_my_words(each, "description") for each in menu.values())]
            shown += [ann.in_my_words(row, "description") for each in menu.values() for row in each.get("options", ())]
            order = {"trigger": "ohwx", "dataset": File("set.zip", a_zip()), **SHORT}
            await ann.slash(accented("train"), there.channel, **order)
            quote = await ann.finds(accented("Start"), there.channel)
            await ann.presses(accented("Start"), quote)
            live = await ann.finds(accented("Cancel"), ann.dm)
            await ann.presses(accented("Cancel"), live)
            await ann.until(lambda: not live.buttons, "a final card")
            await ann.slash("status", there.channel, job="0123456789ab")
            await ann.slash("jobs", ann.dm)
            await ann.until(lambda: len(ann.sees(ann.dm)) == 2 and len(ann.sees(there.channel)) == 3, "all of it")
            for message in ann.sees():
                shown += [*message.versions, *(each["label"] for each in message.buttons)]
            left = {word for each in shown for word in words_of(each)} & english
            assert sorted(left) == []
            await bob.slash("help", bob.dm)
            assert words_of((await bob.reads(".", bob.dm)).text) & english

    play(tmp_path, scenario)
