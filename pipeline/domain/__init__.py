"""Pure values and decisions: the standard library only, no await, no clock, no dice."""
