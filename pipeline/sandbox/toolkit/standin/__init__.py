"""What run.py does; every shape here was seen in a run of the real toolkit (facts/aitoolkit.md)."""
