"""Pages for what a chat cannot carry: uploads over its limits, model files, webhooks, health and metrics."""

from bot.web.inbox import Inbox
from bot.web.links import Links, signing_key
from bot.web.server import Site, Web

__all__ = ["Inbox", "Links", "Site", "Web", "signing_key"]
