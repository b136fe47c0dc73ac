"""The layout of an `mbconv` space: the settings that determine its blocks."""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from edgenas.formats import Document
from edgenas.space.layers import Activation, Conventions, Padding

Kernel = Literal[3, 5, 7]


class _CompactDocument(Document):
    """Omits its `rare` fields from dumps while they have their defaults, so that older layouts keep their signature."""

    rare: ClassVar[frozenset[str]] = frozenset()

    @property
    def defaulted(self) -> set[str]:
        """The rare fields that have their default."""
        fields = type(self).model_fields
        return {name for name in self.rare if getattr(self, name) == fields[name].default}

    @model_serializer(mode="wrap")
    def _omit_defaults(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in write(self).items() if name not in self.defaulted}


class Stage(_CompactDocument):
    """Layers of one width; the first may be strided, the others may be skipped."""

    channels: int = Field(gt=0, le=4096)
    depth: int = Field(gt=0, le=32)
    stride: Literal[1, 2]
    squeeze_excite: int = Field(default=0, ge=0, le=64, description="reduction; 0 for none")
    activation: Activation = "relu6"
    kernels: tuple[Kernel, ...] = Field(default=(), description="overrides the layout's")
    expansions: tuple[int, ...] = Field(default=(), description="overrides the layout's; each at least 2")
    pointwise: bool = Field(default=False, description="expansion 1 with its 1x1 convolution, as in FBNet")

    rare: ClassVar[frozenset[str]] = frozenset({"kernels", "expansions", "pointwise"})

    @model_validator(mode="after")
    def _choices_are_distinct(self) -> "Stage":
        if self.pointwise and self.expansions != (1,):
            raise ValueError("pointwise needs expansions of 1 alone")
        _check_choices(self.kernels, () if self.pointwise else self.expansions)
        return self


class Layout(_CompactDocument):
    """The parameters of an `mbconv` space. Channel counts are final: the width multiplier is already applied."""

    name: Literal["mbconv"] = "mbconv"
    resolution: int = Field(ge=8, le=1024)
    classes: int = Field(ge=2, le=100_000)
    in_channels: int = Field(default=3, ge=1, le=64)
    stem_channels: int = Field(gt=0, le=4096)
    stem_stride: Literal[1, 2]
    stem_activation: Activation = "relu6"
    first_channels: int = Field(default=0, ge=0, le=4096, description="block without expansion; 0 for none")
    first_stride: Literal[1, 2] = 1
    first_squeeze_excite: int = Field(default=0, ge=0, le=64, description="reduction; 0 for none")
    first_activation: Activation | None = Field(default=None, description="overrides the stem's")
    stages: tuple[Stage, ...] = Field(min_length=1, max_length=16)
    head_channels: int = Field(gt=0, le=16384)
    head_activation: Activation = "relu6"
    kernels: tuple[Kernel, ...] = Field(default=(3, 5, 7), min_length=1)
    expansions: tuple[int, ...] = Field(default=(3, 6), min_length=1, description="each at least 2")
    padding: Padding = "symmetric"
    norm_epsilon: float = Field(default=1e-5, gt=0, le=0.1)

    rare: ClassVar[frozenset[str]] = frozenset(
        {"first_stride", "first_squeeze_excite", "first_activation", "padding", "norm_epsilon"}
    )

    @property
    def conventions(self) -> Conventions:
        """Those of every block."""
        return Conventions(self.padding, self.norm_epsilon)

    @model_validator(mode="after")
    def _choices_are_distinct(self) -> "Layout":
        _check_choices(self.kernels, self.expansions)
        return self

    @model_validator(mode="after")
    def _first_block_exists(self) -> "Layout":
        of_first = {name for name in self.rare if name.startswith("first_")}
        if not self.first_channels and (wrong := sorted(of_first - self.defaulted)):
            raise ValueError(f"{wrong[0]} needs first_channels: there is no first block")
        return self


def _check_choices(kernels: Sequence[int], expansions: Sequence[int]) -> None:
    for field, values, least in (("kernels", kernels, 3), ("expansions", expansions, 2)):
        if len(set(values)) != len(values) or min(values, default=least) < least:
            raise ValueError(f"{field} must be distinct and at least {least}")
