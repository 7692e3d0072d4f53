"""The work itself, through ports only. Read story.py first."""
