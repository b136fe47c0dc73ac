import subprocess
import sys
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from edgenas.searchers.proxyless.gradient_recipe import GradientRecipe
from edgenas.vocabulary import Gates, LatencyLoss

RECIPES = st.builds(
    GradientRecipe,
    gates=st.sampled_from(get_args(Gates)),
    latency_loss=st.sampled_from(get_args(LatencyLoss)),
    targets=st.integers(1, 16),
    every=st.integers(1, 100),
    warm_up=st.floats(0, 1, exclude_max=True),
    learning_rate=st.floats(0, 1e3, exclude_min=True),
)


@given(recipe=RECIPES)
def test_a_recipe_survives_json(recipe: GradientRecipe) -> None:
    assert GradientRecipe.model_validate_json(recipe.model_dump_json()) == recipe


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("gates", "three-path", "'single-path', 'darts' or 'gumbel'"),
        ("latency_loss", "mul", "'constraint', 'mul#log' or 'add#linear'"),
        ("targets", 0, "greater than or equal to 1"),
        ("targets", 17, "less than or equal to 16"),
        ("targets", 2.5, "valid integer"),
        ("every", 0, "greater than or equal to 1"),
        ("warm_up", -0.1, "greater than or equal to 0"),
        ("warm_up", 1, "less than 1"),
        ("warm_up", float("nan"), "finite number"),
        ("learning_rate", 0, "greater than 0"),
        ("learning_rate", float("inf"), "finite number"),
        ("momentum", 0.5, "not permitted"),
    ],
)
def test_a_recipe_that_cannot_learn_is_refused(field: str, value: object, reason: str) -> None:
    with pytest.raises(ValidationError, match=rf"(?s){field}.*{reason}"):
        GradientRecipe.model_validate({field: value})


def test_without_a_word_it_is_binarised_with_the_limit_as_a_constraint_and_several_targets() -> None:
    recipe = GradientRecipe()
    assert recipe.gates == "full"
    assert recipe.latency_loss == "constraint"
    assert recipe.targets > 1
    assert recipe.warm_up > 0


def test_a_recipe_is_read_without_loading_torch() -> None:
    code = "import sys, edgenas.searchers.proxyless.gradient_recipe; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
