"""A Hugging Face hub on loopback: what the real huggingface_hub client and curl need to publish and to fetch."""

from pipeline.sandbox.hub.hub import Hub

__all__ = ["Hub"]
