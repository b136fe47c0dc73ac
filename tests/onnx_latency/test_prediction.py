"""The latency of a file is that which `edgenas predict` gives."""

from pathlib import Path

import pytest

import edgenas
from edgenas.device import find_device
from edgenas.onnx_latency.prediction import latency_of_onnx
from edgenas.space import mbconv
from edgenas.space.onnx_graph import onnx_from_blocks, random_weights


@pytest.mark.parametrize("device", ["raspberry-pi-5", "jetson"])
def test_a_serialised_model_has_the_latency_of_its_file(device: str, tmp_path: Path) -> None:
    space = mbconv(32, 3)
    content = onnx_from_blocks(space.blocks(space.smallest), random_weights(0)).SerializeToString()
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    assert latency_of_onnx(content, find_device(device)) == edgenas.predict(str(path), device).latency_ms
