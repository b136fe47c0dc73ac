"""Fixtures of rooms that time models."""

from fixtures.timing import device, fake, folders, make_table, small_space, space, table

__all__ = ["device", "fake", "folders", "make_table", "small_space", "space", "table"]
