"""Files with something that costs needlessly, looked at for a device."""

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from fixtures.timing import folders

from edgenas.advice import gains, simplifying
from edgenas.advice.advising import Advised, advised
from edgenas.device import find_device
from edgenas.onnx_latency.onnx_reading import precision_of, shapes_of_call
from edgenas.onnx_latency.prediction import predicted_onnx

Advise = Callable[..., Advised]

__all__ = ["folders"]


@pytest.fixture
def advise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Advise:
    """`advise(model, device, simplify, measure, ...)`: what is found in it. Simplifying takes a process of its own."""

    def call(
        model: onnx.ModelProto,
        device: str = "raspberry-pi-5",
        simplify: bool = False,
        measure: bool = False,
        **options: object,
    ) -> Advised:
        if not measure:
            monkeypatch.setattr(gains.Gains, "measure", lambda *arguments: None)
        if not simplify:
            monkeypatch.setattr(simplifying, "simplified", lambda model: model)
        path = tmp_path / "model.onnx"
        path.write_bytes(model.SerializeToString())
        precision = precision_of(model)
        found = find_device(device, precision=None if precision == "fp32" else precision, batch=1)
        shapes = shapes_of_call(path, 1, {})
        prediction = predicted_onnx(path, found, shapes)
        return advised(path, found, shapes, prediction, **options)  # type: ignore[arg-type]

    return call
