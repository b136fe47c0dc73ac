"""The names of files tell in which form a model was exported."""

import pytest

from edgenas.device.target import TARGETS
from edgenas.exporting.export_form import ExportForm
from edgenas.vocabulary import Precision, TargetName


@pytest.mark.parametrize(
    ("target", "precision", "batch", "suffix"),
    [
        ("tensorrt", "fp32", None, ""),
        ("tensorrt", "int8", None, ".int8"),
        ("tensorrt", "fp16", 8, ".b8.fp16"),
        ("openvino", "fp32", None, ".openvino"),
        ("tensorrt-8.2", "int8", 1, ".tensorrt-8.2.b1.int8"),
        ("litert", "fp32", 1, ".litert"),  # whose batch is always fixed
    ],
)
def test_only_what_a_search_would_not_have_written_is_in_the_name(
    target: TargetName, precision: Precision, batch: int | None, suffix: str
) -> None:
    form = ExportForm(TARGETS[target], precision, batch)
    assert form.suffix(TARGETS["tensorrt"], "fp32") == suffix


def test_what_was_searched_in_another_precision_keeps_its_name() -> None:
    usual = TARGETS["onnxruntime"]
    assert ExportForm(usual, "int8").suffix(usual, "int8") == ""
    assert ExportForm(usual, "fp32").suffix(usual, "int8") == ".fp32"
