"""The figures: medians of five, both sides of a comparison in the same run. `make bench [ONLY=name]`."""
