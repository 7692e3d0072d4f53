# Everything that can go wrong, one message a code.
#
# A person's own faults are read by that person: say what is wrong and what to do about it, with the facts in it.
# Ours and the hosts' are read by operators, who see the facts beside the message. `.person` is what a person may know
# of one; without it they read the `blame-` sentence alone.

blame-operator = Something on our side does not work. You pay nothing for it.
blame-bug = Something on our side broke. You pay nothing for it.
blame-host = The rented machine failed. That is not your doing, and you pay nothing for it.
moving = We are moving to another machine; you pay nothing for the one that failed.

## What a person can change: the recipe

fault-bad-trigger = The trigger word “{ $got }” will not do. Take 2 to 32 letters, digits or _, without spaces; a single - may stand between them.
fault-bad-name = The name “{ $got }” will not do. Take up to 48 letters, digits, - or _, beginning with a letter or digit.
fault-bad-resolution = Give one to four different sizes for the resolution, for example resolution=512,768,1024.
fault-out-of-bounds = { $option } must be from { $low } to { $high }; you gave { $got }.
fault-bad-region = “{ $got }” is no region. Give the two letters of a country, for example region=US.
fault-bad-gpu = “{ $got }” is no graphics card. Give a name such as gpu=RTX_4090.
fault-base-needs-larger-card = { $base } needs a card with { $gb } GB, and we rent only { $cards }. Please choose another base.
fault-unknown-gpu = There is no “{ $got }” here. You can choose: { $known }.
fault-region-fixed = Machines are rented in { $only } only here, not in { $got }. Please leave region out.
fault-unknown-base = There is no base model “{ $got }”. You can choose: { $known }.

## What a person can change: the pictures

fault-dataset-too-small = { $have ->
    [0] There are no usable pictures yet. Please send at least { $need }, as a zip or one by one.
    [one] There is only one usable picture. Please send more, until there are at least { $need }.
   *[other] There are only { $have } usable pictures. Please send more, until there are at least { $need }.
}
fault-dataset-too-large = { $have } pictures are too many; { $most } is the most. Please leave some out.
fault-draft-too-large = That would be too much for one set: { $most } pictures or 2 GB are the most. Please leave some out.
fault-file-missing = I cannot find that file. Please send it again.
fault-not-an-archive = That is neither a zip file nor a picture I can open. Please send a zip, JPEG, PNG, WebP or HEIC.
fault-archive-hostile = That archive does not look like pictures from a person, so I did not open it. Please pack it anew, with pictures only.
fault-archive-encrypted = That archive is locked with a password. Please pack it again without one.
fault-archive-too-big = That is too much in one archive. Please split it and send the parts one after the other.
fault-archive-empty = There is nothing in that archive. Please pack the pictures and send it again.
fault-no-such-picture = There is no picture number { $got }. Send /dataset to see what there is.

## What a person can change: the order

fault-quote-changed = Something has changed since that price: the pictures, the options or the market. Please send /train again for a new one.
fault-filters-too-narrow = With region, gpu or max_price as you set them, too few machines are left: { $left } now; { $least } of { $owners } owners are the least. Please leave one of them out.
fault-too-many-quotes = That is more than { $most } prices in a minute. Please ask again in { $seconds ->
    [one] a second.
   *[other] { $seconds } seconds.
}
fault-quote-expired = That price is too old. Please send /train again for a new one.
fault-not-enough-points = You have { $have } points and this can take up to { $need }. Please top up first, or choose fewer steps.
fault-too-many-jobs = { $have ->
    [one] You have a training running already, and { $most } at a time is the most. Please wait for it, or cancel it.
   *[other] You have { $have } trainings running already, and { $most } at a time is the most. Please wait for one, or cancel it.
}
fault-no-such-job = There is no such training of yours. Send /jobs to see them.
fault-too-late = That is not possible any more: it is closing already, and settles by itself.
fault-too-many-prompts = You gave { $have } prompts; at most { $most } samples are painted.
fault-bad-prompt = A prompt needs at least one letter and at most { $most }: prompt="a fox in the snow".
fault-nothing-to-extend = There is nothing to keep going: no training of yours is about to stop by itself.
fault-not-extendable = It cannot go on longer: it was given more time already, or its machine has to go back. What it has is kept.
fault-checkpoint-gone = The checkpoint of step { $step } is not kept any more. Checkpoints are kept for 30 days.
fault-checkpoint-chosen = The checkpoint of step { $step } is the model already.
fault-release-running = Another checkpoint of this training is on its way to become the model. Please try again when that is done.
fault-no-such-model = There is no model “{ $slug }” that you can see. Send /models for the list.

## Pictures that were dropped or deserve a word

finding-unsupported-picture = { $name }: left out, not a kind of picture I can open. JPEG, PNG, WebP and HEIC work.
finding-unsupported-file = { $name }: left out, not a picture.
finding-unsupported-packing = { $name }: left out, packed in a way I cannot open. An ordinary zip works.
finding-nested-archive = { $name }: left out, an archive inside the archive. Please pack the pictures directly.
finding-broken-picture = { $name }: left out, the picture is damaged.
finding-broken-file = { $name }: left out, the file is damaged.
finding-tiny-picture = { $name }: left out, { $width } × { $height } pixels are too few to learn from.
finding-small-picture = { $name }: only { $width } × { $height } pixels; a larger one would teach more.
finding-huge-picture = { $name }: left out, larger than { $most_mp } megapixels.
finding-too-big = { $name }: left out, larger than { $most_mb } MB.
finding-repeated-picture = { $name }: left out, the same picture as { $same }.
finding-orphan-caption = { $name }: left out, there is no picture of that name.
finding-caption-encoding = { $name }: not UTF-8; please check whether its letters came out right.
finding-long-caption = { $name }: cut to its first { $most } letters.
finding-more-findings = { $count ->
    [one] And one more.
   *[other] And { $count } more.
}

## Ours: for operators

fault-bug = A mistake of ours; the log has the traceback.
fault-our-key-refused = Two running hosts refused our SSH key. Is the key at the market ours?
fault-store-down = The store does not answer.
    .person = Our notebook does not answer right now.
fault-spool-full = Packs and checkpoints of all trainings would take more than SPOOL_MAX_GB, or than the disk has. Give it more room.
    .person = There is no room at our side for another training right now.
fault-home-disk = A file could not be written at home.
fault-disk-full = The disk at home is full.
fault-store-full = The disk of the store is full.
fault-ssh-key-unreadable = Our SSH key cannot be read.
fault-workshop-died = The child process that opens files died.
    .person = Opening that file went wrong on our side. If it goes wrong again, please send it in another format.
fault-url-not-https = An address in the settings is not https and not on this machine.
fault-spool-damaged = A picture in the spool is not what it was when we kept it.
fault-checkpoint-damaged = The kept weights of that checkpoint are not what they were when we proved them.
fault-artifact-missing = The job stands before publishing without weights.
fault-market-credit = The market account is out of credit.
fault-market-key = The market refuses our API key.
fault-market-key-missing = The market saw no API key of ours.
fault-market-key-scope = Our API key at the market may not do that: it is scoped too tightly.
fault-market-team-key = Our API key at the market is a team's, and team accounts keep no SSH keys. Use a personal key.
fault-market-searches = The market's searches of the day are used up.
    .person = We cannot ask the market for prices right now. Please try again later.
fault-market-quota = The market refuses another rental: a limit of the account.
fault-market-refused = The market refused a request of ours.
fault-market-down = The market does not answer, or answers what cannot be read.
    .person = The market we rent machines from does not answer right now.
fault-market-busy = The market asks us to slow down.
    .person = The market we rent machines from is busy.
fault-rent-replies-lost = The market's answers to our rents do not reach us.
    .person = The market we rent machines from does not answer right now.
fault-budget-job = One training has cost us twice the most its person agreed to.
    .person = This training kept failing on our side, and we do not try it again.
fault-budget-day = The day's money is spent (MAX_USD_PER_DAY): no machine is rented before some of it is a day old.
    .person = We have reached what we may spend in a day. Please send it again tomorrow.
fault-budget-hour = The machines that run cost as much an hour as they may together (MAX_USD_PER_HOUR).
    .person = All the machines we may run at once are busy. Yours is rented as soon as one of them is done.
fault-own-box-suspected = Three machines of one owner failed the same person. Are they the same person? Look before either goes on.
fault-no-offers = No offer on the market fits.
    .person = Right now there is no machine on the market that fits. That usually changes within minutes.
fault-hub-down = The hub does not answer.
    .person = The place the base model comes from does not answer right now.
fault-hub-gated = The base model is gated, and our hub account has not accepted its terms.
fault-hub-token = The hub refuses our token.
fault-hub-token-scope = Our hub token may not read the base model.
fault-hub-repo-missing = The hub does not have the base model, or not all of it.
fault-host-token-wide = HF_HOST_TOKEN may do more than read public gated repos, so no machine will get it. Make a fine-grained token with that one right and no other.
fault-host-token-dead = The hub refuses HF_HOST_TOKEN, or it may not read public gated repos.
fault-host-token-gated = The account of HF_HOST_TOKEN has not accepted the terms of the base model.
fault-hub-odd-file = The hub lists a file whose name no box will get from us.
fault-publish-down = The place we publish to does not answer.
    .person = The place we publish to does not answer right now. Your model is safe with us.
fault-publish-token = The place we publish to refuses our token.
fault-publish-storage = The place we publish to has no room left for us.
fault-publish-name-taken = The name at the place we publish to is taken, and so are its neighbours.
fault-publish-repo-missing = What we publish into is not there any more.
fault-publish-refused = The place we publish to refused a request of ours.
fault-publish-differs = What was published is not what we sent: a file there has another hash.
    .person = What arrived at the place we publish to was not whole, so we send it again.
fault-publish-unproved = What was published is not what we sent: the hash read back differs.
    .person = What arrived at the place we publish to was not whole, so we send it again.
fault-trainer-config = The trainer cannot work with what we gave it.
fault-config-unread = The config we would write holds what the trainer does not read.

## The hosts': for operators

fault-offer-gone = Somebody else was faster with the offer.
    .person = Somebody else was faster with that machine.
fault-rent-unanswered = The market did not say whether it rented.
    .person = The market did not answer whether we got the machine; we are looking it up.
fault-rental-gone = The market does not know the rental any more.
    .person = The machine is gone.
fault-not-listed-yet = The market does not list the new rental yet.
    .person = The new machine is not on the market's list yet.
fault-booting = The machine is still starting.
    .person = The machine is still starting.
fault-boot-failed = The machine did not start.
    .person = The machine did not start.
fault-no-machine-booted = No machine came up in as many tries as we make.
    .person = None of the machines we tried came up. That is not your doing, and you pay nothing for it.
fault-machine-gone = The market says that the machine is gone.
    .person = The machine was taken from us.
fault-machine-missing = The job has no machine where it should have one.
fault-ssh-unreachable = The machine does not answer by SSH.
    .person = The machine does not answer.
fault-ssh-refused-key = The machine refuses our SSH key.
    .person = The machine does not let us in yet.
fault-host-key-changed = The machine shows another host key than at our first login.
    .person = The machine is not the one we rented.
fault-box-command-failed = A command on the machine failed.
    .person = The machine could not do what we asked of it.
fault-box-unreadable = The machine answered what cannot be read.
    .person = The machine gave an answer that makes no sense.
fault-toolkit-missing = The trainer is not where the image should have it.
    .person = The machine came without the training program.
fault-other-gpu = The machine has another GPU than the market promised.
    .person = The machine has another GPU than we were promised.
fault-box-not-ready = The machine has not left its own key yet.
    .person = The machine is still starting.
fault-box-unproved = The machine cannot prove that it is the one we rented.
    .person = The machine is not the one we rented.
fault-box-disk-small = The machine has less free disk than the training needs.
    .person = The machine has less room than we were promised.
fault-gpu-unseen = The machine's PyTorch does not see its GPU.
    .person = The machine's GPU cannot be used.
fault-gpu-slow = The machine's GPU is much slower than its kind.
    .person = The machine's GPU is much slower than it should be.
fault-pack-missing = The packed pictures did not stay on the machine.
    .person = The machine lost the pictures we sent.
fault-file-too-big = The machine offers a file that is larger than it can be.
    .person = The machine sent something that is too large to be right.
fault-fetch-failed = The machine could not download the base model.
    .person = The machine could not download the base model.
fault-fetch-slow = The machine downloads much slower than it claims.
    .person = The machine downloads much slower than promised.
fault-trainer-not-started = The trainer did not start.
    .person = The training program did not start there.
fault-trainer-stalled = The trainer does not come nearer to its end: it is silent, takes no step, or takes ever longer.
    .person = The training stood still there.
fault-trainer-slow = The machine trains far slower than its quote.
    .person = The machine trains much slower than promised.
fault-trainer-nan = The loss is not a number any more.
    .person = The training went wrong there: its numbers stopped making sense.
fault-trainer-failed = The trainer ended with an error.
    .person = The training program ended with an error there.
fault-trainer-repeats = The machine saved the weights of an earlier step under a new one: nothing was trained between them.
    .person = The machine claimed steps that it did not train.
fault-weights-missing = There are no weights where the trainer should have left them.
    .person = The machine did not hand over a model.

-unsound = The machine handed over a model that is not sound, and we accept no such model.

fault-weights-file = The weights are no whole safetensors file.
    .person = { -unsound }
fault-weights-orphan = The weights have one half of a pair only.
    .person = { -unsound }
fault-weights-prefix = The weights' names begin otherwise than this base's.
    .person = { -unsound }
fault-weights-grammar = The weights' names are not those of a LoRA of ours.
    .person = { -unsound }
fault-weights-shape = The weights' shapes do not fit the base.
    .person = { -unsound }
fault-weights-rank = The weights have another rank than ordered.
    .person = { -unsound }
fault-weights-dtype = The weights have another number format than ordered.
    .person = { -unsound }
fault-weights-zero = The weights are all zero: nothing was learned.
    .person = { -unsound }
fault-weights-nan = The weights hold values that are no numbers.
    .person = { -unsound }
fault-weights-alpha = The weights carry another alpha than ordered: they would act too strongly or too weakly.
    .person = { -unsound }
fault-weights-step = The weights say another step than their file's name.
    .person = { -unsound }
fault-weights-size = The weights are larger than this base and rank can be.
    .person = { -unsound }

fault-optimizer-refused = The optimizer state that a machine saved is malformed, or would run code where it is loaded.
    .person = What a machine saved beside the weights could not be trusted.

## Files on their way

fault-box-file-missing = A file that should be on the machine is not there.
fault-box-disk = The machine takes no file: its disk is full or read-only.
    .person = The machine has no room for our files.
fault-file-changed = A file changed on the machine while it was on its way home.
    .person = The machine changed a file while it was on its way to us.
fault-transfer-slow = Files move too slowly between the machine and us.
    .person = The machine's connection is too slow.
fault-upload-differs = What arrived on the machine is not what we sent.
    .person = Our files did not arrive whole at the machine.
fault-output-too-big = A command on the machine said more than it may.
    .person = The machine gave an answer that makes no sense.
fault-samples-broken = The samples cannot be opened.
    .person = The machine handed over pictures that cannot be opened.
fault-ssh-lost = The line to the machine broke.
    .person = The line to the machine broke.
fault-ssh-no-shell = The machine lets us in and then says nothing we can use.
    .person = The machine lets us in, but does not listen yet.
