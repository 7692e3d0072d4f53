"""The upload page itself: one HTML file with words put in, one style sheet, one script. Nothing from elsewhere."""

import hashlib
import html
import json
from collections.abc import Callable, Mapping
from importlib.resources import files
from string import Template
from typing import Final

from aiohttp import web

from bot.web.inbox import Limits
from notifier.words import Words, spoken
from pipeline.domain.faults import Fact

FOLDER: Final = files("bot.web") / "static"
TYPES: Final[Mapping[str, str]] = {
    "page.css": "text/css", "page.js": "text/javascript", "transfer.js": "text/javascript",
    "telegram.js": "text/javascript", "said.js": "text/javascript", "drops.js": "text/javascript",
    "thumbs.js": "text/javascript", "mark.svg": "image/svg+xml",
}  # fmt: skip
FOR_EVER: Final = "public, max-age=31536000, immutable"  # the hash of them all is in the address
SCRIPT: Final = (  # words the script says by itself; their blanks are filled there
    "summary", "waiting", "received", "looking", "paused", "resumed", "stopped",
    "remove", "progress", "gone-title", "gone", "refused-type", "refused-text", "refused-empty",
    "refused-picture", "refused-draft", "refused-files", "refused-disk", "refused-failed",
)  # fmt: skip
GIB: Final = 1024**3  # people call it GB
BLANKS: Final = {name: f"{{{name}}}" for name in ("done", "all", "name", "percent", "left")}


class Page:
    """The page in every language, and the files it needs."""

    def __init__(self, words: Callable[[str], Words], limits: Limits) -> None:
        self._words, self._limits = words, limits
        self._files = {name: (FOLDER / name).read_bytes() for name in TYPES}
        self._hash = hashlib.sha256(b"".join(self._files[name] for name in sorted(TYPES))).hexdigest()[:16]
        self._template = Template((FOLDER / "page.html").read_text("utf-8"))
        self._made: dict[str, str] = {}

    def routes(self) -> list[web.RouteDef]:
        """Below /upload."""
        return [web.get("", self.page), web.get("/static/{hash}/{name}", self.static)]

    async def page(self, request: web.Request) -> web.Response:
        """The same for everybody: who it is for, only its script knows."""
        wanted = request.query.get("lang") or request.headers.get("Accept-Language", "").partition(",")[0]
        locale = spoken(wanted.partition(";")[0].strip()[:35])
        if locale not in self._made:
            self._made[locale] = self._page(locale)
        return web.Response(text=self._made[locale], content_type="text/html")

    async def static(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in self._files or request.match_info["hash"] != self._hash:
            raise web.HTTPNotFound
        return web.Response(
            body=self._files[name], content_type=TYPES[name], charset="utf-8", headers={"Cache-Control": FOR_EVER}
        )

    def _page(self, locale: str) -> str:
        words = self._words(locale)
        facts: dict[str, Fact] = {"most": self._limits.files, "size": words.size(self._limits.draft / GIB * 10**9)}
        said = {key: words.say(f"web-{key}", **BLANKS, **facts) for key in SCRIPT}
        shown = {
            "title": words.say("web-title"),
            "lead": words.say("web-lead"),
            "drop": words.say("web-drop"),
            "choose": words.say("web-choose"),
            "more": words.say("web-more"),
            "here_title": words.say("web-here-title"),
            "here": words.say("web-here"),
            "back": words.say("web-back"),
            "limits": words.say("web-limits", **facts),
            "captions": words.say("web-captions"),
            "files": words.say("web-files"),
            "private": words.say("web-private"),
            "script": words.say("web-needs-script"),
            "opening": words.say("web-opening"),
        }
        places = {name: f"upload/static/{self._hash}/{name}" for name in TYPES}
        return self._template.substitute(
            {key: html.escape(value) for key, value in shown.items()},
            lang=locale, css=places["page.css"], js=places["page.js"], mark=places["mark.svg"],
            words=json.dumps(said, ensure_ascii=False).replace("<", "\\u003c"),
            picture=self._limits.picture,
        )  # fmt: skip
