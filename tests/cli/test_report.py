"""`edgenas report`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

Answer = Callable[[list[str]], dict[str, Any]]
Text = Callable[[list[str]], str]


def test_report(answer: Answer, text: Text, in_finished_run: Path) -> None:
    found = answer(["report", "done"])
    assert Path(found["report"]).is_file() and Path(found["picture"]).is_file()
    assert "report.html" in text(["report", "done"])
