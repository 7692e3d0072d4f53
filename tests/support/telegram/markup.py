"""HTML as Telegram reads it: text and entities counted in UTF-16 units, or the parser's own complaint."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from tests.support.telegram.answers import bad

PLAIN: Final = {
    "b": "bold", "strong": "bold", "i": "italic", "em": "italic", "u": "underline", "ins": "underline",
    "s": "strikethrough", "strike": "strikethrough", "del": "strikethrough", "tg-spoiler": "spoiler",
    "code": "code", "pre": "pre", "blockquote": "blockquote",
}  # fmt: skip
KNOWN: Final = {*PLAIN, "a", "span", "tg-emoji"}
NAMED: Final = {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}  # all that Telegram knows by name
LAST_CODE: Final = 0x10FFFF
CODE: Final = frozenset({"code", "pre"})
LETTERED: Final = re.compile(r"&(?:#x([0-9a-fA-F]+)|#([0-9]+)|([A-Za-z]+));?")
VALUE: Final = re.compile(r"[A-Za-z0-9.-]+")
TOP: Final = r"com|org|net|me|io|de|co|ai|dev|app|info|ru|example"
FOUND: Final = (  # what a client makes alive by itself, outside code and links
    ("email", re.compile(r"[\w.+-]+@[\w-]+\.[\w.]+\w")),
    ("url", re.compile(rf"(?:(?:https?|tg|ftp)://[^\s<>\"]+[^\s<>\".,;:!?)]|\b[\w-]+(?:\.[\w-]+)*\.(?:{TOP})\b(?:/[^\s<>\"]*)?)")),
    ("bot_command", re.compile(r"(?<![\w/<>@])/[A-Za-z0-9_]{1,64}(?:@\w{3,32})?(?![\w/<>@])")),
    ("mention", re.compile(r"(?<![\w@])@[A-Za-z]\w{2,31}(?![\w@])")),
    ("hashtag", re.compile(r"(?<![\w#])#(?=\w*[^\W\d])\w+")),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Entity:
    """`offset` and `length` in UTF-16 units."""

    type: str
    offset: int
    length: int
    url: str = ""
    language: str = ""

    @property
    def end(self) -> int:
        return self.offset + self.length

    def wire(self) -> dict[str, Any]:
        said: dict[str, Any] = {"type": self.type, "offset": self.offset, "length": self.length}
        return said | {key: value for key in ("url", "language") if (value := getattr(self, key))}

    def of(self, text: str) -> str:
        """What of `text` it covers."""
        return text.encode("utf-16-le")[2 * self.offset : 2 * self.end].decode("utf-16-le")


def units(text: str) -> int:
    """Length in UTF-16 units, in which Telegram counts."""
    return len(text.encode("utf-16-le")) // 2


def read(text: str, mode: str, entities: Sequence[Mapping[str, Any]] = ()) -> tuple[str, tuple[Entity, ...]]:
    """What is shown of `text`. Raises Refusal("can't parse entities: ...")."""
    if mode and mode.lower() != "html":  # the house writes HTML; another mode would be a slip of ours
        raise bad("unsupported parse_mode")
    if mode:
        shown, marked = _Reader(text).read()
    else:
        shown, marked = text, [_given(entity) for entity in entities]
    shown, marked = _trimmed(shown, marked)
    return shown, tuple(sorted([*marked, *found(shown, marked)], key=lambda one: (one.offset, -one.length)))


def found(text: str, marked: Sequence[Entity] = ()) -> list[Entity]:
    """What a client makes alive in plain text: links, mentions, commands. Not inside code, links, or each other."""
    taken = [(one.offset, one.end) for one in marked if one.type in CODE | {"text_link"}]
    alive = []
    for kind, pattern in FOUND:
        for match in pattern.finditer(text):
            start = units(text[: match.start()])
            end = start + units(match[0])
            if all(end <= begin or stop <= start for begin, stop in taken):
                taken.append((start, end))
                alive.append(Entity(kind, start, end - start))
    return alive


def _given(entity: Mapping[str, Any]) -> Entity:
    kept = {key: entity[key] for key in ("url", "language") if key in entity}
    return Entity(entity["type"], entity["offset"], entity["length"], **kept)


def _trimmed(text: str, marked: Sequence[Entity]) -> tuple[str, list[Entity]]:
    """Without the space around it, which Telegram drops after parsing."""
    gone = units(text) - units(text.lstrip())
    text = text.strip()
    end = units(text)
    kept = []
    for one in marked:
        start, stop = max(0, one.offset - gone), min(end, one.end - gone)
        if start < stop:
            kept.append(replace(one, offset=start, length=stop - start))
    return text, kept


@dataclass(frozen=True, slots=True)
class _Open:
    name: str
    start: int
    attributes: Mapping[str, str]


class _Reader:
    """One pass over the markup. Offsets in complaints are bytes of UTF-8, as Telegram's are."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._shown = ""
        self._marked: list[Entity] = []
        self._open: list[_Open] = []

    def read(self) -> tuple[str, list[Entity]]:
        while self._at < len(self._text):
            letter = self._text[self._at]
            if letter == "&":
                self._shown += self._decoded()
            elif letter != "<":
                self._shown += letter
                self._at += 1
            elif self._text.startswith("</", self._at):
                self._close()
            else:
                self._start()
        if self._open:
            raise _unparsable(f'Can\'t find end tag corresponding to start tag "{self._open[-1].name}"')
        return self._shown, _nested(self._marked)

    def _decoded(self) -> str:
        match = LETTERED.match(self._text, self._at)
        if match is None:
            self._at += 1
            return "&"
        self._at = match.end()
        code = int(match[1], 16) if match[1] else int(match[2] or 0)
        if 0xD800 <= code <= 0xDFFF:
            raise _unparsable("Text contains invalid Unicode characters after decoding HTML entities")
        if match[3]:
            return NAMED.get(match[3], match[0])
        return chr(code) if 0 < code <= LAST_CODE else match[0]

    def _start(self) -> None:
        begin = self._at
        self._at += 1
        name = self._until(" >\t\n\r")
        if self._at >= len(self._text):
            raise _unparsable(f"Unclosed start tag at byte offset {self._byte(begin)}")
        if name.lower() not in KNOWN:
            raise _unparsable(f'Unsupported start tag "{name.lower()}" at byte offset {self._byte(begin)}')
        attributes = self._attributes(name.lower(), begin)
        if name.lower() == "span" and attributes.get("class") != "tg-spoiler":
            raise _unparsable(f'Tag "span" must have class "tg-spoiler" at byte offset {self._byte(begin)}')
        self._open.append(_Open(name.lower(), units(self._shown), attributes))

    def _attributes(self, tag: str, begin: int) -> dict[str, str]:
        kept: dict[str, str] = {}
        while True:
            self._space()
            if self._at >= len(self._text):
                raise _unparsable(f"Unclosed start tag at byte offset {self._byte(begin)}")
            if self._text[self._at] == ">":
                self._at += 1
                return kept
            name = self._until(" =>/\"'\t\n\r")
            if not name:
                raise _unparsable(f'Empty attribute name in the tag "{tag}" at byte offset {self._byte(begin)}')
            self._space()
            kept[name.lower()] = self._value(tag, begin) if self._text[self._at : self._at + 1] == "=" else ""

    def _value(self, tag: str, begin: int) -> str:
        self._at += 1
        self._space()
        if self._at >= len(self._text):
            raise _unparsable(f'Unclosed start tag "{tag}" at byte offset {self._byte(begin)}')
        quote = self._text[self._at]
        if quote not in "\"'":
            token = VALUE.match(self._text, self._at)
            self._at = token.end() if token else self._at
            if self._text[self._at : self._at + 1] not in {" ", ">", "\t", "\n", "\r"}:
                raise _unparsable(
                    f"Unexpected end of name token at byte offset {self._byte(token.start() if token else self._at)}"
                )
            return token[0].lower() if token else ""
        self._at += 1
        value = ""
        while self._at < len(self._text) and self._text[self._at] != quote:
            if self._text[self._at] == "&":
                value += self._decoded()
            else:
                value += self._text[self._at]
                self._at += 1
        if self._at >= len(self._text):
            raise _unparsable(f"Unclosed start tag at byte offset {self._byte(begin)}")
        self._at += 1
        return value

    def _close(self) -> None:
        begin = self._at
        if not self._open:
            raise _unparsable(f"Unexpected end tag at byte offset {self._byte(begin)}")
        self._at += 2
        name = self._until(" >\t\n\r").lower()
        self._space()
        if self._text[self._at : self._at + 1] != ">":
            raise _unparsable(f"Unclosed end tag at byte offset {self._byte(begin)}")
        self._at += 1
        opened = self._open.pop()
        if name and name != opened.name:
            raise _unparsable(
                f'Unmatched end tag at byte offset {self._byte(begin)}, expected "</{opened.name}>", found "</{name}>"'
            )
        self._mark(opened)

    def _mark(self, tag: _Open) -> None:
        length = units(self._shown) - tag.start
        if not length:
            return
        if tag.name == "a":
            covered = Entity("", tag.start, length).of(self._shown)
            url = tag.attributes.get("href", "") or covered
            if re.match(r"[a-z]+://\S+|[\w-]+(\.[\w-]+)+\S*$", url):  # what is no address is no link
                self._marked.append(Entity("text_link", tag.start, length, url=url))
        elif tag.name in PLAIN:
            kind = "expandable_blockquote" if "expandable" in tag.attributes else PLAIN[tag.name]
            language = tag.attributes.get("class", "").removeprefix("language-") if tag.name == "code" else ""
            self._marked.append(Entity(kind, tag.start, length, language=language))
        else:
            self._marked.append(Entity("spoiler" if tag.name == "span" else "custom_emoji", tag.start, length))

    def _until(self, ends: str) -> str:
        begin = self._at
        while self._at < len(self._text) and self._text[self._at] not in ends:
            self._at += 1
        return self._text[begin : self._at]

    def _space(self) -> None:
        while self._at < len(self._text) and self._text[self._at].isspace():
            self._at += 1

    def _byte(self, index: int) -> int:
        return len(self._text[:index].encode())


def _nested(marked: Sequence[Entity]) -> list[Entity]:
    """`<pre><code class="language-x">` is one pre; nothing else stands inside code, and code knows no language."""
    kept: list[Entity] = []
    for one in marked:
        around = [other for other in marked if other.type in CODE and other is not one and _inside(one, other)]
        if around and one.type != "pre":
            continue
        inner = [
            other
            for other in marked
            if other.type == "code" and (other.offset, other.length) == (one.offset, one.length)
        ]
        language = inner[0].language if one.type == "pre" and inner else ""
        kept.append(replace(one, language=language))
    return kept


def _inside(one: Entity, other: Entity) -> bool:
    return other.offset <= one.offset and one.end <= other.end


def _unparsable(why: str) -> Exception:
    return bad(f"can't parse entities: {why}")
