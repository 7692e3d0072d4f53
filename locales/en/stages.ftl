# The stages of a training, in the order a person lives them. `stage-` completes "Step 6 of 11: ..."; `why-` explains
# a wait of more than a minute there; `phase-` says what is being done inside a stage.

stage-prepare = checking and packing your pictures
stage-choose = checking the checkpoint
stage-rent = finding a machine
stage-wait = waiting for the machine to start
stage-upload = sending your pictures
stage-fetch = loading the base model
stage-train = training
stage-collect = bringing your model home
stage-terminate = giving the machine back
stage-bill = settling the price
stage-publish = publishing
stage-register = listing your model
stage-done = done

end-done = done
end-stopped = stopped
end-cancelled = cancelled
end-failed = failed

why-prepare = Big sets take a moment to pack. Nothing costs anything yet.
why-rent = We are looking for a machine that fits the price you were quoted. Nothing costs anything until one starts.
why-wait = The machine is loading the training program, some 20 GB. On most machines that takes 5 to 15 minutes.
why-upload = Your pictures are on their way to the machine. They go on where they stopped if the line breaks.
why-fetch = The base model is large, and it loads at the machine's own speed. If it is too slow, we take another one.
why-train = The training program is busy with something it shows no numbers for, such as loading the model or painting samples. We keep watching it.
why-collect = The files are large; each one is checked on arrival.
why-terminate = We ask the market until it confirms that the machine is gone. You pay nothing for this wait.
why-bill = We are still settling the price. You will never pay more than the most you agreed to.
why-publish = The place we publish to is slow to answer. Your model is safe with us, and no machine is running.
why-register = Your model is safe with us; writing it into the list takes a moment longer.
why-done = Done.

phase-packing = Packing your pictures.
phase-checking = Checking everything that can be checked for free.
phase-booting = The machine is starting.
phase-connecting = The machine runs; we are knocking at its door.
phase-sending = Sending your pictures and the recipe.
phase-fetching = The machine is downloading the base model.
phase-loading = Loading the base model into the GPU.
phase-quantizing = Fitting the base model into the GPU's memory.
phase-caching = Preparing your pictures for training.
phase-baseline = Painting first samples, to compare with later.
phase-training = Learning from your pictures.
phase-saving = Saving a checkpoint.
phase-sampling = Painting samples.
phase-collecting = Copying the model and its samples home.
phase-proving = Checking that the model loads.
phase-salvaging = Saving what can be saved from the machine.
phase-returning = Making sure that the machine is gone.
phase-publishing = Uploading your model.
