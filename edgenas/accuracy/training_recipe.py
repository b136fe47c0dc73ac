"""The training settings stored in `run.json`; importable without torch."""

import numpy as np
from pydantic import Field

from edgenas.accuracy.augmentation import Augmentation
from edgenas.formats import Document
from edgenas.vocabulary import Sampling

SUPERNET_IMAGES = 70_000
FINALIST_IMAGES = 24_000
"""Images per training, over all epochs; the number of epochs is clipped to a sensible range."""

FINE_TUNED_IMAGES = 6_000
FINE_TUNED_SUPERNET_IMAGES = 12_000
ELASTIC_IMAGES = 8_000
"""The same from pretrained weights: of a finalist or the largest network; of a supernet; of one whose largest network
was trained first. On photographs of five flowers, five epochs of 1,200 images leave the largest network within a point
of eight."""

FINE_TUNED_BATCH = 32
"""Images per step for pretrained weights: few steps must suffice."""

REFIT_IMAGES = 5_000
"""Training images above which a trained classifier is not fitted again, as a fit reads no more of them."""

FINE_TUNING_RATE = 1e-3
"""Highest learning rate for pretrained weights."""

ELASTIC_RATE = 5e-4
"""Highest learning rate for a supernet whose largest network was trained first: lower, to keep what that has learnt."""


class Recipe(Document):
    """How to train: AdamW (Loshchilov and Hutter, ICLR 2019), linear warm-up, cosine decay, label smoothing."""

    epochs: int = Field(ge=1)
    batch_size: int = Field(default=64, ge=2)
    learning_rate: float = Field(default=3e-3, gt=0)
    weight_decay: float = Field(default=0.02, ge=0)
    label_smoothing: float = Field(default=0.1, ge=0, lt=1)
    warm_up_share: float = Field(default=0.1, ge=0, lt=1)
    augmentation: Augmentation = Augmentation()


class SupernetRecipe(Recipe):
    """How to train a supernet; for `sampling` see `path_sampling.path_losses`.

    `largest_first` is how its largest network is trained before all others; None if it is not.
    """

    sampling: Sampling = "anchored"
    largest_first: Recipe | None = None


class FinalistRecipe(Recipe):
    """How to train a finalist.

    `distillation` is the weight of the supernet's largest network as a teacher. With `classifier_only`, its classifier
    is fitted, and nothing else is trained; with `refits_classifier`, see `linear_probe.refit_linear`.
    """

    distillation: float = Field(default=0.0, ge=0, le=1)
    classifier_only: bool = False
    refits_classifier: bool = False

    @property
    def fine_tuning(self) -> "FinalistRecipe":
        """The same, for a network with pretrained weights: the rate of one that begins from noise would ruin them."""
        rate = min(self.learning_rate, FINE_TUNING_RATE)
        return self.model_copy(update={"learning_rate": rate})


def default_recipes(
    training_images: int,
    augmentation: Augmentation = Augmentation(),  # noqa: B008 (immutable)
) -> tuple[SupernetRecipe, FinalistRecipe]:
    """Default recipes of supernet and finalists for a number of training images."""
    batch_size = int(np.clip(training_images // 16, 8, 64))
    supernet = int(np.clip(round(SUPERNET_IMAGES / training_images), 8, 60))
    finalist = int(np.clip(round(FINALIST_IMAGES / training_images), 4, 30))
    return (
        SupernetRecipe(epochs=supernet, batch_size=batch_size, augmentation=augmentation),
        FinalistRecipe(epochs=finalist, batch_size=batch_size, augmentation=augmentation),
    )


def fine_tuning_recipes(
    training_images: int, augmentation: Augmentation, largest_first: bool = True
) -> tuple[SupernetRecipe, FinalistRecipe]:
    """Recipes of supernet and finalists that begin from pretrained weights, for a number of training images.

    With `largest_first`, the largest network comes first, since all others are parts of it. Then a step of the supernet
    trains several paths, the smaller ones on the outputs of the largest: those know at once what it takes long to learn
    from labels (Yu et al., "BigNAS", ECCV 2020). Where finalists see few images, their classifiers are fitted again at
    the end, to images as the networks will see them when deployed: whole, and at their own size.
    """
    batch_size = int(np.clip(training_images // 16, 8, FINE_TUNED_BATCH))
    supernet_images = ELASTIC_IMAGES if largest_first else FINE_TUNED_SUPERNET_IMAGES
    network = Recipe(
        epochs=int(np.clip(round(FINE_TUNED_IMAGES / training_images), 1, 10)),
        batch_size=batch_size,
        learning_rate=FINE_TUNING_RATE,
        augmentation=augmentation,
    )
    return (
        SupernetRecipe(
            epochs=int(np.clip(round(supernet_images / training_images), 2, 15)),
            batch_size=batch_size,
            learning_rate=ELASTIC_RATE if largest_first else FINE_TUNING_RATE,
            augmentation=augmentation,
            sampling="sandwich",
            largest_first=network if largest_first else None,
        ),
        FinalistRecipe(**dict(network), refits_classifier=training_images <= REFIT_IMAGES),
    )
