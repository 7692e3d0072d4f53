# What operators read from the command line, when it is a sentence.

ops-no-offers = Nothing on the market fits. Try another GPU, a higher price, or no region.
ops-more =
    { $count ->
        [one] One more offer fits; --json shows it.
       *[other] { $count } more offers fit; --json shows all of them.
    }
ops-job = Job: what a training of { $steps } steps is expected to cost there in all: boot, download, training, disk, traffic and the odds of a bad machine.
ops-wins = ★ { $offer } wins at { $cost }: the runner-up costs { $more } more ({ $parts }).
ops-only = ★ { $offer } is the only one that fits, at { $cost }.
ops-tie = ★ { $offer } wins at { $cost }; the runner-up costs the same.
ops-part = { $part } { $cost } more
ops-cost-boot = boot
ops-cost-fetch = base model download
ops-cost-train = training
ops-cost-home = weights home
ops-cost-disk = disk
ops-cost-traffic_in = traffic in
ops-cost-traffic_out = traffic out
ops-cost-failures = failed boots
ops-cost-total = whole job

ops-no-runner = No bot runs on this DATA_DIR, so nobody would train it. Start one with `trainstation run`, or say --watch to train it in this process.
ops-job-ordered = Training { $slug } is ordered: { $job }.
ops-job-price = { $slug }: { $pictures } pictures, { $steps } steps on { $gpu }. Expected { $usd }, at most { $most }, in about { $time }.
ops-bad-home = “{ $got }” is no home that a training could resume in. Give an absolute path of letters, digits and . _ - without { $traps }.
ops-bad-job = “{ $got }” is no job’s id. Give 12 small letters and digits, for example { $like }.
ops-no-jobs = There are no trainings yet.
ops-no-log = There is no log of { $job } here: it has not trained yet, or its log was not kept.
ops-wish-stop = { $job } stops: what is trained so far is saved and kept.
ops-wish-cancel = { $job } is cancelled: its machine is given back.
ops-no-checkpoints = No checkpoint of { $job } can be taken: it still runs, left none, or its 30 days are over.
ops-current = the model
ops-take = { $job }: step { $step } becomes the model. Its person is charged { $points } points and told in their chat.
ops-take-dry = { $job }: step { $step } would become the model, for { $points } points. Nothing was done.
ops-wish-dry = Nothing was done to { $job }.
ops-wish-later = No bot runs on this DATA_DIR: it is heard as soon as one does.
ops-column-step = Step
ops-column-file = Size
ops-column-price = Price
ops-column-until = Kept until
ops-column-sha = sha256
ops-column-id = Job
ops-column-name = Name
ops-column-state = State
ops-column-steps = Steps
ops-column-gpu = GPU
ops-column-cost = Cost
ops-column-age = Age
ops-no-instances = The account rents nothing.
ops-instances =
    { $count ->
        [one] One rental is ours, { $hourly } an hour.
       *[other] { $count } rentals are ours, { $hourly } an hour together.
    }
ops-nobody =
    { $count ->
        [one] One of them has no owner: trainstation reap ends it.
       *[other] { $count } of them have no owner: trainstation reap ends them.
    }
ops-nothing-to-reap = Every rental of ours has an owner. Nothing to do.
ops-why-no-owner = nobody knows it
ops-why-lease-over = its lease is over
ops-why-condemned = would not go before
ops-why-job-over = its job is over
ops-why-job-moved = its job left it
ops-why-double = a double

ops-unknown-offer = No offer of that id is on the market and fit for our work: see trainstation offers.
ops-would-rent = Would rent { $offer } ({ $gpu }): { $most } at most for { $hours } h. Nothing was rented.
ops-renting = Renting.
ops-booting = Rented; it boots. The meter starts when it runs.
ops-connecting = It runs; connecting, and asking it to prove that it is ours.
ops-next = That host failed and goes back; trying the next one.
ops-furnishing = It is ours. Laying things out.
ops-rented = Rental { $id } ({ $gpu }) is yours until { $until }; then it is ended. To get in:
ops-end-early = To end it earlier: trainstation reap --end { $id }
ops-laid =
    { $count ->
        [0] No pictures were sent; config and environment are in { $folder }. The lease ends at { $until }.
        [one] One picture, config and environment are in { $folder }. The lease ends at { $until }.
       *[other] { $count } pictures, config and environment are in { $folder }. The lease ends at { $until }.
    }
ops-base-at-hub = { $base } is not on the machine: the config names it at the hub, and the trainer fetches it. A gated one needs a token in that shell: one that may only read, and never your own.
ops-start = To start the training:
ops-line-broke = The line broke. Connecting again.
ops-lease-over = The lease is over.
ops-returning = Giving the machine back.
ops-returned = It is gone: read back twice.
ops-not-gone = It would not go yet. The reaper works on it until it does.
ops-kept = Rental { $id } runs on until { $until }. To end it earlier: trainstation reap --end { $id }

## Faults whose chat sentence names a command that only a chat has

ops-fault-no-such-job = There is no training of that id on this DATA_DIR: `trainstation jobs` lists what there is.
ops-fault-quote-changed = Something has changed since that price: the pictures, the options or the market. Run the command again.
ops-fault-quote-expired = That price is too old. Run the command again.

## Platforms

ops-discord-token = DISCORD_TOKEN: Discord does not accept it
ops-discord-intents = DISCORD_TOKEN: Discord refuses this application’s intents; none that needs a review is asked for
ops-discord-closed = DISCORD_TOKEN: Discord ended the connection for good
