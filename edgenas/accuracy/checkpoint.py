"""Training state on disk: weights, optimiser and epoch in one safetensors file, replaced atomically."""

import time
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.optim import Optimizer

from edgenas.errors import FileFormatError
from edgenas.formats import write_bytes


class Checkpoint:
    """Where a training run is kept, and how often it is written.

    Args:
        path: the file; made by the first `save`.
        interval_s: epochs that end sooner after the last write are not written (the last always is).
    """

    def __init__(self, path: Path, interval_s: float = 5.0) -> None:
        self.path = path
        self._interval_s = interval_s
        self._written_at = time.monotonic()

    def save(self, model: nn.Module, optimizer: Optimizer, epoch: int, last: bool) -> None:
        """Keep the state after `epoch` epochs."""
        if not last and time.monotonic() - self._written_at < self._interval_s:
            return
        tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
        for name, parameter in model.named_parameters():
            for key, value in optimizer.state.get(parameter, {}).items():
                tensors[f"optimizer.{name}.{key}"] = value
        contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        write_bytes(self.path, save(contiguous, {"epoch": str(epoch)}))
        self._written_at = time.monotonic()

    def restore(self, model: nn.Module, optimizer: Optimizer) -> int:
        """Load the state, in place; return how many epochs it holds, 0 when there is none.

        Raises:
            FileFormatError: the file is not a checkpoint of this model.
        """
        if not self.path.is_file():
            return 0
        try:
            with safe_open(self.path, framework="pt") as file:
                epoch = int(file.metadata()["epoch"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
            _restore_model(model, tensors)
        except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
            reason = str(error).splitlines()[0].rstrip(":")  # PyTorch goes on with a line for each weight
            raise FileFormatError(
                self.path,
                "",
                f"is no checkpoint of this search ({reason})",
                "delete it, or use another --run",
            ) from None
        for name, parameter in model.named_parameters():
            prefix = f"optimizer.{name}."
            found = {key.removeprefix(prefix): t for key, t in tensors.items() if key.startswith(prefix)}
            if found:
                optimizer.state[parameter] = {key: _like(t, parameter) for key, t in found.items()}
        return epoch


def _restore_model(model: nn.Module, tensors: dict[str, Tensor]) -> None:
    prefix = "model."
    model.load_state_dict(
        {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    )


def _like(tensor: Tensor, parameter: Tensor) -> Tensor:
    """Bring a moment to the parameter's device and memory layout; step counts stay where they are."""
    if tensor.shape != parameter.shape:
        return tensor
    return torch.empty_like(parameter).copy_(tensor)
