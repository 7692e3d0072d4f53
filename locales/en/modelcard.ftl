# The model card at the hub. Markdown is allowed here: it is a document, not a chat message.
card-about = A LoRA for { $base }, trained on { $pictures ->
    [one] one picture
   *[other] { $pictures } pictures
} with trainstation.
card-incomplete = **Incomplete:** training was stopped at step { $step } of { $steps }. It may be weaker than a finished one.
card-trigger-title = Trigger word
card-trigger = Write `{ $trigger }` in your prompt to call it up.
card-use-title = Use it
card-comfy = In ComfyUI, put `{ $file }` into `models/loras` and load it with a LoraLoader. Start at strength 0.8.
card-training-title = Training
card-training = Base { $base }, { $pictures ->
    [one] one picture
   *[other] { $pictures } pictures
}, step { $step }, rank { $rank }, learning rate { $lr }, trained with ostris/ai-toolkit.
card-licence = The base model’s licence applies to this LoRA: { $licence }.
