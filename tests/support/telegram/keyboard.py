"""Inline keyboards, checked as Telegram checks them."""

import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from tests.support.telegram.answers import bad

DATA_BYTES: Final = 64
BUTTONS: Final = 100
ACTIONS: Final = (
    "url", "callback_data", "web_app", "login_url", "switch_inline_query", "switch_inline_query_current_chat",
    "switch_inline_query_chosen_chat", "copy_text", "callback_game", "pay",
)  # fmt: skip


def keyboard(raw: str, *, private: bool) -> dict[str, Any] | None:
    """The keyboard in `reply_markup`, or None. Raises Refusal in Telegram's words."""
    if not raw:
        return None
    try:
        markup = json.loads(raw)
    except ValueError:
        raise bad("can't parse reply keyboard markup JSON object") from None
    rows = markup.get("inline_keyboard")
    if rows is None:  # force_reply, remove_keyboard: nothing to show in a message
        return None
    buttons = [[_button(button, private=private) for button in row] for row in rows]
    if sum(map(len, buttons)) > BUTTONS:
        raise bad("reply markup is too long")
    kept = [row for row in buttons if row]
    return {"inline_keyboard": kept} if kept else None


def _button(button: Mapping[str, Any], *, private: bool) -> dict[str, Any]:
    if not str(button.get("text", "")).strip():
        raise bad('can\'t parse inline keyboard button: Field "text" must be non-empty')
    actions = [name for name in ACTIONS if button.get(name) is not None]
    if len(actions) != 1:
        raise bad("can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard")
    if actions == ["callback_data"] and not 1 <= len(str(button["callback_data"]).encode()) <= DATA_BYTES:
        raise bad("BUTTON_DATA_INVALID")
    if actions == ["url"]:
        _addressed(str(button["url"]))
    if actions == ["web_app"]:
        _app(str(button["web_app"]["url"]), private=private)
    return dict(button)


def _addressed(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https", "tg"} or not parts.netloc or parts.hostname == "localhost":
        raise bad(f"inline keyboard button URL '{url}' is invalid: Wrong HTTP URL")


def _app(url: str, *, private: bool) -> None:
    if urlsplit(url).scheme != "https":
        raise bad(f"inline keyboard button Web App URL '{url}' is invalid: Only HTTPS links are allowed")
    if not private:
        raise bad("BUTTON_TYPE_INVALID")
