"""In which form a model is exported: for what, in which precision, with which batch."""

from dataclasses import dataclass

from edgenas.device.target import Target
from edgenas.exporting.camera import IMAGE, Camera
from edgenas.space.onnx_graph import INPUT
from edgenas.vocabulary import Precision


@dataclass(frozen=True, slots=True)
class ExportForm:
    """One of the forms in which a model can be exported.

    Attributes:
        target: what the file is for.
        precision: of weights and arithmetic.
        batch: its fixed size; None for any.
        names_classes: whether the file itself names the classes.
        camera: the pictures it takes, if it prepares them itself.
    """

    target: Target
    precision: Precision = "fp32"
    batch: int | None = None
    names_classes: bool = True
    camera: Camera | None = None

    @property
    def input_name(self) -> str:
        """Of the file's one input."""
        return INPUT if self.camera is None else IMAGE

    @property
    def has_fixed_shape(self) -> bool:
        """Whether no axis of the input is open."""
        return self.batch is not None and (self.camera is None or self.camera.width is not None)

    def suffix(self, usual: Target, searched: Precision) -> str:
        """What the name of the file has between the model's id and `.onnx`; nothing for the form a search writes.

        Args:
            usual: what files of the run are for.
            searched: the precision of the model's file that the search wrote.
        """
        told = {
            self.target.name: self.target != usual,
            f"b{self.batch}": self.batch is not None and not self.target.fixed_batch,
            self.precision: self.precision != searched,
            "camera": self.camera is not None,
        }
        return "".join(f".{word}" for word, differs in told.items() if differs)
