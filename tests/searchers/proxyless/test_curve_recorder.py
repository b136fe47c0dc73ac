from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from edgenas.accuracy.checkpoint import Checkpoint
from edgenas.accuracy.dataset import Dataset
from edgenas.accuracy.training import train
from edgenas.accuracy.training_recipe import SupernetRecipe
from edgenas.searchers.proxyless.architecture_learning import Learner
from edgenas.searchers.proxyless.curve_recorder import MOMENTS, Recorder
from edgenas.searchers.proxyless.curves import Curve, Curves
from edgenas.searchers.proxyless.distribution import Distribution
from edgenas.searchers.proxyless.gradient_recipe import GradientRecipe

Make = Callable[..., Distribution]
RECIPE = GradientRecipe()


def states(curve: Curve, moment: int) -> tuple[float, ...]:
    values = (curve.expected_ms, curve.likeliest_ms, curve.entropy, curve.multiplier, curve.skips)
    return tuple(each[moment] for each in values)


def states_of(distribution: Distribution, target: int) -> tuple[float, ...]:
    """As they are now, the price in nats per millisecond."""
    found = (
        distribution.expected_ms(distribution.logits()),
        distribution.likeliest_ms(distribution.logits()),
        distribution.entropies(),
        distribution.multipliers / distribution.range_ms,
        distribution.skips(),
    )
    return tuple(float(each[target]) for each in found)


def priced(distribution: Distribution, *multipliers: float) -> Distribution:
    distribution.multipliers.copy_(torch.tensor(multipliers))
    return distribution


def test_the_curves_of_a_short_training_belong_together(
    make_learner: Callable[..., Learner],
    tiny_dataset: Dataset,
    weights_recipe: SupernetRecipe,
    tmp_path: Path,
) -> None:
    recipe = GradientRecipe(gates="two-path", warm_up=0.4)
    learner = make_learner(gates="two-path", warm_up=0.4)
    train(learner, learner, tiny_dataset, weights_recipe, 0, Checkpoint(tmp_path / "c"))
    curves = learner.recorder.curves(learner.distribution, recipe)
    assert curves.done == pytest.approx([step / 12 for step in range(5, 12)])
    assert (curves.gates, curves.latency_loss, curves.warm_up) == ("two-path", "constraint", 0.4)
    assert [curve.target_ms for curve in curves.targets] == learner.distribution.targets_ms.tolist()
    for target, curve in enumerate(curves.targets):
        known = [loss for loss in curve.loss if loss is not None]
        assert len(known) >= learner.distribution.steps[1 + target].max() > 0
        assert all(0 < loss < 10 for loss in known)
        assert states(curve, -1) == pytest.approx(states_of(learner.distribution, target))
    told = zip(*(curve.loss for curve in curves.targets), strict=True)
    assert all(sum(loss is not None for loss in losses) == 1 for losses in told), "one target a step"
    assert Curves.model_validate_json(curves.model_dump_json(by_alias=True)) == curves


def test_a_moment_keeps_its_last_state_and_the_mean_of_its_losses(make_distribution: Make) -> None:
    distribution, recorder = make_distribution(spread=1), Recorder(3)
    recorder.record(0.301, 0, 9.0, priced(distribution, 1, 2, 3))
    earlier = [states_of(distribution, target) for target in range(3)]
    recorder.record(0.502, 0, 1.0, priced(distribution, 7, 7, 7))
    recorder.record(0.504, 1, 5.0, priced(distribution, 8, 8, 8))
    recorder.record(0.508, 0, 4.0, priced(distribution, -9, 5, 40))
    curves = recorder.curves(distribution, RECIPE)
    assert curves.done == (0.301, 0.508)
    assert [curve.loss for curve in curves.targets] == [(9.0, 2.5), (None, 5.0), (None, None)]
    for target, curve in enumerate(curves.targets):
        assert states(curve, 0) == pytest.approx(earlier[target])
        assert states(curve, 1) == pytest.approx(states_of(distribution, target))


def test_nothing_recorded_is_no_moment(make_distribution: Make) -> None:
    curves = Recorder(3).curves(make_distribution(), RECIPE)
    assert curves.done == ()
    assert all(curve.loss == curve.expected_ms == () for curve in curves.targets)


def test_what_was_recorded_before_an_interruption_is_kept(make_distribution: Make) -> None:
    distribution, whole, resumed = make_distribution(spread=1), Recorder(3), Recorder(3)
    for recorder in (whole, resumed):
        recorder.record(0.2, 0, 1.0, priced(distribution, 1, 2, 3))
    again = Recorder(3)
    again.load_state_dict(resumed.state_dict())
    for recorder in (whole, again):
        recorder.record(0.7, 2, 2.0, priced(distribution, 4, 5, 6))
    assert again.curves(distribution, RECIPE) == whole.curves(distribution, RECIPE)


@given(shares=st.lists(st.floats(0, 1), max_size=30))
@example(shares=[0.999, 1.0])
def test_moments_ascend_and_no_two_steps_make_more_than_one_each(
    make_distribution: Make, shares: list[float]
) -> None:
    distribution, recorder = make_distribution(1), Recorder(1)
    for done in sorted(shares):
        recorder.record(done, 0, 1.0, distribution)
    curves = recorder.curves(distribution, RECIPE)
    assert list(curves.done) == sorted(set(curves.done))
    assert len(curves.done) <= min(MOMENTS, len(shares))
    assert not shares or curves.done[-1] == max(shares)
