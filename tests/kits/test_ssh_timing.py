"""Times of models on a board over SSH: of random networks for a validation, and of what a search exported."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import onnx
import pytest
from fixtures.boards import BOARD, Answering, add_board, fail_in, quick_kit
from fixtures.loopback import HOST, Loopback, loopback

import edgenas
from edgenas.device import find_device
from edgenas.errors import DeviceError
from edgenas.kits.kit_models import KitModels, ModelOfKit
from edgenas.kits.ssh import SshBoard
from edgenas.kits.ssh_timing import times_over_ssh
from edgenas.profiling.profile_plan import OVERHEAD
from edgenas.progress import silent
from edgenas.space.nasbench_macro import MacroLayout, NASBenchMacroSpace
from edgenas.space.onnx_graph import onnx_from_blocks, random_weights

__all__ = ["loopback", "quick_kit"]

SPACE: dict[str, Any] = {"space": "nasbench-macro", "resolution": 16, "classes": 2}


@pytest.fixture(autouse=True)
def _in_own_folder(
    tmp_path: Path, quick_kit: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    quick_kit(tmp_path)
    (tmp_path / "latency_models").mkdir()
    monkeypatch.setattr("edgenas.api.validate.BUDGET_S", 0.1)
    monkeypatch.setattr("edgenas.pipeline.final_measuring.HERE_S", 0.1)


def test_predictions_are_validated_on_the_board(loopback: Loopback) -> None:
    found = edgenas.validate(BOARD, 3, **SPACE, ssh=HOST, ssh_python=loopback.python)
    assert len(found.pairs) == 3 and all(pair.measured_ms > 0 for pair in found.pairs)
    assert found.file.is_file() and found.picture.is_file() and found.device == BOARD


def test_a_search_measures_its_models_on_the_board_of_the_device(
    loopback: Loopback, image_folder: Path, tmp_path: Path, hurried: None
) -> None:
    _give_host(tmp_path, HOST, loopback.python)
    result = edgenas.search(BOARD, "20min", str(image_folder), run="on-board", evaluations=4, finalists=2)
    assert result.front and not [note for note in result.notes if "not measured" in note]
    for model in (*result.front, *result.dropped):
        assert model.latency_ms.measured is not None and model.onnx is not None
        assert "typical of many runs on the device" in Path(model.onnx).with_suffix(".md").read_text()


def test_a_search_whose_board_is_away_says_so_and_keeps_its_models(
    image_folder: Path, tmp_path: Path, hurried: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    _give_host(tmp_path, "nobody.invalid", "python3")

    def unreachable(self: SshBoard, *_: object) -> None:
        raise DeviceError(f"{self.host} cannot be reached (no route)", "connect once by hand")

    monkeypatch.setattr(SshBoard, "measure", unreachable)
    result = edgenas.search(BOARD, "20min", str(image_folder), run="away", evaluations=2, finalists=1)
    assert all(model.onnx and model.latency_ms.measured is None for model in result.front)
    said = "latency was not measured: nobody.invalid cannot be reached (no route); connect once by hand"
    assert said in result.notes


def _give_host(folder: Path, host: str, python: str) -> None:
    path = folder / "devices" / f"{BOARD}.toml"
    access = f'[ssh]\nhost = "{host}"\npython = "{python}"\n'
    path.write_text(f"{path.read_text(encoding='utf-8')}\n{access}", encoding="utf-8")


def _models(maker: KitModels) -> Iterator[ModelOfKit]:
    space = NASBenchMacroSpace(MacroLayout(resolution=16, classes=2))
    yield maker.of_blocks("small", space.blocks(space.smallest))
    yield maker.of_blocks("large", space.blocks(space.largest))


def _times(change: Callable[[dict[str, Any]], None]) -> Any:
    Answering.change = change
    return times_over_ssh(Answering("board"), find_device(BOARD), _models, 0.1, silent)


def test_what_a_board_cannot_run_is_left_out_and_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        found = _times(lambda results: fail_in(results, "large"))
    assert set(found.measured.timings) == {OVERHEAD, "small"} and found.host == "a board"
    assert caplog.messages == ["board could not time large (no such operator)"]
    with pytest.raises(
        DeviceError, match=r"^board could time none of 2 models \(no such operator\); install another"
    ):
        _times(lambda results: fail_in(results, "small", "large"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda results: results["bursts"].pop("small"), "small is missing, or not among the plan's models"),
        (lambda results: results["bursts"].update(other=results["bursts"]["small"]), "other is missing"),
        (lambda results: results["plan"].update(batch=2), "board sent the results of another kit"),
        (lambda results: results.update(manifest_sha256="0" * 64), "board sent the results of another kit"),
        (lambda results: results.update(retaken=-1), r"board sent what cannot be used \(retaken"),
    ],
)
def test_results_of_anything_else_are_refused(change: Callable[[dict[str, Any]], None], message: str) -> None:
    with pytest.raises(DeviceError, match=message):
        _times(change)


def _operators(model: ModelOfKit) -> list[str]:
    return [node.op_type for node in onnx.load_from_string(model.content).graph.node]


def test_a_network_in_a_file_takes_as_long_as_its_blocks(tmp_path: Path) -> None:
    """The board gets the same model, whether it comes from blocks or from an exported file."""
    add_board(tmp_path)
    maker, space = KitModels(find_device(BOARD)), NASBenchMacroSpace(MacroLayout(resolution=16, classes=2))
    blocks = space.blocks(space.largest)
    path = tmp_path / "model.onnx"
    onnx.save(onnx_from_blocks(blocks, random_weights(1)), path)
    of_file, of_blocks = maker.of_file("a", path), maker.of_blocks("a", blocks)
    assert _operators(of_file) == _operators(of_blocks)
    assert of_file.weights_bytes == of_blocks.weights_bytes
    assert of_file.estimated_ms == pytest.approx(of_blocks.estimated_ms, rel=0.5)
    assert of_file.memory_bytes == pytest.approx(of_blocks.memory_bytes, rel=0.5)
