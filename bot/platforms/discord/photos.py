"""/photos: a form with room for many files. Its answer is heard by the ear as any other, also after a restart."""

from typing import Final

import discord

from bot.platforms.discord.hearing import Interaction

FORM: Final = "photos"  # its custom_id
FIELDS: Final = 5  # as many as a form may have
EACH: Final = 10  # files a field may hold


class Form(discord.ui.Modal):
    """Submitted, it is heard through the client's on_interaction: this object may have died with its process."""

    def __init__(self, title: str, first: str, more: str) -> None:
        super().__init__(title=title, custom_id=FORM, timeout=None)
        for n in range(FIELDS):
            upload: discord.ui.FileUpload[Form] = discord.ui.FileUpload(
                custom_id=f"files{n}", required=n == 0, min_values=int(n == 0), max_values=EACH
            )
            self.add_item(discord.ui.Label(text=first if n == 0 else more, component=upload))


async def photos(interaction: Interaction) -> None:
    words = interaction.client.words(str(interaction.locale.value))
    form = Form(words.say("discord-photos-title"), words.say("discord-photos-first"), words.say("discord-photos-more"))
    await interaction.response.send_modal(form)
