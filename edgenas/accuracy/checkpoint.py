"""Training state on disk: weights, optimiser and step in one safetensors file, replaced atomically."""

import time
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.optim import Optimizer

from edgenas.errors import FileFormatError, first_line
from edgenas.formats import write_bytes

WRITE_TIME_FACTOR = 20
"""Checkpoints are at least this many times their own writing time apart."""


class Checkpoint:
    """The file that stores a training's state, and when it is next due.

    Args:
        path: the file; created by the first `save`.
        interval_s: minimum time between writes; longer if writing is slow.
        check: called before each write; may raise to prevent it.
    """

    def __init__(self, path: Path, interval_s: float = 5.0, check: Callable[[], None] = lambda: None) -> None:
        self.path = path
        self._check = check
        self._interval_s = interval_s
        self._due_at = time.monotonic() + interval_s

    @property
    def due(self) -> bool:
        """Whether the next write is due."""
        return time.monotonic() >= self._due_at

    def save(self, model: nn.Module, optimizer: Optimizer, step: int, elapsed_s: float) -> None:
        """Write the state after `step` steps, which took `elapsed_s` seconds over all sessions."""
        self._check()
        start = time.monotonic()
        tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
        for name, parameter in model.named_parameters():
            for key, value in optimizer.state.get(parameter, {}).items():
                tensors[f"optimizer.{name}.{key}"] = value
        contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        write_bytes(self.path, save(contiguous, {"step": str(step), "elapsed_s": repr(elapsed_s)}))
        now = time.monotonic()
        self._due_at = now + max(
            self._interval_s, WRITE_TIME_FACTOR * (now - start) if self._interval_s else 0
        )

    def restore(self, model: nn.Module, optimizer: Optimizer) -> tuple[int, float]:
        """Load the state in place and return its steps and seconds; (0, 0.0) if there is no file.

        Raises:
            FileFormatError: the file is not a checkpoint of this model.
        """
        if not self.path.is_file():
            return 0, 0.0
        step, elapsed_s, tensors = self._read(model)
        fused = bool(optimizer.defaults.get("fused"))
        for name, parameter in model.named_parameters():
            prefix = f"optimizer.{name}."
            found = {key.removeprefix(prefix): t for key, t in tensors.items() if key.startswith(prefix)}
            if found:
                optimizer.state[parameter] = {key: _like(t, parameter, fused) for key, t in found.items()}
        return step, elapsed_s

    def restore_model(self, model: nn.Module) -> None:
        """Load only the weights, in place; the file must exist. Errors as `restore`."""
        self._read(model)

    def _read(self, model: nn.Module) -> tuple[int, float, dict[str, Tensor]]:
        """Load the weights in place; the steps, the seconds and all tensors."""
        try:
            with safe_open(self.path, framework="pt") as file:
                step, elapsed_s = int(file.metadata()["step"]), float(file.metadata()["elapsed_s"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
            _restore_model(model, tensors)
        except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
            reason = first_line(error).rstrip(":")  # PyTorch adds a line per weight
            raise FileFormatError(
                self.path,
                "",
                f"is not a checkpoint of this search ({reason})",
                "delete it, or use another --run",
            ) from None
        return step, elapsed_s, tensors


def _restore_model(model: nn.Module, tensors: dict[str, Tensor]) -> None:
    prefix = "model."
    model.load_state_dict(
        {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    )


def _like(tensor: Tensor, parameter: Tensor, fused: bool) -> Tensor:
    """Move optimiser state to its parameter's device and layout; step counts stay on the CPU unless fused."""
    if tensor.shape != parameter.shape:
        return tensor.to(parameter.device) if fused else tensor
    return torch.empty_like(parameter).copy_(tensor)
