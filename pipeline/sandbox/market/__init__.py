"""The sandbox's GPU market: the wire protocol of Vast.ai on loopback (facts/vast.md)."""

from pipeline.sandbox.market.app import Market

__all__ = ["Market"]
