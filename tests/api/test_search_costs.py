"""What a search costs, from a few timed steps."""

from collections.abc import Callable

import pytest

from edgenas.accuracy.decoded_cache import MAX_IN_MEMORY
from edgenas.accuracy.training_recipe import FinalistRecipe, Recipe, SupernetRecipe
from edgenas.api import search_costs as module
from edgenas.api.search_costs import Workload, checkpoint_bytes
from edgenas.device import Device
from edgenas.inputs.data_outline import DataOutline
from edgenas.searchers.problem import Problem
from edgenas.space import MBConvSpace


@pytest.fixture
def make_work(make_problem: Callable[[float], Problem], board: Device) -> Callable[..., Workload]:
    """`make_work(train=..., validation=..., recipe=...)`: a search of the tiny space, within half of its range."""

    def make(train: int = 640, validation: int = 100, recipe: SupernetRecipe | None = None) -> Workload:
        outline = DataOutline("photos", train, validation, 50, 3, 3, 8)
        supernet = recipe or SupernetRecipe(epochs=10, batch_size=16)
        return Workload(board, make_problem(0.5), outline, supernet, FinalistRecipe(epochs=4, batch_size=16))

    return make


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every training step takes half a second."""
    monkeypatch.setattr(module, "step_seconds", lambda *_: 0.5)


def test_a_training_takes_its_epochs_of_all_images(make_work: Callable[..., Workload], steps: None) -> None:
    assert make_work().supernet_seconds() == (0, pytest.approx(10 * 640 / 16 * 0.5))
    assert make_work().finalist_seconds() == pytest.approx(4 * 640 / 16 * 0.5)


def test_large_networks_are_timed_on_fewer_images(
    make_work: Callable[..., Workload], steps: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TIMED_MACS", 1)
    assert make_work().finalist_seconds() == pytest.approx(4 * 640 / 2 * 0.5)


def test_a_largest_network_of_its_own_takes_its_own_time(
    make_work: Callable[..., Workload], steps: None
) -> None:
    recipe = SupernetRecipe(epochs=10, batch_size=16, largest_first=Recipe(epochs=3, batch_size=16))
    assert make_work(recipe=recipe).supernet_seconds()[0] == pytest.approx(3 * 640 / 16 * 0.5)
    assert make_work(recipe=recipe).inherited_epochs(2) == (3 + 10) / 2


@pytest.mark.parametrize(("images", "positions"), [(100, 5), (999, 5), (1000, 1)])
def test_small_splits_are_evaluated_in_several_positions(
    make_work: Callable[..., Workload], monkeypatch: pytest.MonkeyPatch, images: int, positions: int
) -> None:
    monkeypatch.setattr(Workload, "image_seconds", lambda self: 0.25)
    assert make_work(validation=images).evaluation_seconds() == 0.25 * images * positions


def test_the_typical_network_is_within_the_limit(make_work: Callable[..., Workload]) -> None:
    work = make_work()
    assert work.problem.latency_ms(work.typical) <= work.problem.max_latency_ms


def test_steps_and_passes_are_really_timed(make_work: Callable[..., Workload]) -> None:
    work = make_work()
    assert work.finalist_seconds() > 0 and work.image_seconds() > 0


def test_memory_grows_with_the_images_and_the_batch(make_work: Callable[..., Workload]) -> None:
    few, many, most = (make_work(train=images) for images in (1000, 10**7, 10**9))
    assert many.memory_bytes() - few.memory_bytes() == pytest.approx((10**7 - 1000) * 8 * 8 * 3, rel=0.1)
    assert most.memory_bytes() - few.memory_bytes() == pytest.approx(MAX_IN_MEMORY, rel=0.1)
    wide = make_work(train=1000, recipe=SupernetRecipe(epochs=1, batch_size=100_000))
    assert wide.memory_bytes() > 2 * few.memory_bytes()


def test_a_checkpoint_has_weights_and_two_moments(tiny_space: MBConvSpace) -> None:
    assert checkpoint_bytes(tiny_space) == 12 * tiny_space.parameters(tiny_space.largest)
