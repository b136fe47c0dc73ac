"""Networks of other libraries with random weights, and files as they publish them. Nothing is downloaded."""

import hashlib
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from edgenas.pretrained.source import DownloadedFile, PretrainedSource


def _randomise(model: nn.Module, seed: int) -> nn.Module:
    """Random batch norm statistics, scales, shifts and biases; in evaluation mode."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                assert module.running_mean is not None and module.running_var is not None
                module.running_mean.normal_(0, 0.3, generator=generator)
                module.running_var.uniform_(0.3, 3, generator=generator)
                module.weight.uniform_(0.5, 1.5, generator=generator)
                module.bias.normal_(0, 0.3, generator=generator)
            elif isinstance(module, nn.Linear):
                module.weight.normal_(0, 0.05, generator=generator)
                module.bias.normal_(0, 0.3, generator=generator)
    return model.eval()


@pytest.fixture
def randomise() -> Callable[[nn.Module, int], nn.Module]:
    """`randomise(model, seed)`."""
    return _randomise


def saved(value: object) -> bytes:
    """The bytes that `torch.save` writes."""
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


class Publisher:
    """Stands in for the network: gives files for downloads, and remembers which were asked for."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []

    def publish(self, source: PretrainedSource, tensors: dict[str, Tensor]) -> PretrainedSource:
        """The source as if these were its published tensors: their checksum is in the file's name."""
        content = saved(tensors)
        url = f"https://example.org/weights-{hashlib.sha256(content).hexdigest()[:8]}.pth"
        self.files[url] = content
        return replace(source, location=DownloadedFile(url))

    def download(self, url: str, path: str, digits: str, *, progress: bool) -> None:
        """As `torch.hub.download_url_to_file`."""
        assert not progress
        assert hashlib.sha256(self.files[url]).hexdigest().startswith(digits)
        self.asked.append(url)
        Path(path).write_bytes(self.files[url])


@pytest.fixture
def publisher(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Publisher:
    """Downloads come from it, into a folder of the test's own."""
    found = Publisher()
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr("torch.hub.download_url_to_file", found.download)
    return found
