"""Fixtures of a session."""

from fixtures.pipeline import candidates, contenders, interrupt, session, supernet

__all__ = ["candidates", "contenders", "interrupt", "session", "supernet"]
