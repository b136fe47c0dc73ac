"""What is done to training images, as it is kept in `run.json`; read without loading torch."""

from edgenas.errors import InputError, UnknownNameError
from edgenas.formats import Document


class Augmentation(Document):
    """Which random changes training images go through; whether they are mirrored too, the data set says.

    crop: shifts by up to an eighth of the side. randaugment: two random operations (Cubuk et al., "RandAugment",
    NeurIPS 2020). mixup: blends of two images and their labels (Zhang et al., "mixup", ICLR 2018). cutmix: a
    rectangle of another image (Yun et al., "CutMix", ICCV 2019). With both of these each batch draws one.
    """

    crop: bool = True
    randaugment: bool = False
    mixup: bool = False
    cutmix: bool = False

    @property
    def text(self) -> str:
        """As `--augment` takes it."""
        return ",".join(name for name, used in self.model_dump().items() if used) or "none"


def augmentation_from_text(text: str) -> Augmentation:
    """Read `--augment`: names between commas, or `none`.

    Raises:
        InputError: a name that is unknown, or occurs twice.
    """
    known = list(Augmentation.model_fields)
    if text.strip() == "none":
        return Augmentation(crop=False)
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name == "none":
            raise InputError(f"--augment {text}: none cannot stand beside others", "leave it, or them, out")
        if name not in known:
            raise UnknownNameError(
                "name in --augment", name, known, f"known: {', '.join(known)}, or none alone"
            )
        if names.count(name) > 1:
            raise InputError(f"--augment {text}: {name} occurs twice", "name each once")
    return Augmentation.model_validate({name: name in names for name in known})
