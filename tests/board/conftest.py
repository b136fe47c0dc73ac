"""Kits for the runner."""

from fixtures.kits import make_kit

__all__ = ["make_kit"]
