"""Text from elsewhere in Markdown: it is shown as it is, and does nothing."""

import re

from edgenas.board.problem import printable

_MEANINGFUL = re.compile(r"[\\`*\[\]<>|&~#]")


def code(text: str) -> str:
    """Text as code within a line, its backticks replaced by the quotes that look most like them."""
    return "`" + printable(text).replace("`", "'") + "`"


def plain(text: str) -> str:
    """Text in a paragraph or a cell of a table."""
    return _MEANINGFUL.sub(r"\\\g<0>", printable(text))
