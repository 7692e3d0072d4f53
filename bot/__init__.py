"""Everything a person touches: chat platforms, the command line, and the place where all parts meet."""
