"""Kits, and what they measured."""

from fixtures.boards import measured_kit, quick_kit

__all__ = ["measured_kit", "quick_kit"]
