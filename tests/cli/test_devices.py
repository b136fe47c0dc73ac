"""`edgenas devices`."""

from collections.abc import Callable
from typing import Any

Answer = Callable[[list[str]], dict[str, Any]]
Text = Callable[[list[str]], str]


def test_devices(answer: Answer, text: Text) -> None:
    found = answer(["devices"])
    by_name = {device["name"]: device for device in found["devices"]}
    assert {"cpu", "cuda", "jetson-orin-nano", "jetson-nano", "raspberry-pi-4", "raspberry-pi-5"} <= set(
        by_name
    )
    assert "jetson" in by_name["jetson-orin-nano"]["aliases"]
    assert by_name["jetson-nano"]["provenance"] == "estimated"
    assert by_name["jetson-nano"]["tables"] == []
    shown = text(["devices", "jetson"])
    assert "jetson-orin-nano" in shown and "source:" in shown
