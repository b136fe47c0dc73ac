"""The README is read and held to its word: commands parse, links lead somewhere, the example runs."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

import edgenas
from edgenas.cli.main import app

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "SECURITY.md",
    "examples/README.md",
    *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md"))),
]


def commands_shown() -> list[str]:
    """Every edgenas command line in a code block of the README."""
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    lines = "\n".join(blocks).replace("&&", "\n").splitlines()
    return [line.strip().removeprefix(".venv/bin/") for line in lines if "edgenas " in line]


def test_the_readme_shows_the_three_uses() -> None:
    assert {line.split()[1] for line in commands_shown()} >= {"search", "profile", "export"}


@pytest.mark.parametrize("line", commands_shown())
def test_every_command_shown_exists_with_its_options(line: str) -> None:
    _, name, *arguments = shlex.split(line)
    command: Any = typer.main.get_command(app)
    known = {option for parameter in command.commands[name].params for option in parameter.opts}
    assert {argument for argument in arguments if argument.startswith("--")} <= known


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_leads_somewhere(document: str) -> None:
    path = ROOT / document
    for target in re.findall(r"\]\(([^)#]+)\)", path.read_text()):
        if not target.startswith("https://"):
            assert (path.parent / target).exists(), target


@pytest.mark.parametrize("document", DOCUMENTS)
def test_no_placeholder_is_left(document: str) -> None:
    text = (ROOT / document).read_text()
    assert [word for word in ("@@", "TABLE_HERE", "TODO", "FIXME") if word in text] == []


def test_the_python_example_is_short_and_runs(
    image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert len(example.splitlines()) <= 10
    full = edgenas.search

    def small(**arguments: Any) -> Any:
        return full(**{**arguments, "data": str(image_folder), "evaluations": 4, "finalists": 1})

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(edgenas, "search", small)
    exec(compile(example, "README.md", "exec"), {})
    shown = capsys.readouterr().out
    assert "calibrated" in shown and "report.html" in shown


def test_the_device_file_of_the_docs_is_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", (ROOT / "docs/devices.md").read_text(), re.DOTALL)
    (tmp_path / "devices").mkdir()
    (tmp_path / "devices/my-board.toml").write_text(example)
    monkeypatch.chdir(tmp_path)
    (info,) = edgenas.devices("board").devices
    assert info.name == "my-board"
