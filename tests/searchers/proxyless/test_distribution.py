from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import chi2
from torch import Tensor

from edgenas.device import Device
from edgenas.latency.predictor import LatencyPredictor, predictor_from_device
from edgenas.searchers.proxyless.distribution import Distribution
from edgenas.space import SearchSpace, mbconv, nasbench_macro

Make = Callable[..., Distribution]


@pytest.fixture(scope="module", params=["digits", "macro"])
def other_predictor(request: pytest.FixtureRequest, board: Device) -> LatencyPredictor:
    """Of a space with more layers: one with skips in every stage, one whose first identities are projections."""
    return predictor_from_device(mbconv(16, 10) if request.param == "digits" else nasbench_macro(), board)


def is_skip(distribution: Distribution) -> Tensor:
    """Shape (variables, P)."""
    found = torch.zeros_like(distribution.shared, dtype=torch.bool)
    for row, blocks in zip(found, distribution.predictor.space.candidates, strict=True):
        row[: len(blocks)] = torch.tensor([block is None for block in blocks])
    return found


def is_slowest(distribution: Distribution) -> Tensor:
    """Shape (variables, P)."""
    found = torch.zeros_like(distribution.shared, dtype=torch.bool)
    for row, costs in zip(found, distribution.predictor.choice_ms, strict=True):
        row[int(costs.argmax())] = True
    return found


# What it is.


def test_probabilities_sum_to_one_and_what_pads_has_none(make_distribution: Make) -> None:
    distribution = make_distribution(spread=3)
    distribution.multipliers.copy_(torch.tensor([50.0, 0.0, -50.0]))
    probabilities = distribution.logits().softmax(-1)
    assert probabilities.shape == (3, 4, 5)
    torch.testing.assert_close(probabilities.sum(-1), torch.ones(3, 4, dtype=torch.float64))
    for i, names in enumerate(distribution.predictor.space.variables):
        assert (probabilities[:, i, len(names) :] == 0).all()
        assert (probabilities[:, i, : len(names)] > 0).all()


def test_it_starts_uniform_for_every_target(make_distribution: Make) -> None:
    distribution = make_distribution()
    for rows in distribution.split(distribution.logits().softmax(-1)):
        torch.testing.assert_close(rows, torch.full_like(rows, 1 / rows.shape[-1]))


@given(targets=st.integers(1, 16), share=st.floats(0, 2))
def test_targets_are_even_steps_from_the_fastest_network_to_the_limit_or_the_slowest(
    make_distribution: Make, predictor: LatencyPredictor, targets: int, share: float
) -> None:
    fastest_ms, slowest_ms = (
        predictor.predict(end).predicted for end in (predictor.fastest(), predictor.slowest())
    )
    distribution = make_distribution(targets, share)
    top_ms = min(slowest_ms, fastest_ms + share * (slowest_ms - fastest_ms))
    expected = np.linspace(fastest_ms, top_ms, targets + 1)[1:]
    np.testing.assert_allclose(distribution.targets_ms.numpy(), expected, rtol=1e-12)
    assert distribution.range_ms == pytest.approx(slowest_ms - fastest_ms)


def test_a_price_of_latency_moves_a_target_to_cheaper_choices_and_no_other_target(
    make_distribution: Make,
) -> None:
    distribution = make_distribution(spread=1)
    before = distribution.expected_ms(distribution.logits())
    distribution.multipliers[1] = 5
    after = distribution.expected_ms(distribution.logits())
    assert after[1] < before[1]
    assert torch.equal(after[[0, 2]], before[[0, 2]])


def test_a_multiplier_is_a_price_in_nats_of_the_whole_range(make_distribution: Make) -> None:
    distribution = make_distribution()
    distribution.multipliers[0] = 7
    logits = distribution.split(distribution.logits()[0])
    for row, costs in zip(logits, distribution.predictor.choice_ms, strict=True):
        np.testing.assert_allclose(row.numpy(), -7 * costs / distribution.range_ms)


def test_everything_that_learning_goes_on_with_is_kept_in_the_state(make_distribution: Make) -> None:
    def learn(distribution: Distribution, steps: int) -> None:
        for step in range(steps):
            generator = torch.Generator().manual_seed(step)
            gradient = torch.randn(distribution.shared.shape, dtype=torch.float64, generator=generator)
            distribution.descend(step % 3, gradient, 0.1)
            distribution.learn_multipliers()

    one, other = make_distribution(), make_distribution(spread=1, seed=3)
    learn(one, 7)
    other.load_state_dict(one.state_dict())
    for distribution in (one, other):
        learn(distribution, 5)
    for key, tensor in one.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[key]), key
    assert not list(one.parameters()), "an optimiser of weights would move them"


# Drawing.


def test_draws_follow_the_probabilities_and_variables_are_independent(make_distribution: Make) -> None:
    distribution, rng, draws = make_distribution(spread=1.5), np.random.default_rng(0), 6000
    found = np.array([distribution.drawn(1, rng) for _ in range(draws)])
    shares = [row.numpy() for row in distribution.split(distribution.logits()[1].softmax(-1))]
    for i in range(len(shares)):
        for j in range(i):
            expected = draws * np.outer(shares[i], shares[j])
            seen = np.zeros_like(expected)
            np.add.at(seen, (found[:, i], found[:, j]), 1)
            statistic = ((seen - expected) ** 2 / expected).sum()
            assert statistic < chi2.ppf(0.9999, expected.size - 1), (i, j)


@given(seed=st.integers(0, 2**32), spread=st.sampled_from([0, 1, 30, 1000]))
def test_nothing_that_pads_is_ever_drawn(make_distribution: Make, seed: int, spread: float) -> None:
    distribution = make_distribution(spread=spread, seed=seed % 100)
    vector = distribution.drawn(0, np.random.default_rng(seed))
    assert vector.shape == (4,)
    assert (vector >= 0).all() and (vector < np.array([4, 5, 4, 5])).all()


class Fixed:
    """Stands for a generator, and gives one number only."""

    def __init__(self, value: float) -> None:
        self.value = value

    def random(self, shape: tuple[int, ...]) -> NDArray[np.float64]:
        return np.full(shape, self.value)


@pytest.mark.parametrize("value", [0.0, np.nextafter(1, 0)], ids=["least", "greatest"])
def test_the_ends_of_the_generators_range_draw_choices_that_exist(
    make_distribution: Make, value: float
) -> None:
    for spread in (0, 1, 3):
        distribution = make_distribution(spread=spread)
        vector = distribution.drawn(2, Fixed(value))  # type: ignore[arg-type]
        last = np.array([3, 4, 3, 4])
        np.testing.assert_array_equal(vector, last if value else 0 * last)


@pytest.mark.parametrize("value", [0.0, 0.5, np.nextafter(1, 0)])
def test_what_is_certain_is_drawn_at_any_number(make_distribution: Make, value: float) -> None:
    distribution = make_distribution()
    distribution.shared[:, 2] = 1000
    assert distribution.drawn(0, Fixed(value)).tolist() == [2, 2, 2, 2]  # type: ignore[arg-type]


def test_the_generator_alone_decides_what_is_drawn(make_distribution: Make) -> None:
    def drawn(seed: int, state: int) -> list[list[int]]:
        np.random.seed(state)
        torch.manual_seed(state)
        rng = np.random.default_rng(seed)
        distribution = make_distribution(spread=1)
        return [distribution.drawn(0, rng).tolist() for _ in range(20)]

    assert drawn(0, 1) == drawn(0, 2) != drawn(1, 1)


# Expected latency.


def test_expected_latency_is_the_mean_over_all_networks(
    make_distribution: Make, every_vector: Callable[[SearchSpace], NDArray[np.int64]]
) -> None:
    distribution = make_distribution(spread=2)
    distribution.multipliers.copy_(torch.tensor([3.0, 0.0, -3.0]))
    space = distribution.predictor.space
    vectors = every_vector(space)
    assert len(vectors) == 400
    latencies = distribution.predictor.predict_encoded(space.canonical_vectors(vectors))
    shares = distribution.logits().softmax(-1).numpy()
    expected = [row[np.arange(4), vectors].prod(1) @ latencies for row in shares]
    np.testing.assert_allclose(distribution.expected_ms(distribution.logits()).numpy(), expected)


@pytest.mark.parametrize("skip_logit", [0.0, 4.0, 12.0])
def test_expected_latency_has_exact_gradients_by_all_logits(
    make_distribution: Make, skip_logit: float
) -> None:
    distribution = make_distribution(spread=1)
    distribution.shared[is_skip(distribution)] += skip_logit
    logits = distribution.logits()[0]
    valid = logits.isfinite()

    def expected_ms(free: Tensor) -> Tensor:
        return distribution.expected_ms(torch.full_like(logits, -torch.inf).masked_scatter(valid, free))

    assert torch.autograd.gradcheck(expected_ms, logits[valid].requires_grad_(), atol=1e-9)


@pytest.mark.parametrize("skip_logit", [5.0, 12.0, 25.0])
def test_the_latency_gradient_does_not_vanish_where_skip_is_all_but_certain(
    make_distribution: Make, skip_logit: float
) -> None:
    """Each choice is moved by its probability and what it costs above the mean: raising it costs latency still."""
    distribution = make_distribution()
    skips = is_skip(distribution)
    distribution.shared[skips] = skip_logit
    logits = distribution.logits()[0].requires_grad_()
    (gradient,) = torch.autograd.grad(distribution.expected_ms(logits), logits)
    for i, costs in enumerate(distribution.predictor.choice_ms):
        if not skips[i].any():
            continue
        share = logits[i].softmax(0).detach().numpy()[: len(costs)]
        np.testing.assert_allclose(gradient[i, : len(costs)], share * (costs - share @ costs), rtol=1e-6)
        blocks = gradient[i, : len(costs)][~skips[i, : len(costs)]]
        assert (blocks > 0).all() and gradient[i][skips[i]] < 0


def test_likeliest_latency_is_that_of_the_most_likely_choices(make_distribution: Make) -> None:
    distribution = make_distribution(spread=2)
    space = distribution.predictor.space
    for logits, found_ms in zip(
        distribution.logits(), distribution.likeliest_ms(distribution.logits()), strict=True
    ):
        chosen = space.decode([int(row.argmax()) for row in distribution.split(logits)])
        assert float(found_ms) == pytest.approx(distribution.predictor.predict(chosen).predicted)


# The multiplier.


def missed(distribution: Distribution) -> Tensor:
    """How far the half expected, half most likely latency is from each target, in shares of the range."""
    latency_ms = (
        distribution.expected_ms(distribution.logits()) + distribution.likeliest_ms(distribution.logits())
    ) / 2
    return (latency_ms - distribution.targets_ms) / distribution.range_ms


def settle(distribution: Distribution, steps: int = 500, kept: int = 150) -> tuple[Tensor, Tensor]:
    """Learn multipliers; what is missed in the mean over the last steps, and how far expectations are off then.

    In the mean, for where no network is right the most likely one jumps to and fro around the target.
    """
    misses, expected = [], []
    for step in range(steps):
        distribution.learn_multipliers()
        if step >= steps - kept:
            misses.append(missed(distribution))
            expected.append(distribution.expected_ms(distribution.logits()))
    off = (torch.stack(expected).mean(0) - distribution.targets_ms) / distribution.range_ms
    return torch.stack(misses).mean(0), off


@pytest.mark.parametrize("start", [0.0, 100.0, -100.0])
@pytest.mark.parametrize("seed", [0, 1])
def test_multipliers_meet_every_target_from_both_sides(
    make_distribution: Make, start: float, seed: int
) -> None:
    distribution = make_distribution(8, share=0.95, spread=1, seed=seed)
    distribution.multipliers.fill_(start)
    if start:  # far on one side
        assert (missed(distribution)[:-1] * start < 0).all()
    misses, off = settle(distribution)
    assert misses.abs().max() < 0.01
    assert off.abs().max() < 0.3


def test_multipliers_meet_targets_of_larger_spaces(
    make_distribution: Make, other_predictor: LatencyPredictor
) -> None:
    for seed in range(2):
        distribution = make_distribution(8, share=0.95, spread=2, seed=seed, of=other_predictor)
        misses, off = settle(distribution)
        assert misses.abs().max() < 0.01
        assert off.abs().max() < 0.2


@pytest.mark.parametrize("favoured", [is_skip, is_slowest], ids=["skip", "largest"])
@pytest.mark.parametrize("margin", [5.0, 20.0])
def test_however_skips_or_the_largest_blocks_are_favoured_targets_are_met(
    make_distribution: Make,
    other_predictor: LatencyPredictor,
    favoured: Callable[[Distribution], Tensor],
    margin: float,
) -> None:
    distribution = make_distribution(5, share=0.95, of=other_predictor)
    distribution.shared[favoured(distribution)] = margin
    misses, _ = settle(distribution)
    assert misses.abs().max() < 0.02
    assert (distribution.skips().diff() < 0.01).all(), "more time, fewer skips"
    assert distribution.skips()[-1] < 0.3


@pytest.mark.parametrize("favoured", [is_skip, is_slowest], ids=["skip", "largest"])
def test_a_pull_that_never_ends_neither_collapses_a_target_nor_blows_it_up(
    make_distribution: Make, favoured: Callable[[Distribution], Tensor]
) -> None:
    """As where losses favour skips in every single step: the price grows as fast as what it works against."""
    distribution = make_distribution(4, share=0.95)
    towards = favoured(distribution)
    gradient = torch.where(towards, -1.0, 0.25).double() * distribution.logits()[0].isfinite()
    misses = []
    for step in range(400):
        distribution.descend(step % 4, gradient, 0.1)
        distribution.learn_multipliers()
        misses.append(missed(distribution))
    assert torch.stack(misses[100:]).mean(0).abs().max() < 0.12
    assert distribution.logits()[distribution.logits().isfinite()].abs().max() > 50, "the test could not fail"


@pytest.mark.parametrize("targets", [1, 3])
def test_a_limit_above_the_slowest_network_costs_nothing(make_distribution: Make, targets: int) -> None:
    distribution = make_distribution(targets, share=3.0, spread=2)
    learnt = distribution.shared.clone()
    misses, _ = settle(distribution)
    assert misses[:-1].abs().max() < 0.02 if targets > 1 else True
    assert misses[-1] < 0, "the test could not fail"
    assert distribution.multipliers[-1] == 0
    assert distribution.missed() < 0.05
    torch.testing.assert_close(distribution.shared, learnt)


@pytest.mark.parametrize("targets", [1, 3])
def test_a_limit_at_the_fastest_network_is_met_by_it(
    make_distribution: Make, predictor: LatencyPredictor, targets: int
) -> None:
    distribution = make_distribution(targets, share=0.0, spread=1)
    fastest_ms = predictor.predict(predictor.fastest()).predicted
    misses, _ = settle(distribution)
    assert misses.abs().max() < 0.05
    np.testing.assert_allclose(distribution.likeliest_ms(distribution.logits()).numpy(), fastest_ms)
    assert distribution.multipliers.isfinite().all()
    for target_ms in (fastest_ms, 2 * fastest_ms):
        for row in distribution.log_probabilities(target_ms):
            assert np.isfinite(row).all()


def test_a_space_whose_networks_all_take_as_long_does_no_harm(board: Device) -> None:
    space = mbconv(16, 10)
    flat = predictor_from_device(space, board)
    flat.choice_ms = tuple(np.zeros(len(names)) for names in space.variables)
    distribution = Distribution(flat, 2 * flat.fixed_ms, 3)
    settle(distribution, 20, 5)
    np.testing.assert_allclose(distribution.targets_ms.numpy(), flat.fixed_ms)
    assert torch.equal(distribution.multipliers, torch.zeros(3, dtype=torch.float64))


# Steps.


def gradients(distribution: Distribution, steps: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    valid = distribution.logits()[0].isfinite()
    shape = distribution.shared.shape
    return [torch.randn(shape, dtype=torch.float64, generator=generator) * valid for _ in range(steps)]


def test_a_choice_that_is_compared_for_the_first_time_after_many_steps_moves_by_the_rate(
    make_distribution: Make,
) -> None:
    distribution = make_distribution(2)
    assert not distribution.learnt
    gradient = torch.zeros_like(distribution.shared)
    for _ in range(1000):
        gradient[0, :2] = torch.tensor([0.1, -0.1])
        distribution.descend(0, gradient, 0.01)
    late = torch.zeros_like(gradient)
    late[1, 0] = 0.3
    distribution.descend(0, late, 0.01)
    assert distribution.learnt
    assert float(distribution.shared[1, 0]) == pytest.approx(-0.01)
    assert float(distribution.own[0, 1, 0]) == pytest.approx(-0.01)
    assert not distribution.own[1].any()


def test_steps_are_those_of_adam_without_momentum_for_what_is_shared_and_what_is_own(
    make_distribution: Make,
) -> None:
    distribution = make_distribution(2, spread=1)
    tensors = [distribution.shared, *distribution.own]
    wanted = [tensor.clone().requires_grad_() for tensor in tensors]
    optimizers = [torch.optim.Adam([tensor], betas=(0.0, 0.999), eps=1e-8) for tensor in wanted]
    order = [0, 1, 1, 0, 1, 1, 1, 0]
    for step, (target, gradient) in enumerate(zip(order, gradients(distribution, len(order)), strict=True)):
        rate = 0.1 / (1 + step)
        distribution.descend(target, gradient, rate)
        for i in (0, 1 + target):
            wanted[i].grad = gradient.clone()
            optimizers[i].param_groups[0]["lr"] = rate
            optimizers[i].step()
    for found, expected in zip(tensors, wanted, strict=True):
        torch.testing.assert_close(found, expected.detach(), rtol=1e-10, atol=1e-12)


def test_a_step_moves_its_target_most_and_others_by_what_is_shared(make_distribution: Make) -> None:
    distribution = make_distribution()
    before = distribution.logits()
    (gradient,) = gradients(distribution, 1)
    distribution.descend(1, gradient, 0.1)
    moved = (distribution.logits() - before)[:, gradient != 0] * -gradient[gradient != 0].sign()
    torch.testing.assert_close(moved[1], torch.full_like(moved[1], 0.2))
    torch.testing.assert_close(moved[0], torch.full_like(moved[0], 0.1))
    assert torch.equal(moved[0], moved[2])


def test_keeping_a_pairs_mass_moves_both_together_and_no_other_choice(make_distribution: Make) -> None:
    distribution = make_distribution(spread=1)
    pairs = np.array([[0, 3], [4, 1], [2, 0], [1, 2]])
    rows = np.arange(4)[:, None]
    before = distribution.logits()
    gradient = torch.zeros_like(distribution.shared)
    gradient[rows, pairs] = torch.tensor([1.0, -1.0], dtype=torch.float64)
    distribution.descend(1, gradient, 0.5)
    stepped = distribution.logits()
    distribution.keep_mass(1, before[1], pairs)
    after = distribution.logits()

    then, now = (logits[1].softmax(-1) for logits in (before, after))
    torch.testing.assert_close(now[rows, pairs].sum(1), then[rows, pairs].sum(1))
    others = torch.ones_like(then, dtype=torch.bool)
    others[rows, pairs] = False
    torch.testing.assert_close(now[others], then[others])
    ratio, asked = (
        logits[1][rows, pairs].diff(dim=1) for logits in (after, stepped)
    )  # log of how probable one is against the other
    torch.testing.assert_close(ratio, asked)
    assert (ratio - before[1][rows, pairs].diff(dim=1)).abs().min() > 0.5, "the test could not fail"
    assert torch.equal(after[[0, 2]], stepped[[0, 2]])


# Between targets.


def test_log_probabilities_are_those_of_a_target_and_clamp_beyond_the_ends(make_distribution: Make) -> None:
    distribution = make_distribution(3, spread=1)
    distribution.multipliers.copy_(torch.tensor([5.0, 1.0, -5.0]))
    targets_ms = distribution.targets_ms.tolist()
    places = [*enumerate(targets_ms), (0, targets_ms[0] / 2), (2, 2 * targets_ms[2])]
    for target, asked_ms in places:
        expected = distribution.split(distribution.logits()[target].log_softmax(-1))
        found = distribution.log_probabilities(asked_ms)
        for row, wanted in zip(found, expected, strict=True):
            np.testing.assert_allclose(row, wanted.numpy(), rtol=1e-9)


@given(share=st.floats(0, 1), low=st.integers(0, 1))
def test_between_targets_logits_are_interpolated(make_distribution: Make, share: float, low: int) -> None:
    distribution = make_distribution(3, spread=1)
    distribution.multipliers.copy_(torch.tensor([5.0, 1.0, -5.0]))
    ends, targets_ms = distribution.logits()[low : low + 2], distribution.targets_ms[low : low + 2]
    found = distribution.log_probabilities(float(targets_ms[0].lerp(targets_ms[1], share)))
    for row, pair in zip(found, distribution.split(ends), strict=True):
        wanted = ((1 - share) * pair[0] + share * pair[1]).log_softmax(0)
        np.testing.assert_allclose(row, wanted.numpy(), atol=1e-9)


def test_a_single_target_answers_for_every_latency(make_distribution: Make) -> None:
    distribution = make_distribution(1, share=0.5, spread=1)
    settle(distribution, 50, 10)
    expected = distribution.split(distribution.logits()[0].log_softmax(-1))
    for factor in (0.5, 1, 2):
        found = distribution.log_probabilities(factor * float(distribution.targets_ms[0]))
        for row, wanted in zip(found, expected, strict=True):
            np.testing.assert_allclose(row, wanted.numpy(), rtol=1e-9)


# What the curves show of it.


def test_entropy_is_one_where_nothing_is_known_and_zero_where_all_is(make_distribution: Make) -> None:
    distribution = make_distribution()
    torch.testing.assert_close(distribution.entropies(), torch.ones(3, dtype=torch.float64))
    distribution.own[0, :, 0] = 1000
    distribution.own[1, :3, 0] = 1000
    expected = torch.tensor([0, 0.25, 1], dtype=torch.float64)
    torch.testing.assert_close(distribution.entropies(), expected)


def test_skips_are_the_mean_share_of_the_layers_that_may_be_skipped(make_distribution: Make) -> None:
    distribution = make_distribution(spread=1)
    shares = distribution.logits().softmax(-1)
    torch.testing.assert_close(distribution.skips(), shares[:, [1, 3], 4].mean(1))


def test_skips_and_entropy_of_a_projection_are_no_skip(make_distribution: Make, board: Device) -> None:
    """The first layer of a NAS-Bench-Macro stage is projected where it is an identity."""
    distribution = make_distribution(of=predictor_from_device(nasbench_macro(), board))
    distribution.shared[[0, 2, 5], 0] = 1000
    torch.testing.assert_close(distribution.skips(), torch.full((3,), 1 / 3, dtype=torch.float64))
    distribution.shared[:, 0] = 1000
    torch.testing.assert_close(distribution.skips(), torch.ones(3, dtype=torch.float64))
