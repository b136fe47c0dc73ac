"""Fixtures of a session."""

from fixtures.pipeline import candidates, final_models, interrupt, session, supernet

__all__ = ["candidates", "final_models", "interrupt", "session", "supernet"]
