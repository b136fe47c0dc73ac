"""The documents are read and held to their word: commands parse, links and anchors lead somewhere, examples run."""

import importlib.util
import re
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixtures.documents import ROOT, anchors, check_edgenas_command, code_blocks, commands

import edgenas
from edgenas.errors import InputError
from edgenas.plugins import GROUPS
from edgenas.settings.files import read_settings
from edgenas.settings.search import SearchSettings

PAGES = [f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md"))]
DOCUMENTS = [
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "SECURITY.md",
    "benchmarks/README.md",
    *PAGES,
    *(str(path.relative_to(ROOT)) for path in (ROOT / "examples").glob("*.md")),
]


def edgenas_commands(document: str) -> list[str]:
    return [line for line in commands(document) if line.startswith("edgenas ")]


SHOWN = [(document, line) for document in DOCUMENTS for line in edgenas_commands(document)]
EXAMPLES = code_blocks("README.md", "python")


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


def test_the_readme_shows_the_uses() -> None:
    shown = {line.split()[1] for line in edgenas_commands("README.md")}
    assert shown >= {"devices", "search", "profile", "validate", "export", "predict"}


@pytest.mark.parametrize("mark", ["run", "tests"])
def test_one_marked_line_sets_up_and_does_the_job(mark: str) -> None:
    found = re.search(rf"<!-- {mark} -->\n```sh\n(.*)\n```", (ROOT / "README.md").read_text())
    assert found is not None
    assert found[1].startswith("python3 -m venv .venv && .venv/bin/pip install -e ")


@pytest.mark.parametrize(("document", "line"), SHOWN)
def test_every_command_shown_exists_with_its_options(document: str, line: str) -> None:
    check_edgenas_command(line)


def test_a_command_with_a_value_that_cannot_be_is_found() -> None:
    with pytest.raises(InputError, match="has no unit"):
        check_edgenas_command("edgenas search --device jetson --max-latency 20")


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_leads_somewhere(document: str) -> None:
    path = ROOT / document
    for target, anchor in re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)", path.read_text()):
        if target.startswith("https://"):
            continue
        linked = (path.parent / target).resolve() if target else path
        assert linked.exists(), target
        if anchor:
            assert anchor in anchors(str(linked.relative_to(ROOT))), f"{target}#{anchor}"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_no_placeholder_is_left(document: str) -> None:
    text = (ROOT / document).read_text()
    assert [word for word in ("@@", "TABLE_HERE", "TODO", "FIXME") if word in text] == []


@pytest.mark.parametrize("document", PAGES)
def test_modules_named_in_prose_exist(document: str) -> None:
    """`edgenas.board.host` is a module or something in one; `edgenas/board/host.py` a file."""
    for name in re.findall(r"`(edgenas(?:\.\w+)+)[`(]", (ROOT / document).read_text()):
        if name in GROUPS:  # of entry points
            continue
        found: Any = edgenas
        module = "edgenas"
        for part in name.split(".")[1:]:
            module = f"{module}.{part}"
            is_module = isinstance(found, types.ModuleType) and found.__spec__ is not None
            if is_module and hasattr(found, "__path__") and importlib.util.find_spec(module):
                found = importlib.import_module(module)
            else:
                found = getattr(found, part)
    for path in re.findall(
        r"(?:edgenas|tests|benchmarks|examples)/[\w/]+\.py", (ROOT / document).read_text()
    ):
        assert (ROOT / path).is_file(), path


def test_the_python_examples_are_short_and_run(
    image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert len(EXAMPLES) == 2 and all(len(example.splitlines()) <= 10 for example in EXAMPLES)
    full = edgenas.search

    def small(**arguments: Any) -> Any:
        return full(**{**arguments, "evaluations": 4, "finalists": 1})

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(edgenas, "search", small)
    (tmp_path / "photos").symlink_to(image_folder, target_is_directory=True)
    for name, of in (("rose.jpg", "red"), ("tulip.jpg", "blue")):
        (tmp_path / name).symlink_to(sorted((image_folder / "test" / of).iterdir())[0])
    names: dict[str, Any] = {}
    first, second = EXAMPLES
    exec(compile(first, "README.md", "exec"), names)
    shown = capsys.readouterr().out
    assert "calibrated" in shown and "report.html" in shown
    if importlib.util.find_spec("pandas") is None:  # not needed by edgenas itself
        second = "\n".join(line for line in second.splitlines() if "needs pandas" not in line)
    exec(compile(second, "README.md", "exec"), names)
    assert re.fullmatch(r"\['\w+', '\w+'\]\n", capsys.readouterr().out)
    assert (tmp_path / "exports/photos" / f"{names['best'].id}.int8.onnx").is_file()


def test_the_device_file_of_the_docs_is_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (example,) = code_blocks("docs/devices.md", "toml")
    (tmp_path / "devices").mkdir()
    (tmp_path / "devices/my-board.toml").write_text(example)
    monkeypatch.chdir(tmp_path)
    (info,) = edgenas.devices("board").devices
    assert info.name == "my-board"


def test_the_settings_file_of_the_docs_is_valid_in_both_languages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (file,) = code_blocks("docs/settings.md", "toml")
    (example,) = code_blocks("docs/settings.md", "python")
    (tmp_path / "search.toml").write_text(file)
    monkeypatch.chdir(tmp_path)
    asked: list[SearchSettings] = []

    def search(**keywords: Any) -> Any:
        asked.append(SearchSettings(**keywords))
        return types.SimpleNamespace(settings=asked[0])

    monkeypatch.setattr(edgenas, "search", search)
    exec(compile(example, "docs/settings.md", "exec"), {})
    read = SearchSettings(**read_settings(tmp_path / "search.toml", SearchSettings))
    assert asked == [read]
    assert read.baselines and read.max_latency_ms == 5


def test_the_arrays_of_the_docs_are_searched_and_exported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hurried: None
) -> None:
    (example,) = code_blocks("docs/accuracy.md", "python")
    full = edgenas.search
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        edgenas, "search", lambda *args, **named: full(*args, **named, evaluations=3, finalists=1)
    )
    names: dict[str, Any] = {"edgenas": edgenas, "np": np}
    exec(compile(example, "docs/accuracy.md", "exec"), names)
    assert names["run"].data == "arrays" and list(tmp_path.glob("exports/pets/*.int8.onnx"))


def test_the_predictor_of_the_docs_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (example,) = code_blocks("docs/measuring.md", "python")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(compile(example, "docs/measuring.md", "exec"), names)
    assert "'estimated'" in capsys.readouterr().out
    assert all(each.grad is not None for each in names["uniform"])
    assert edgenas.predict("architecture.json", "cpu").latency_ms.predicted > 0


def test_the_layout_of_the_docs_builds_the_network_whose_weights_are_described(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (document,) = code_blocks("docs/pretrained.md", "json")
    (example,) = code_blocks("docs/pretrained.md", "python")
    (tmp_path / "weights.json").write_text(document)
    monkeypatch.chdir(tmp_path)
    exec(compile(example, "docs/pretrained.md", "exec"), {})
    assert "weight" in capsys.readouterr().out


def test_the_searcher_of_the_docs_searches(
    image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hurried: None
) -> None:
    (example,) = code_blocks("docs/searching.md", "python")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(compile(example, "docs/searching.md", "exec"), names)
    run = edgenas.search(
        "pi5", "20ms", str(image_folder), searcher=names["Shuffled"], evaluations=3, finalists=1, run="mine"
    )
    assert (run.searcher, run.evaluations) == ("shuffled", 3)
