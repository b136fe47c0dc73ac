"""The training settings stored in `run.json`; importable without torch."""

import numpy as np
from pydantic import Field

from edgenas.accuracy.augmentation import Augmentation
from edgenas.formats import Document
from edgenas.vocabulary import Sampling

SUPERNET_IMAGES = 70_000
FINALIST_IMAGES = 24_000
"""Images per training, over all epochs; the number of epochs is clipped to a sensible range."""

FINE_TUNED_LARGEST_IMAGES = 6_000
FINE_TUNED_SUPERNET_IMAGES = 8_000
FINE_TUNED_FINALIST_IMAGES = 6_000
"""The same for pretrained weights, of which the largest network is trained first."""

FINE_TUNED_BATCH = 32
"""Images per step for pretrained weights: few steps must suffice."""

CLASSIFIER_IMAGES = 5_000
"""Images that a classifier is fitted to: a starting point for training, all there is, or what training learnt from."""

FINE_TUNING_RATE = 1e-3
"""Highest learning rate for pretrained weights."""

ELASTIC_RATE = 5e-4
"""Highest learning rate for a supernet whose largest network is trained already."""


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
    training_images: int, augmentation: Augmentation
) -> tuple[SupernetRecipe, FinalistRecipe]:
    """Recipes of supernet and finalists that begin from pretrained weights, for a number of training images.

    The largest network comes first, since all others are parts of it. Then a step of the supernet trains several paths,
    the smaller ones on the outputs of the largest: those know at once what it takes long to learn from labels (Yu et
    al., "BigNAS", ECCV 2020). Where finalists see few images, their classifiers are fitted again at the
    end, to images as they are deployed on: without crops, at their own size. (EfficientNet-Lite0 and two parts of it on
    photographs of five flowers: 0.8 points on the mean of four trainings, from -0.1 to 1.3.)
    """
    batch_size = int(np.clip(training_images // 16, 8, FINE_TUNED_BATCH))
    largest, supernet, finalist = (
        int(np.clip(round(images / training_images), low, high))
        for images, low, high in (
            (FINE_TUNED_LARGEST_IMAGES, 1, 10),
            (FINE_TUNED_SUPERNET_IMAGES, 2, 15),
            (FINE_TUNED_FINALIST_IMAGES, 1, 10),
        )
    )
    return (
        SupernetRecipe(
            epochs=supernet,
            batch_size=batch_size,
            learning_rate=ELASTIC_RATE,
            augmentation=augmentation,
            sampling="sandwich",
            largest_first=Recipe(
                epochs=largest,
                batch_size=batch_size,
                learning_rate=FINE_TUNING_RATE,
                augmentation=augmentation,
            ),
        ),
        FinalistRecipe(
            epochs=finalist,
            batch_size=batch_size,
            learning_rate=FINE_TUNING_RATE,
            augmentation=augmentation,
            refits_classifier=training_images <= CLASSIFIER_IMAGES,
        ),
    )
