"""One folder or file a chat platform: an ear and a mouth, found by `discover`."""
