# What only Telegram needs: what it shows of the bot, files it does not carry, manners of groups. No markup.

telegram-description = Train a LoRA from your own pictures. Send 10 to 500 pictures or a zip, then /train and a trigger word. You see the price first; nothing starts before you press Start.
telegram-about = Trains image models (LoRA) from your own pictures.
telegram-no-picture = I can use pictures and zip files, nothing else. Send pictures as photos or files, then /train and a trigger word.
telegram-too-big = { $name } is larger than the { $most } MB that Telegram gives to bots. I can fetch it from an https link: /train, a trigger word and url=https://… Or send the pictures one by one, as photos or files, or in smaller zips; they all go into one draft. (Whoever runs a local Bot API server for me lifts that limit.)
telegram-too-big-page = { $name } is larger than the { $most } MB that Telegram gives to bots. The upload page takes it. Or I fetch it from an https link: /train, a trigger word and url=https://… Or send the pictures one by one, as photos or files, or in smaller zips; they all go into one draft. (Whoever runs a local Bot API server for me lifts that limit.)
telegram-not-fetched = { $name } did not arrive. Please send it again.
telegram-bad-token = TELEGRAM_TOKEN: Telegram does not know it
telegram-ask = { $asker } wants to train a model on { $owner }’s pictures. Nothing is taken unless { $owner } allows it.
telegram-allowed = Allowed. What comes of it is told to whoever asked, alone.
telegram-button-allow = Allow
telegram-masked-pictures = Those pictures belong to a group or a channel, so there is nobody who could allow it.
telegram-masked = I only work for people who speak as themselves. Write as yourself, not as a group or channel.

fault-telegram-down = Telegram does not answer.
fault-telegram-refused = Telegram refused a call.
fault-telegram-file = A file could not be fetched from Telegram.
telegram-no-pages = TELEGRAM_WEBHOOK_SECRET: needs PUBLIC_URL
telegram-no-secret = TELEGRAM_WEBHOOK_SECRET: without it anybody could speak for anybody
