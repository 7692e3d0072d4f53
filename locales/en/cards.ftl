# The live card of a job, and how it ends. No markup: platforms bring their own.

points = { $n ->
    [one] 1 point
   *[other] { $n } points
}
simulated = Sandbox: no GPU was rented and no money was spent.

## While it runs

running-title = Training { $slug }
release-running-title = { $slug }: step { $step } becomes the model
chapter = Step { $n } of { $total }: { $stage }.
chapter-next = Next: { $stage }.

field-loss = Loss
field-speed = Speed
field-left = Time left
field-cost = Cost so far
field-gpu = GPU
field-heard = Last sign of life
field-trigger = Trigger word
field-steps = Steps
field-final = Final loss
field-trained = Training time

bar-step = { $done }/{ $total } steps
bar-picture = { $done }/{ $total } pictures
bar-sample = { $done }/{ $total } samples
bar-gb = { $done }/{ $total } GB
bar-mb = { $done }/{ $total } MB
bar-any = { $done }/{ $total }

speed-step = { $seconds } s a step
speed-byte = { $size } a second
cost = { $points } of at most { $most }
gpu-rate = { $gpu }, { $rate } an hour
ago = { $time } ago

wish-stop = Stopping as you asked: what is trained so far is being saved.
wish-cancel = Cancelling as you asked.
wish-keep = Going on, as you asked.

# time is up: what happens at the end of the wait, unless its person says otherwise
alert-deadline = This has taken much longer than it should. In { $wait } it stops and keeps what is trained so far. Keep going gives it more time, once.
alert-rental-ends = The machine has to go back soon. In { $wait } the training stops and keeps what it has so far.
alert-soon = a moment

halted-deadline = Its time is up: what is trained so far is being saved.
halted-rental-ends = The machine has to go back: what is trained so far is being saved.
halted-budget-job = This training has cost far more than planned, on our side. It stops, and what is trained so far is being saved.
halted-budget-day = We have reached what we may spend in a day. It stops, and what is trained so far is being saved.

restarted = The training program stopped with an error. It starts again here, from its last checkpoint.
restarted-lower = The machine’s memory was too small for this. It starts again here with settings that need less, from its last checkpoint.

silent = The machine has not answered for { $ago }. We keep knocking; if it stays silent, we go on with another one.
resumed = { $state ->
    [kept] Another machine goes on from step { $step }.
   *[lost] Another machine goes on from step { $step }; its pace of learning starts anew.
}
resumed-anew = Another machine began at the first step again: it could not use the { $laid } steps we had saved.
delayed = Something we need does not answer right now.
again-in = We try again in { $wait }.
delayed-for = This has been so for { $ago }.
again-soon = We try again in a moment.

chart-loss = Loss
chart-step = Step

button-stop = Stop and keep
button-keep = Keep going
button-cancel = Cancel
button-log = Log

## On the way out

stopped-closing = Stopped as you asked. We give the machine back and settle the price.
cancelled-closing = Cancelled as you asked. We give the machine back and settle the price.

ended-deadline = It stopped because its time was up.
ended-rental-ends = It stopped because its machine had to go back.
ended-budget-job = It stopped because it had cost us far more than planned.
ended-budget-day = It stopped because we had reached what we may spend in a day.

failed-closing = All points held for it go back to you at once.

## When it is over

done-title = { $slug } is ready
done-lead = Your model is trained and checked.
done-use = Put { $tag } into a prompt, together with the word { $trigger }.
done-next = Send /model { $slug } to see it again, or /train to make another one.
kept-title = { $slug }: stopped and kept
kept-lead = Your model is kept as it was at step { $step } of { $steps } and checked. It is marked as incomplete.
release-lead = Your model is now the checkpoint of step { $step } of { $steps }.
stopped-title = { $slug } was stopped
stopped-lead = It was stopped before there was a model to keep.
cancelled-title = { $slug } was cancelled
cancelled-lead = It was cancelled as you asked. No model was made.
failed-title = { $slug } could not be trained
release-stopped-title = { $slug }: step { $step } was not taken
release-cancelled-title = { $slug }: step { $step } was not taken
release-failed-title = { $slug }: step { $step } could not become the model

kept-offer = What it had learned by step { $step } is kept until { $until }. You can still have it, for { $price }.
button-take = Take step { $step } for { $price }

money-free = It costs you nothing.
money-back = You paid nothing: { $returned } are back on your balance.
money-paid = You paid { $charged }.
money-both = You paid { $charged }; { $returned } are back on your balance.

next-again = Send /train to start again.
next-user = Change it and send /train again.
next-operator = Nothing for you to repair. Please send /train again later.
next-host = Please send /train again: it will get other machines.
next-bug = The people who run this have been told. If you write to them, name this training: { $job }.
