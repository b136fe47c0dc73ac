"""The runner is one file that an old Python understands, and so are the other programs that boards get."""

import ast
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import vermin

import edgenas.board
from edgenas.kits.runner_source import LOOK_MODULES, MODULES, runner_source

RECEIVER = Path(edgenas.board.__file__).with_name("receive.py").read_text(encoding="utf-8")


@pytest.mark.parametrize("source", [runner_source(), runner_source(LOOK_MODULES), RECEIVER])
def test_it_has_the_grammar_of_python_3_8(source: str) -> None:
    ast.parse(source, feature_version=(3, 8))


@pytest.mark.parametrize("source", [runner_source(), runner_source(LOOK_MODULES), RECEIVER])
def test_it_uses_nothing_that_python_3_8_lacks(source: str) -> None:
    least = vermin.visit(source).minimum_versions()
    assert least[1] <= (3, 8)


@pytest.mark.parametrize("source", [runner_source(), runner_source(LOOK_MODULES), RECEIVER])
def test_it_imports_nothing_of_edgenas(source: str) -> None:
    modules = [
        node.module or "" if isinstance(node, ast.ImportFrom) else node.names[0].name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert "json" in modules
    assert not [name for name in modules if name.startswith("edgenas")]


@pytest.mark.parametrize("modules", [MODULES, LOOK_MODULES])
def test_no_name_of_one_module_hides_that_of_another(modules: tuple[str, ...]) -> None:
    names = Counter(
        target.id if isinstance(target, ast.Name) else target.name
        for node in ast.parse(runner_source(modules)).body
        for target in (
            node.targets
            if isinstance(node, ast.Assign)
            else [node.target]
            if isinstance(node, ast.AnnAssign)
            else [node]
            if isinstance(node, ast.FunctionDef | ast.ClassDef)
            else []
        )
        if isinstance(target, ast.Name | ast.FunctionDef | ast.ClassDef)
    )
    assert [name for name, count in names.items() if count > 1] == []


def test_it_holds_every_module_of_the_room_in_an_order_that_works() -> None:
    folder = Path(edgenas.board.__file__).parent
    assert {path.stem for path in folder.glob("*.py")} - {"__init__", "receive"} == {*MODULES, *LOOK_MODULES}
    for number, name in enumerate(MODULES):
        tree = ast.parse((folder / f"{name}.py").read_text())
        ours = [
            node.module.rpartition(".")[2]
            for node in tree.body
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("edgenas.")
        ]
        assert set(ours) <= set(MODULES[:number])


def test_it_is_the_same_each_time() -> None:
    assert runner_source() == runner_source()


@pytest.mark.parametrize("beside", ["kit", "."])
def test_it_executes_no_module_beside_it_or_where_it_is_run(beside: str, tmp_path: Path) -> None:
    (tmp_path / "kit").mkdir()
    (tmp_path / "kit" / "run.py").write_text(runner_source())
    for name in ("json", "tempfile", "subprocess", "pathlib", "numpy"):
        (tmp_path / beside / f"{name}.py").write_text("raise SystemExit('executed')")
    done = subprocess.run(
        [sys.executable, "kit/run.py", "--help"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2 and done.stderr.startswith("Times the models of a kit")
