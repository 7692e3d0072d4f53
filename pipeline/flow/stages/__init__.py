"""One file a stage. Each can be played twice; each touches only its Kit and raises Faults only."""
