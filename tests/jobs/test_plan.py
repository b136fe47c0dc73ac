"""How much is trained follows the size of the data, or a time budget."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgenas.accuracy.recipe import Recipe
from edgenas.jobs import plan
from edgenas.jobs.plan import default_recipes, finalist_recipe_within, plan_from_config
from edgenas.jobs.session import Session


@given(st.integers(8, 2_000_000))
def test_recipes_are_valid_for_any_size_and_shrink_with_it(images: int) -> None:
    supernet, finalist = default_recipes(images)
    larger, _ = default_recipes(2 * images)
    assert 1 <= finalist.epochs <= supernet.epochs
    assert larger.epochs <= supernet.epochs
    assert supernet.batch_size <= images


def test_without_a_budget_the_configuration_is_the_plan(session: Session) -> None:
    made = plan_from_config(session.config, session.space, session.dataset, session.torch_device)
    assert made.supernet == session.config.supernet_recipe
    assert made.evaluations == session.config.evaluations


@pytest.mark.parametrize(("budget_s", "epochs", "evaluations"), [(100, 72, 4), (1, 1, 1)])
def test_a_budget_is_spent_at_the_speed_of_this_machine(
    budget_s: float, epochs: int, evaluations: int, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "_speeds", lambda *_: (0.01, 0.1))
    config = session.config.model_copy(update={"time_budget_s": budget_s})
    made = plan_from_config(config, session.space, session.dataset, session.torch_device)
    assert len(session.dataset.train) == 48
    assert made.supernet.epochs == int(max(1, min(200, 0.35 * budget_s / 0.48)))
    assert made.supernet.epochs == pytest.approx(epochs, abs=1)
    assert made.evaluations == evaluations


@pytest.mark.parametrize(("left_s", "epochs"), [(80.0, 20), (5.0, 1), (-400.0, 1), (1e6, 100)])
def test_finalists_share_what_is_left_of_a_budget(left_s: float, epochs: int) -> None:
    recipe = finalist_recipe_within(Recipe(epochs=7), left_s, epoch_s=1.0, finalists=4)
    assert recipe == Recipe(epochs=epochs)
