"""What a board cannot do, and what to do about it."""

from __future__ import annotations

MAX_CHARACTERS = 300
"""Of a line from a tool, a library or a board."""


class BoardError(Exception):
    """What went wrong and how to fix it, in one line."""

    def __init__(self, problem: str, hint: str = "") -> None:
        self.problem = problem
        self.hint = hint
        super().__init__(f"{problem}; {hint}" if hint else problem)


def one_line(text: str, most: int = MAX_CHARACTERS) -> str:
    """Text from elsewhere as it may be shown on a terminal: printable, and of so many characters at most."""
    return printable(text[:most])


def shortened(text: str, most: int) -> str:
    """A text of so many characters at most; a longer one ends in dots."""
    return text if len(text) <= most else f"{text[: most - 3]}..."


def printable(text: str) -> str:
    """Text from elsewhere without commands for a terminal, in one line."""
    return "".join(each if each.isprintable() else " " if each.isspace() else "?" for each in text)


def first_line(error: BaseException) -> str:
    """First line of another library's error message; the error's type if it has no message."""
    return str(error).splitlines()[0] if str(error) else type(error).__name__
