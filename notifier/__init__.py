"""What people are told. Knows the pipeline's news, no chat platform."""
