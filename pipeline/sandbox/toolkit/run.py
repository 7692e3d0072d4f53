"""Stands in for ai-toolkit's run.py: same arguments, same words, same files, no GPU. Run it with this folder as cwd."""

import runpy

if __name__ == "__main__":
    runpy.run_module("standin", run_name="__main__")
