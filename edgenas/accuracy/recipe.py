"""How to train, as it is kept in `run.json`; read without loading torch."""

from pydantic import Field

from edgenas.formats import Document


class Recipe(Document):
    """How to train: AdamW (Loshchilov and Hutter, ICLR 2019), linear warm-up, cosine decay, label smoothing."""

    epochs: int = Field(ge=1)
    batch_size: int = Field(default=64, ge=2)
    learning_rate: float = Field(default=3e-3, gt=0)
    weight_decay: float = Field(default=0.02, ge=0)
    label_smoothing: float = Field(default=0.1, ge=0, lt=1)
    warm_up_share: float = Field(default=0.1, ge=0, lt=1)
