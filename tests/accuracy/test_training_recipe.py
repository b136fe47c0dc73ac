import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from edgenas.accuracy.augmentation import Augmentation
from edgenas.accuracy.training_recipe import (
    FINE_TUNING_RATE,
    FinalistRecipe,
    Recipe,
    SupernetRecipe,
    default_recipes,
    fine_tuning_recipes,
)


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(epochs=3, batch_size=32, learning_rate=0.01),
        SupernetRecipe(epochs=3, sampling="sandwich", augmentation=Augmentation(crop=False, cutmix=True)),
        FinalistRecipe(epochs=3, distillation=0.5),
    ],
    ids=lambda recipe: type(recipe).__name__,
)
def test_a_recipe_survives_json(recipe: Recipe) -> None:
    assert type(recipe).model_validate_json(recipe.model_dump_json()) == recipe


@pytest.mark.parametrize(
    ("kind", "field", "value", "reason"),
    [
        (Recipe, "epochs", 0, "greater than or equal to 1"),
        (Recipe, "batch_size", 1, "greater than or equal to 2"),
        (Recipe, "learning_rate", 0, "greater than 0"),
        (Recipe, "learning_rate", float("nan"), "finite number"),
        (Recipe, "weight_decay", -0.1, "greater than or equal to 0"),
        (Recipe, "label_smoothing", 1, "less than 1"),
        (Recipe, "warm_up_share", 1, "less than 1"),
        (Recipe, "momentum", 0.9, "not permitted"),
        (Recipe, "sampling", "fair", "not permitted"),
        (Recipe, "augmentation", {"blur": True}, "not permitted"),
        (SupernetRecipe, "sampling", "greedy", "'anchored', 'uniform', 'fair' or 'sandwich'"),
        (SupernetRecipe, "distillation", 0.5, "not permitted"),
        (FinalistRecipe, "distillation", -0.1, "greater than or equal to 0"),
        (FinalistRecipe, "distillation", 1.1, "less than or equal to 1"),
        (FinalistRecipe, "distillation", float("nan"), "finite number"),
        (FinalistRecipe, "sampling", "fair", "not permitted"),
    ],
)
def test_a_recipe_that_cannot_train_is_refused(
    kind: type[Recipe], field: str, value: object, reason: str
) -> None:
    with pytest.raises(ValidationError, match=rf"(?s){field}.*{reason}"):
        kind.model_validate({"epochs": 1, field: value})


@given(images=st.integers(4, 10**7))
def test_default_recipes_see_about_as_many_images_however_many_there_are(images: int) -> None:
    for recipe, total, (low, high) in zip(
        default_recipes(images), (70_000, 24_000), ((8, 60), (4, 30)), strict=True
    ):
        assert low <= recipe.epochs <= high
        if low < recipe.epochs < high:
            assert abs(recipe.epochs * images - total) <= images / 2
        assert 8 <= recipe.batch_size <= 64


def test_default_recipes_of_a_small_a_middling_and_a_large_data_set() -> None:
    found = [
        [(recipe.epochs, recipe.batch_size) for recipe in default_recipes(images)]
        for images in (58, 1150, 45_000)
    ]
    assert found == [[(60, 8), (30, 8)], [(60, 64), (21, 64)], [(8, 64), (4, 64)]]


def test_default_recipes_augment_as_asked_and_are_plain_otherwise() -> None:
    augmentation = Augmentation(randaugment=True)
    supernet, finalist = default_recipes(1000, augmentation)
    assert supernet.augmentation == finalist.augmentation == augmentation
    supernet, finalist = default_recipes(1000)
    assert supernet.augmentation == finalist.augmentation == Augmentation()
    assert (supernet.sampling, finalist.distillation) == ("anchored", 0)


@pytest.mark.parametrize(
    ("images", "epochs", "refits"),
    [(100, (10, 15, 10), True), (1200, (5, 7, 5), True), (50_000, (1, 2, 1), False)],
)
def test_fine_tuning_begins_with_the_largest_network_and_ends_with_the_classifier(
    images: int, epochs: tuple[int, ...], refits: bool
) -> None:
    augmentation = Augmentation(resized_crop=True)
    supernet, finalist = fine_tuning_recipes(images, augmentation)
    largest = supernet.largest_first
    assert largest is not None
    assert (largest.epochs, supernet.epochs, finalist.epochs) == epochs
    assert {each.augmentation for each in (largest, supernet, finalist)} == {augmentation}
    assert largest.learning_rate == finalist.learning_rate == 2 * supernet.learning_rate == FINE_TUNING_RATE
    assert finalist.refits_classifier == refits
    plain, _ = fine_tuning_recipes(images, augmentation, largest_first=False)
    assert (
        plain.largest_first is None
        and plain.learning_rate == FINE_TUNING_RATE
        and plain.epochs >= supernet.epochs
    )


def test_a_recipe_is_read_without_loading_torch() -> None:
    code = "import sys, edgenas.accuracy.training_recipe; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
