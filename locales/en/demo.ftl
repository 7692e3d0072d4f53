# What the demo and the sandbox chat say beside the conversation.
demo-begin = This is a demo. No GPU is rented, nothing is paid, and nothing leaves this machine: market, computer, trainer and hub are simulated, thirty times faster than life. The program in front of them is the real one.
demo-end = What you saw was checked: the model’s file exists, its hash equals the published one, no machine is left, and the points add up. Model and samples stay in { $folder }; delete it when you like. Next: trainstation chat
demo-failed = Something in this demo was not true: { $what }. Please tell us.
chat-begin = This is a sandbox: no GPU is rented and nothing is paid. Try: /train mytrigger steps=30 { $file }
