"""`edgenas predict`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Answer = Callable[[list[str]], dict[str, Any]]
Text = Callable[[list[str]], str]


def test_predict(answer: Answer, text: Text, in_finished_run: Path, tmp_path: Path) -> None:
    front = json.loads((in_finished_run / "runs/done/front.json").read_text())["front"]
    path = tmp_path / "architecture.json"
    path.write_text(json.dumps(front[0]["architecture"]))
    found = answer(["predict", str(path), "--device", "pi5"])
    assert found["latency_ms"]["predicted"] == pytest.approx(front[0]["latency_ms"]["predicted"])
    assert found["provenance"] == "estimated"
    total = sum(layer["latency_ms"] for layer in found["layers"]) + found["constant_ms"]
    assert total == pytest.approx(found["latency_ms"]["predicted"])
    shown = text(["predict", str(path), "--device", "pi5"])
    assert "estimated" in shown and "mbconv/" in shown
