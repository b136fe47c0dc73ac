"""The augmentation settings stored in `run.json`; importable without torch."""

from edgenas.errors import InputError, UnknownNameError
from edgenas.formats import Document


class Augmentation(Document):
    """Random transformations of training images; mirroring is a property of the data set instead.

    crop: random shifts by up to an eighth of the side. resized_crop: a random part of the image, of any size and
    nearly any shape, scaled to the whole (Szegedy et al., "Going deeper with convolutions", CVPR 2015). trivialaugment:
    one random operation (Müller and Hutter, "TrivialAugment", ICCV 2021). randaugment: two random operations (Cubuk et
    al., "RandAugment", NeurIPS 2020). mixup: blends of two images and their labels (Zhang et al., "mixup", ICLR 2018).
    cutmix: pastes in a rectangle of another image (Yun et al., "CutMix", ICCV 2019). With both, each batch randomly
    uses one.
    """

    crop: bool = True
    resized_crop: bool = False
    trivialaugment: bool = False
    randaugment: bool = False
    mixup: bool = False
    cutmix: bool = False

    @property
    def text(self) -> str:
        """As `--augment` takes it."""
        return ",".join(_spelt(name) for name, used in self.model_dump().items() if used) or "none"


def augmentation_from_text(text: str) -> Augmentation:
    """Parse `--augment`: comma-separated names, or `none`.

    Raises:
        InputError: an unknown or repeated name, or `none` with others.
    """
    known = [_spelt(name) for name in Augmentation.model_fields]
    if text.strip() == "none":
        return Augmentation(crop=False)
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name == "none":
            raise InputError(f"--augment {text}: none excludes all others", "remove it, or the others")
        if name not in known:
            raise UnknownNameError(
                "name in --augment", name, known, f"known: {', '.join(known)}, or none alone"
            )
        if names.count(name) > 1:
            raise InputError(f"--augment {text}: {name} is repeated", "list each name once")
    return Augmentation.model_validate({name: _spelt(name) in names for name in Augmentation.model_fields})


def _spelt(field: str) -> str:
    return field.replace("_", "-")
