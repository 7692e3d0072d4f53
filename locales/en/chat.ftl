# What the dialogue says: answers, quotes, lists, help. No markup; platforms add their own.

## Shared

chat-price = { $points } ({ $usd })
chat-findings =
    { $count ->
        [one] One remark about the pictures:
       *[other] { $count } remarks about the pictures:
    }
chat-findings-more = … and { $count } more.
chat-publish-hf = public, on Hugging Face
chat-publish-private = private
chat-no-command = I go by commands and pictures. Send pictures or a zip, then /train and a trigger word. /help lists the rest.
chat-unknown-command = I do not know { $command }. /help lists what I can do.
chat-button-gone = That button no longer does anything. /jobs and /models show what is there.
chat-aside = I answer that where only you can read it.
chat-button-aside = Open our chat
chat-upload = Upload pictures
chat-upload-how = The page takes pictures and zips of any size that fits a draft, 2 GB in all, and they are counted here. It can also come from an https link of yours: /train, a trigger word and url=https://… The link to the page is for you alone: it works once, and for an hour.
chat-upload-none = There is no upload page here. Send the pictures in this chat, one by one as files or in small zips; they all go into one draft. A large zip can come from an https link: /train, a trigger word and url=https://…
chat-button-upload = Open the upload page

## Quote

chat-quote =
    { $count ->
        [one] Train { $slug } on one picture?
       *[other] Train { $slug } on { $count } pictures?
    }
chat-quote-pictures =
    { $count ->
        [one] One picture is ready.
       *[other] { $count } pictures are ready.
    }
chat-quote-promise = You pay for what runs and never more than the ceiling. If our side or the machine fails, you pay nothing.
chat-quote-copied = Your pictures are copied to a rented computer we do not own. We delete them there, but its owner could keep a copy.
chat-quote-short = You need { $missing } more: the ceiling must be covered before it can start.
chat-quote-price = Expected price
chat-quote-ceiling = Ceiling
chat-quote-start = Training starts
chat-quote-finish = Model ready
chat-quote-in = in about { $time }
chat-quote-balance = Balance after
chat-quote-options = Options
chat-quote-captions-none = Your captions are left out, as you asked: it learns from the pictures and the trigger word alone.
chat-quote-captions-auto =
    { $count ->
        [one] One picture has no caption. Nothing here can write one yet, so it is learned with the trigger word alone.
       *[other] { $count } pictures have no caption. Nothing here can write them yet, so they are learned with the trigger word alone.
    }
chat-quote-recipe = { $base }, { $steps } steps, rank { $rank }, lr { $lr }, sizes { $resolution }, { $samples ->
        [0] no samples
        [one] one sample
       *[other] { $samples } samples
    }, { $publish }
chat-button-start = Start
chat-button-change = Change
chat-button-decline = Cancel
chat-change = Send /train again with what should be different, for example: /train steps=1500. Your pictures and the other options stay. The last order was: { $last }
chat-declined = Not started, and nothing charged. Your pictures stay in the draft: /train asks for a new price.
chat-started = Started. Its own message tells how it goes; /status shows it, too.
chat-already-started = That training was already started. /status shows it, /stop and /cancel end it.

## Draft

chat-draft-count =
    { $count ->
        [0] No pictures in the draft
        [one] One picture in the draft
       *[other] { $count } pictures in the draft
    }
chat-draft-empty = Send pictures or a zip; at least { $need } different ones are needed.
chat-draft-more =
    { $need ->
        [one] One more is needed before you can train.
       *[other] { $need } more are needed before you can train.
    }
chat-draft-ready = When all are here, send /train and a trigger word, for example: /train ohwx. /dataset looks through them.
chat-draft-smallest = The smallest:
chat-draft-picture = No. { $ordinal }: { $size } { $name }
chat-draft-size = Size
chat-draft-sides = Shorter side
chat-draft-captions = Captions
chat-draft-captioned = { $have } of { $all }
chat-button-clear = Clear
chat-link-fetching = Fetching what is behind that link; the answer comes when it is here.
chat-dataset-usage = /dataset drop 3 takes out number 3, /dataset clear empties the draft.

## Trainings

chat-jobs = Your trainings
chat-jobs-none = You have not trained anything yet. Send pictures or a zip, then /train and a trigger word.
chat-jobs-hint = /status and an id shows one of them.
chat-jobs-row = { $slug }: { $state }, { $steps } steps, ordered { $ago } ago
chat-log = What the trainer of { $slug } said last
chat-log-none = Nothing yet: it has not started, or its words are older than they are kept.
chat-wish-stop = Stopping { $slug }: what is trained so far is saved, and you pay for what ran.
chat-wish-keep = { $slug } goes on.
chat-wish-cancel = Cancelling { $slug }: the machine is given back, and you pay only what it measurably cost.

## Models

chat-models = Models
chat-models-none = There are no models yet. Send pictures or a zip, then /train and a trigger word.
chat-models-hint = /model and a name shows one of them.
chat-models-more = … and { $count } older ones.
chat-models-row = trigger { $trigger }, { $base }, { $step } steps, { $whose }
chat-models-own = yours
chat-models-public = public
chat-model-usage = Which one? /model and a name; /models lists them.
chat-model-use = In a prompt: { $tag } and the word { $trigger }
chat-model-incomplete = Incomplete: stopped at step { $step }.
chat-model-kept = Other checkpoints of this training are kept until { $until }.
chat-model-base = Base
chat-model-steps = Steps
chat-model-of = { $step } of { $steps }
chat-model-pictures = Pictures
chat-model-rank = Rank
chat-model-rank-lr = { $rank }, lr { $lr }
chat-model-size = File
chat-model-seen = Seen by
chat-model-public = everyone
chat-model-private = you

## Points

chat-balance = Balance
chat-balance-available = Available
chat-balance-held = Held for trainings
chat-balance-hint = /receipts lists every charge.
chat-receipts = Receipts
chat-receipts-none = Nothing has been charged or added yet.
chat-receipt-row = { $points }, { $ago } ago, { $left } left
chat-receipt-deposit = Added ({ $source })
chat-source-welcome = Welcome points
chat-receipt-hold = Held for training { $job }
chat-receipt-capture = Paid for training { $job }
chat-receipt-release = Returned from training { $job }
chat-receipt-refund = Refunded

chat-granted = { $points } for { $who }; { $left } available there now.
chat-grant-usage = /grant, then platform:id (never a name), points and a reason, for example: /grant telegram:7 5000 a bug report
fault-grants-of-the-day = That is more than a day allows: { $left } of { $most } points are left today. The command line has no such limit.

## Downloads

chat-button-download = Download
chat-button-take = Use step { $step }
chat-button-samples = Show samples here
chat-download = { $slug }, { $size }
chat-download-link = The file is larger than this chat carries. The link works for a day, for whoever has it.
chat-download-none = The file is larger than this chat carries. It is where the model is published:

## Settings

chat-settings = Settings
chat-settings-dm = Where others read along, a training is told to you alone (progress=dm).
chat-settings-here = Where others read along, a training is told where you order it (progress=here).
chat-settings-usage = /settings progress=here or /settings progress=dm changes it, from your next training on.

## Start and help

chat-start = Train a LoRA from your own pictures
chat-start-how = Send 10 to 500 pictures, or a zip of them. Then send /train and a trigger word: a word of your own that will stand for what is in the pictures, for example /train ohwx.
chat-start-first = You see the price and the time first; nothing starts and nothing is charged before you press Start. /help lists everything.
chat-help = What I can do
chat-help-train = train on the pictures sent: /train and a trigger word
chat-help-dataset = look through the pictures sent; drop one, clear all
chat-help-status = how a training is doing
chat-help-jobs = your latest trainings
chat-help-log = the last words of a training's program
chat-help-stop = end a training, keep and pay for what ran
chat-help-cancel = end a training, keep nothing
chat-help-models = what has been trained
chat-help-model = one model: how to use it
chat-help-balance = your points
chat-help-receipts = every charge
chat-help-settings = where a training is told
chat-help-upload = a page for large files and many pictures
chat-help-help = this list
chat-help-options = Options go behind the trigger word, for example: /train ohwx steps=1500 rank=32. What is left out stays as below.
chat-option-steps = how long it learns, { $low } to { $high }
chat-option-base = the model it learns on
chat-option-preset = what it is of: subject, style or character; sets steps, rank and lr unless you do
chat-option-name = a name of your own for the model
chat-option-rank = how much it can hold, { $low } to { $high }
chat-option-lr = how fast it learns, { $low } to { $high }
chat-option-resolution = picture sizes it learns at, up to four, { $low } to { $high }
chat-option-save-every = steps between saved states, { $low } to { $high }
chat-option-samples = sample pictures at the end, { $low } to { $high }
chat-option-samples-every = steps between rounds of samples while it learns, { $low } to { $high }; empty: only at the end
chat-option-captions = keep (the captions you gave), none (the trigger word alone), auto (as keep, and pictures without one get one where something can write it; nothing here can yet)
chat-option-url = a zip or picture to fetch: a link that opens the file itself, for anybody
chat-option-prompt = what a sample shows, in quotes; up to { $most } of them, as often as you like. Without it: your captions
chat-option-publish = who may see it: hf (everyone, on Hugging Face) or private
chat-option-region = the country of the machine, such as US
chat-option-gpu = the graphics card, such as RTX_4090
chat-option-max-price = the most a machine may cost, in dollars an hour

## Mistakes in what was typed

fault-trigger-missing = /train needs a trigger word first, for example: /train ohwx steps=2000
fault-word-stray = I do not understand “{ $got }”. After the trigger word, options look like steps=2000.
fault-option-unknown = There is no option “{ $option }”. There are: { $known }.
fault-option-twice = The option { $option } is there twice. Say it once.
fault-option-empty = The option { $option } needs a value after the equals sign.

## Links

fault-link-not-https = A link must begin with https://, for example: /train ohwx url=https://example.com/pictures.zip
fault-link-login = Leave the name and password out of that link: it must open without them.
fault-link-bad = That is no link I can read. It looks like https://example.com/pictures.zip.
fault-link-refused = I do not go to that address. A link must lead to a public machine by https, in at most three steps.
fault-link-unreachable = Nobody answers at that link as a file should. Does it open in your browser?
fault-link-missing = There is nothing at that link any more. Please check it, or send a new one.
fault-link-closed = That link does not let me in. Please share the file with everybody who has the link.
fault-link-page = That link opens a page, not a file. Please send the link of the download itself.
fault-link-slow = That link is too slow: the file did not come in time. Please try again, or put it somewhere else.
fault-link-too-big = What is behind that link is larger than { $most_mb } MB, the most one draft holds.

## Numbers and choices

fault-number-whole = { $option } needs a whole number, and “{ $got }” is none.
fault-number-bad = { $option } needs a number, and “{ $got }” is none.
fault-choice-bad = { $option } can be { $known }, not “{ $got }”.
