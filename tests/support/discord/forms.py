"""Discord's JSON: how users, channels, messages and commands are written (its OpenAPI description is the judge)."""

from datetime import datetime
from typing import Any, Final

from tests.support.discord.state import BOT_ID, Channel, Guild, Interaction, Json, Message, State, Upload, User, walk

BOT_NAME: Final = "trainstation"
EVERYTHING: Final = "562949953421311"


def instant(at: datetime) -> str:
    return at.isoformat(timespec="microseconds")


def user(one: User) -> Json:
    return _user(one.id, one.name)


def bot() -> Json:
    return _user(BOT_ID, BOT_NAME) | {"bot": True}


def me() -> Json:
    return bot() | {"mfa_enabled": True, "locale": "en-US", "verified": True, "email": None, "bio": ""}


def _user(number: int, name: str) -> Json:
    return {
        "id": str(number), "username": name.lower(), "global_name": name, "avatar": None, "discriminator": "0",
        "public_flags": 0, "flags": 0, "banner": None, "accent_color": None, "avatar_decoration_data": None,
        "collectibles": None, "primary_guild": None,
    }  # fmt: skip


def member(one: User | None) -> Json:
    return {
        "user": user(one) if one else bot(), "nick": None, "avatar": None, "banner": None, "roles": [],
        "joined_at": "2026-01-01T00:00:00+00:00", "premium_since": None, "communication_disabled_until": None,
        "deaf": False, "mute": False, "pending": False, "flags": 0, "permissions": EVERYTHING,
    }  # fmt: skip


def application(guilds: int) -> Json:
    return {
        "id": str(BOT_ID), "name": BOT_NAME, "icon": None, "description": "", "type": None, "verify_key": "0" * 64,
        "flags": 0, "flags_new": "0", "redirect_uris": [], "interactions_endpoint_url": None,
        "role_connections_verification_url": None, "owner": _user(3, "Owner"), "approximate_guild_count": guilds,
        "approximate_user_install_count": 0, "approximate_user_authorization_count": 0, "explicit_content_filter": 0,
        "team": None, "eligible_oauth2_scopes": [], "summary": "", "bot_public": True, "bot_require_code_grant": False,
    }  # fmt: skip


def guild(one: Guild, channels: list[Channel]) -> Json:
    """GUILD_CREATE: what an app without privileged intents is told."""
    everyone = {
        "id": str(one.id), "name": "@everyone", "permissions": EVERYTHING, "position": 0, "color": 0, "hoist": False,
        "managed": False, "mentionable": False, "icon": None, "unicode_emoji": None, "flags": 0,
        "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
    }  # fmt: skip
    return {
        "id": str(one.id), "name": one.name, "icon": None, "owner_id": "3", "afk_timeout": 300, "features": [],
        "verification_level": 0, "default_message_notifications": 1, "explicit_content_filter": 0, "mfa_level": 0,
        "premium_tier": 0, "preferred_locale": "en-US", "nsfw_level": 0, "system_channel_flags": 0, "emojis": [],
        "stickers": [], "roles": [everyone], "channels": [channel(each) for each in channels], "threads": [],
        "members": [member(None)], "member_count": 9, "large": False, "joined_at": "2026-01-01T00:00:00+00:00",
        "voice_states": [], "presences": [], "stage_instances": [], "guild_scheduled_events": [],
        "soundboard_sounds": [], "unavailable": False, "premium_progress_bar_enabled": False,
    }  # fmt: skip


def channel(one: Channel) -> Json:
    if one.guild is None:
        assert one.user is not None
        return {"id": str(one.id), "type": 1, "flags": 0, "last_message_id": None, "recipients": [user(one.user)]}
    return {
        "id": str(one.id), "type": 0, "flags": 0, "guild_id": str(one.guild.id), "name": one.name, "position": 0,
        "permission_overwrites": [], "nsfw": False, "topic": None, "parent_id": None, "last_message_id": None,
        "rate_limit_per_user": 0,
    }  # fmt: skip


def attachment(one: Upload, state: State) -> Json:
    url = state.signed(one)
    return {
        "id": str(one.id), "filename": one.name, "size": len(one.data), "url": url, "proxy_url": url,
        "content_type": one.kind,
    }  # fmt: skip


def message(one: Message, state: State) -> Json:
    """As REST answers it. Files that an embed shows are not listed among the attachments."""
    shown = {name for embed in one.embeds for name in pictures(embed)}
    found: Json = {
        "id": str(one.id), "channel_id": str(one.channel.id), "type": 0, "content": one.content, "author": bot(),
        "timestamp": instant(one.made_at), "edited_timestamp": instant(one.edited_at) if one.edited_at else None,
        "embeds": [_embed(embed, one.uploads, state) for embed in one.embeds], "components": one.components,
        "attachments": [attachment(each, state) for each in one.uploads if each.name not in shown],
        "mentions": [user(each) for each in one.mentions], "mention_roles": [], "mention_everyone": False,
        "pinned": False, "tts": False, "flags": one.flags,
    }  # fmt: skip
    if one.nonce:
        found["nonce"] = one.nonce
    if one.asked is not None:
        found |= {"type": 20 if one.asked.kind == 2 else 0, "webhook_id": str(BOT_ID), "application_id": str(BOT_ID)}
        found["interaction_metadata"] = _metadata(one.asked)
    return found


def pictures(embed: Json) -> list[str]:
    """Names of uploaded files that `embed` shows."""
    urls = [str(embed[place].get("url", "")) for place in ("image", "thumbnail") if embed.get(place)]
    return [url.removeprefix("attachment://") for url in urls if url.startswith("attachment://")]


def _embed(embed: Json, uploads: list[Upload], state: State) -> Json:
    found = {"type": "rich", **embed}
    for place in ("image", "thumbnail"):
        name = str(embed.get(place, {}).get("url", "")).removeprefix("attachment://")
        if upload := next((each for each in uploads if each.name == name), None):
            url = state.signed(upload)
            found[place] = {"url": url, "proxy_url": url, "width": 640, "height": 360, "content_type": upload.kind}
    found["fields"] = [{"inline": False, **row} for row in embed.get("fields", ())]
    return found


def _metadata(one: Interaction) -> Json:
    owners = {"0": str(one.channel.guild.id)} if one.channel.guild else {"1": str(one.user.id)}
    found = {"id": str(one.id), "type": one.kind, "user": user(one.user), "authorizing_integration_owners": owners}
    if one.message is not None:
        found["interacted_message_id"] = str(one.message.id)
    if one.kind == 5:
        opener = {"id": str(one.id), "type": 2, "user": user(one.user), "authorizing_integration_owners": owners}
        found["triggering_interaction_metadata"] = opener
    return found


def numbered(components: list[Json]) -> list[Json]:
    """Give every component the id that Discord gives where the app gave none."""
    taken = {part["id"] for part in walk(components) if part.get("id")}
    count = 0
    for part in walk(components):
        if not part.get("id"):
            count += 1
            while count in taken:
                count += 1
            part["id"] = count
    return components


def command(asked: Json, number: int, guild_id: int | None) -> Json:
    """A command as stored: what was asked, and what Discord adds."""
    found: dict[str, Any] = {
        "type": 1, "description": "", "default_member_permissions": None, "nsfw": False, "contexts": None,
        "integration_types": [0],
        **{key: value for key, value in asked.items() if value is not None},
        "id": str(number), "application_id": str(BOT_ID), "version": str(number + 1),
    }  # fmt: skip
    if found["default_member_permissions"] is not None:
        found["default_member_permissions"] = str(found["default_member_permissions"])
    return found | ({"guild_id": str(guild_id)} if guild_id else {})
