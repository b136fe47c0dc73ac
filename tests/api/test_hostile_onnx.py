"""Every command that takes an ONNX file refuses a hostile one in one line, or answers it; nothing elsewhere is read."""

import re
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from fixtures.hostile_onnx import ANSWERED, CASES, SECRET, chain, many_opsets, relu, wide
from PIL import Image

import edgenas
from edgenas.cli.main import run
from edgenas.errors import EdgenasError

Arguments = Callable[[Path, Path], list[str]]

COMMANDS: dict[str, Arguments] = {
    "predict": lambda path, good: ["predict", str(path), "--device", "pi5"],
    "bench": lambda path, good: ["bench", str(path), "--device", "cpu", "--runs", "100"],
    "bench --against": lambda path, good: ["bench", str(good), "--device", "cpu", "--against", str(path)],
    "run": lambda path, good: ["run", str(path), str(good.with_name("photo.png"))],
    "run --check": lambda path, good: ["run", str(path), "--check", str(good.parent)],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_bytes(SECRET)
    (tmp_path / "inside").mkdir()
    return tmp_path / "inside"


@pytest.fixture
def good(tmp_path: Path) -> Path:
    """A harmless model, beside a picture."""
    (tmp_path / "good").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "good" / "photo.png")
    path = tmp_path / "good" / "good.onnx"
    path.write_bytes(relu().SerializeToString())
    return path


@pytest.mark.timeout(60)
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("case", CASES)
def test_hostile_files(
    case: str, command: str, folder: Path, good: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = CASES[case].write(folder)
    message = CASES[case].answered.get(command.partition(" ")[0], CASES[case].message)
    code = run(COMMANDS[command](path, good))
    printed, shown = capfd.readouterr()
    assert "\x1b" not in printed + shown
    if message == ANSWERED:
        assert (code, shown) == (0, "")
        return
    *progress, error = shown.splitlines()
    assert re.search(message, error) and error.startswith("error: ") and "; " in error
    assert code == (3 if "ONNX Runtime" in error else 2)
    assert not [line for line in progress if not re.match(r"(loading models|timing)", line)]
    assert len(error) < 600


PREDICTED = [name for name, case in CASES.items() if case.answered.get("predict") == ANSWERED]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("case", PREDICTED)
def test_what_predict_answers_is_fixed_or_refused_in_one_line(
    case: str, folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path, out = CASES[case].write(folder), tmp_path / "fixed.onnx"
    code = run(["predict", str(path), "--device", "pi5", "--advise", "--fix", str(out)])
    printed, shown = capfd.readouterr()
    assert "\x1b" not in printed + shown
    assert out.exists() == (code == 0)
    if code:
        (error,) = [line for line in shown.splitlines() if not line.startswith("warning: ")]
        assert code in (2, 3) and error.startswith("error: ") and "; " in error and len(error) < 600


@pytest.mark.parametrize("case", CASES)
def test_python_raises_the_same(case: str, folder: Path) -> None:
    path = CASES[case].write(folder)
    with pytest.raises(EdgenasError) as caught:
        edgenas.bench(path, "cpu", runs=100)
    assert re.search(CASES[case].message, str(caught.value)) and "\n" not in str(caught.value)


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("made", "layers"),
    [(wide(8000), 8001), (chain(20_000), 1), (many_opsets(4000), 1)],
    ids=["wide", "deep", "many opsets"],
)
def test_large_graphs_take_time_in_proportion(made: onnx.ModelProto, layers: int, folder: Path) -> None:
    path = folder / "large.onnx"
    path.write_bytes(made.SerializeToString())
    found = edgenas.predict(path, "pi5")  # in a few seconds
    assert len(found.layers) == layers


def test_a_chain_that_is_too_deep_is_refused(folder: Path) -> None:
    path = folder / "deep.onnx"
    path.write_bytes(chain(100_000).SerializeToString())
    with pytest.raises(
        EdgenasError, match=r"graph: is too large \(100000 nodes .*; at most 50000 of 2 GiB\)"
    ):
        edgenas.predict(path, "pi5")
