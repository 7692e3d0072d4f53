"""The child's door: one task from stdin, one answer on stdout. Started by adapters/workshop.py only."""

import sys

sys.path.insert(0, sys.argv[1])  # -I knows no folder but the library's: where `pipeline` lies comes as an argument

from pipeline.adapters.workshop_child.serve import main

if __name__ == "__main__":
    sys.exit(main())
