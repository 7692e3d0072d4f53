"""Pure: how to configure a trainer, start it, and read what it says."""
