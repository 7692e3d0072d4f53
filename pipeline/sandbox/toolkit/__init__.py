"""The stand-in for ostris/ai-toolkit: run as a program (`python run.py CONFIG.json`) from this folder or a copy."""
