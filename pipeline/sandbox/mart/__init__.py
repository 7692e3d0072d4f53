"""A GPU market on loopback that speaks Vast.ai's API and tells its lies (facts/vast.md)."""

from pipeline.sandbox.mart.market import Market

__all__ = ["Market"]
