"""The expected latency: the average over all encodings, and its gradient."""

import itertools
import re
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from edgenas.device import Device
from edgenas.errors import InputError
from edgenas.latency.expectation import expected_latency_ms
from edgenas.latency.predictor import LatencyPredictor, predictor_from_device, predictor_from_table
from edgenas.profiling.block_profiling import profile
from edgenas.space import SearchSpace


@pytest.fixture(params=["estimated", "measured"])
def predictor(
    request: pytest.FixtureRequest, small_space: SearchSpace, device: Device, fake: type
) -> LatencyPredictor:
    if request.param == "estimated":
        return predictor_from_device(small_space, device)
    return predictor_from_table(small_space, device, profile(small_space, device, fake()).table)


def _sizes(predictor: LatencyPredictor) -> list[int]:
    return [len(names) for names in predictor.space.variables]


def _random(sizes: Sequence[int], seed: int, shape: tuple[int, ...] = ()) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = [torch.randn(*shape, n, generator=generator, dtype=torch.float64) for n in sizes]
    return [(2 * each).softmax(-1) for each in logits]


def _enumerated(predictor: LatencyPredictor, probabilities: Sequence[Tensor]) -> float:
    """Every encoding, decoded and so made canonical, weighed by how likely it is."""
    total = 0.0
    for vector in itertools.product(*(range(n) for n in _sizes(predictor))):
        weight = np.prod([float(each[i]) for each, i in zip(probabilities, vector, strict=True)])
        total += weight * predictor.predict(predictor.space.decode(vector)).predicted
    return total


@pytest.mark.parametrize("seed", range(3))
def test_it_is_the_average_over_all_encodings(predictor: LatencyPredictor, seed: int) -> None:
    probabilities = _random(_sizes(predictor), seed)
    found = expected_latency_ms(predictor, probabilities)
    assert found.shape == ()
    assert float(found) == pytest.approx(_enumerated(predictor, probabilities), rel=1e-9)


def test_certainty_gives_the_prediction(predictor: LatencyPredictor) -> None:
    space = predictor.space
    for architecture in (predictor.fastest(), predictor.slowest(), space.sample(np.random.default_rng(0))):
        certain = [
            torch.nn.functional.one_hot(torch.tensor(int(choice)), n).double()
            for choice, n in zip(space.encode(architecture), _sizes(predictor), strict=True)
        ]
        expected = predictor.predict(architecture).predicted
        assert float(expected_latency_ms(predictor, certain)) == pytest.approx(expected, rel=1e-12)


def test_the_gradient_is_exact(predictor: LatencyPredictor) -> None:
    logits = [torch.randn(n, dtype=torch.float64, requires_grad=True) for n in _sizes(predictor)]
    assert torch.autograd.gradcheck(
        lambda *each: expected_latency_ms(predictor, [logit.softmax(-1) for logit in each]), logits
    )


def test_the_gradient_is_what_each_choice_costs(predictor: LatencyPredictor) -> None:
    probabilities = [each.requires_grad_() for each in _random(_sizes(predictor), 0)]
    expected_latency_ms(predictor, probabilities).backward()
    for each, costs in zip(probabilities, predictor.choice_ms, strict=True):
        assert each.grad is not None
        assert each.grad.tolist() == pytest.approx(costs.tolist())


@pytest.mark.parametrize("shape", [(1,), (4,), (2, 3), (0,)])
def test_batches_give_one_latency_a_row(predictor: LatencyPredictor, shape: tuple[int, ...]) -> None:
    probabilities = _random(_sizes(predictor), 1, shape)
    together = expected_latency_ms(predictor, probabilities)
    assert together.shape == shape
    for index in np.ndindex(*shape):
        alone = expected_latency_ms(predictor, [each[index] for each in probabilities])
        assert float(together[index]) == pytest.approx(float(alone), rel=1e-12)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_the_dtype_is_kept(predictor: LatencyPredictor, dtype: torch.dtype) -> None:
    probabilities = _random(_sizes(predictor), 2, (3,))
    found = expected_latency_ms(predictor, [each.to(dtype) for each in probabilities])
    assert found.dtype == dtype
    exact = expected_latency_ms(predictor, probabilities)
    assert found.double().tolist() == pytest.approx(exact.tolist(), rel=20 * torch.finfo(dtype).eps)


@pytest.mark.parametrize("given", [[], [4, 5, 5], [4, 5, 5, 4, 4], [4, 5, 4, 4], [5, 5, 5, 4]], ids=str)
def test_wrong_sizes_are_refused(predictor: LatencyPredictor, given: list[int]) -> None:
    text = f"probabilities of {given} choices for variables that have [4, 5, 5, 4]; give one per choice"
    with pytest.raises(InputError, match=f"^{re.escape(text)}$"):
        expected_latency_ms(predictor, [torch.full((n,), 1 / n) for n in given])


def test_descent_arrives_at_the_fastest(predictor: LatencyPredictor) -> None:
    torch.manual_seed(0)
    logits = [torch.zeros(n, requires_grad=True) for n in _sizes(predictor)]
    optimiser = torch.optim.Adam(logits, lr=0.5)
    seen = []
    for _ in range(60):
        optimiser.zero_grad()
        loss = expected_latency_ms(predictor, [each.softmax(-1) for each in logits])
        seen.append(loss.item())
        (loss / seen[0]).backward()
        optimiser.step()
    assert seen[::10] == sorted(seen[::10], reverse=True)
    fastest = predictor.predict(predictor.fastest()).predicted
    assert fastest <= seen[-1] * (1 + 1e-6) and seen[-1] < fastest + 0.02 * (seen[0] - fastest)
    likeliest = predictor.space.decode([int(each.argmax()) for each in logits])
    assert predictor.predict(likeliest).predicted == pytest.approx(fastest)
