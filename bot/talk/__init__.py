"""The dialogue: a file per command, with what it hears (words to effects) and what it answers (values to a card)."""
