import pytest
import torch
from torch import Tensor

from edgenas.precision.arithmetic import EXACT, Int8Arithmetic
from edgenas.precision.scheme import SCHEMES

SCHEME_NAMES = tuple(SCHEMES)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_exact_leaves_everything_as_it_is() -> None:
    tensor = normal(4, 3, 2, 2)
    assert EXACT.weights(tensor) is tensor and EXACT.activations(tensor) is tensor


@pytest.mark.parametrize("scheme", SCHEME_NAMES)
def test_each_output_channel_has_a_scale_of_its_own(scheme: str) -> None:
    tensor = normal(6, 5, 3, 3) * torch.logspace(-3, 3, 6).view(-1, 1, 1, 1)
    rounded = Int8Arithmetic(SCHEMES[scheme]).weights(tensor)
    steps = 64 if SCHEMES[scheme].seven_bits else 127
    for channel, given in zip(rounded, tensor, strict=True):
        assert (channel - given).abs().max() <= 0.501 * given.abs().max() / steps
        assert len(channel.unique()) <= 2 * steps + 1


@pytest.mark.parametrize("scheme", SCHEME_NAMES)
@pytest.mark.parametrize("shift", [-3.0, 0.0, 3.0])
def test_activations_are_rounded_to_256_values_one_of_them_zero(scheme: str, shift: float) -> None:
    tensor = normal(4, 8, 6, 6) + shift
    tensor[0, 0, 0, 0] = 0
    rounded = Int8Arithmetic(SCHEMES[scheme]).activations(tensor)
    assert len(rounded.unique()) <= 256 and rounded[0, 0, 0, 0] == 0
    span = max(tensor.max().item(), 0.0) - min(tensor.min().item(), 0.0)
    widest = 2 * tensor.abs().max().item() if SCHEMES[scheme].symmetric else span
    assert (rounded - tensor).abs().max() <= 0.52 * widest / 254 + 1e-6


def test_symmetric_activations_lose_a_bit_of_what_is_never_negative() -> None:
    positive = normal(1000).abs()
    errors = [
        (Int8Arithmetic(SCHEMES[name]).activations(positive) - positive).abs().mean()
        for name in ("tensorrt", "x86-64-vnni")
    ]
    assert 1.7 < errors[0] / errors[1] < 2.3


@pytest.mark.parametrize("scheme", SCHEME_NAMES)
def test_what_an_activation_reads_is_rounded_unless_it_only_clips(scheme: str) -> None:
    arithmetic, tensor = Int8Arithmetic(SCHEMES[scheme]), normal(4, 8)
    for clipping in ("none", "relu", "relu6"):
        assert arithmetic.activations(tensor, clipping) is tensor
    for other in ("hswish", "hard-sigmoid"):
        assert torch.equal(arithmetic.activations(tensor, other), arithmetic.activations(tensor))
    assert not torch.equal(arithmetic.activations(tensor), tensor)


def test_gradients_pass_through_the_rounding() -> None:
    arithmetic = Int8Arithmetic(SCHEMES["arm64"])
    for rounded in (arithmetic.weights, arithmetic.activations):
        tensor = normal(4, 8).requires_grad_()
        rounded(tensor).sum().backward()
        assert tensor.grad is not None and (tensor.grad == 1).all()


@pytest.mark.parametrize("scheme", SCHEME_NAMES)
def test_zeros_stay_zero(scheme: str) -> None:
    arithmetic = Int8Arithmetic(SCHEMES[scheme])
    zeros = torch.zeros(3, 4)
    assert (arithmetic.weights(zeros) == 0).all() and (arithmetic.activations(zeros) == 0).all()
