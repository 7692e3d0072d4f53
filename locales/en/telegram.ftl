# What only Telegram needs: what it shows of the bot, files it does not carry, manners of groups. No markup.

telegram-description = Train a LoRA from your own pictures. Send 10 to 500 pictures or a zip, then /train and a trigger word. You see the price first; nothing starts before you press Start.
telegram-about = Trains image models (LoRA) from your own pictures.
telegram-no-picture = I can use pictures and zip files, nothing else. Send pictures as photos or files, then /train and a trigger word.
telegram-too-big = { $name } is larger than the { $most } MB that Telegram gives to bots. What works: pictures sent as photos, or several smaller zips; they all go into one draft.
telegram-not-fetched = { $name } did not arrive. Please send it again.
telegram-bad-token = TELEGRAM_TOKEN: Telegram does not know it
telegram-masked = I only work for people who speak as themselves. Write as yourself, not as a group or channel.

fault-telegram-down = Telegram does not answer.
fault-telegram-refused = Telegram refused a call.
fault-telegram-file = A file could not be fetched from Telegram.
telegram-no-pages = TELEGRAM_WEBHOOK_SECRET: needs PUBLIC_URL
