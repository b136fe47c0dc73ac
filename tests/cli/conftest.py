"""Running a command in this process and reading what it prints."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from edgenas.cli.main import run

Answer = Callable[[list[str]], dict[str, Any]]
Text = Callable[[list[str]], str]


@pytest.fixture
def answer(capsys: pytest.CaptureFixture[str]) -> Answer:
    """Run a command with --json and return its object."""

    def call(arguments: list[str]) -> dict[str, Any]:
        assert run([*arguments, "--json"]) == 0
        value = json.loads(capsys.readouterr().out)
        assert isinstance(value, dict)
        return value

    return call


@pytest.fixture
def text(capsys: pytest.CaptureFixture[str]) -> Text:
    """Run a command and return what it prints on stdout."""

    def call(arguments: list[str]) -> str:
        assert run(arguments) == 0
        return capsys.readouterr().out

    return call
