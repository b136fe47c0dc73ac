"""`edgenas doctor`."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from edgenas.cli.main import run

Answer = Callable[[list[str]], dict[str, Any]]
Text = Callable[[list[str]], str]


def test_doctor(capsys: pytest.CaptureFixture[str]) -> None:
    code = run(["doctor", "--device", "cpu", "--json"])
    checks = json.loads(capsys.readouterr().out)["checks"]
    assert code == (0 if all(check["ok"] for check in checks) else 1)
    assert all({"name", "ok", "detail", "mend"} <= set(check) for check in checks)
    assert all(check["ok"] or check["mend"] for check in checks)
    run(["doctor"])
    assert "processor" in capsys.readouterr().out
