from itertools import product

import numpy as np
import pytest
import torch
from torch import Tensor

from edgenas.searchers.controller import Controller

SIZES = np.array([2, 3, 1, 2])
EVERY = torch.tensor(list(product(*map(range, SIZES))))


def make_controller(seed: int = 0) -> Controller:
    return Controller(SIZES, 2, torch.Generator().manual_seed(seed))


def weights(count: int, first: float = 0.5) -> Tensor:
    return torch.tensor([[first, 1 - first]]).expand(count, -1)


def test_probabilities_of_all_architectures_sum_to_one() -> None:
    logs, _ = make_controller().log_probabilities(EVERY, weights(len(EVERY)))
    assert logs.exp().sum().item() == pytest.approx(1, abs=1e-5)


def test_at_first_all_architectures_are_nearly_alike() -> None:
    logs, _ = make_controller().log_probabilities(EVERY, weights(len(EVERY)))
    assert logs.exp().max() < 2 * logs.exp().min()


def test_a_choice_of_another_variable_is_impossible() -> None:
    logs = make_controller()(EVERY, weights(len(EVERY)))
    assert logs.shape == (len(EVERY), len(SIZES), SIZES.sum())
    assert ((logs.exp() > 0).sum((0, 2)) == torch.as_tensor(SIZES * len(EVERY))).all()


def test_entropy_at_first_is_nearly_that_of_uniform_choices() -> None:
    _, entropy = make_controller().log_probabilities(EVERY, weights(len(EVERY)))
    np.testing.assert_allclose(entropy.detach(), np.log(SIZES).sum(), rtol=0.02)


def test_samples_follow_the_probabilities() -> None:
    controller = make_controller()
    with torch.no_grad():
        for parameter in controller.parameters():
            parameter *= 10  # far from uniform
    count = 20_000
    drawn = controller.sample(weights(count), torch.Generator().manual_seed(1))
    shares = (drawn[:, None] == EVERY).all(2).float().mean(0)
    logs, _ = controller.log_probabilities(EVERY, weights(len(EVERY)))
    assert logs.exp().max() > 3 * logs.exp().min()
    np.testing.assert_allclose(shares, logs.exp().detach(), atol=0.02)


def test_one_policy_may_differ_by_weights() -> None:
    controller = make_controller()
    accurate, fast = EVERY[0], EVERY[-1]
    optimiser = torch.optim.Adam(controller.parameters(), 0.01)
    told = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    for _ in range(100):
        loss = -controller.log_probabilities(torch.stack([accurate, fast]), told)[0].sum()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    drawn = controller.sample(told, torch.Generator().manual_seed(0))
    assert drawn.tolist() == [accurate.tolist(), fast.tolist()]


def test_the_generator_decides_everything_and_the_shared_one_is_left_alone() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    drawn = [
        make_controller(seed).sample(weights(30), torch.Generator().manual_seed(seed)) for seed in (4, 4, 5)
    ]
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
