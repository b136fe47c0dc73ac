import subprocess
import sys

import pytest
from pydantic import ValidationError

from edgenas.accuracy.recipe import Recipe


def test_a_recipe_survives_json() -> None:
    recipe = Recipe(epochs=3, batch_size=32, learning_rate=0.01)
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("epochs", 0, "greater than or equal to 1"),
        ("batch_size", 1, "greater than or equal to 2"),
        ("learning_rate", 0, "greater than 0"),
        ("learning_rate", float("nan"), "finite number"),
        ("weight_decay", -0.1, "greater than or equal to 0"),
        ("label_smoothing", 1, "less than 1"),
        ("warm_up_share", 1, "less than 1"),
        ("momentum", 0.9, "not permitted"),
    ],
)
def test_a_recipe_that_cannot_train_is_refused(field: str, value: float, reason: str) -> None:
    with pytest.raises(ValidationError, match=rf"(?s){field}.*{reason}"):
        Recipe.model_validate({"epochs": 1, field: value})


def test_a_recipe_is_read_without_loading_torch() -> None:
    code = "import sys, edgenas.accuracy.recipe; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
