"""Writing a model without what costs needlessly, as far as that is safe: it computes the same."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx

from edgenas.advice import simplifying
from edgenas.advice.changes import without_unneeded_nodes, without_weight_inputs
from edgenas.advice.comparing import TOLERANCES, largest_difference
from edgenas.errors import DeviceError, InputError, VerificationError
from edgenas.onnx_latency.model_inputs import Input
from edgenas.onnx_latency.onnx_content import opened, tensors_of
from edgenas.onnx_latency.onnx_reading import precision_of
from edgenas.units import counted

log = logging.getLogger(__name__)

NOTE = "edgenas_fix"
"""Entry of a file's metadata that says what was done."""


@dataclass(frozen=True, slots=True)
class Fix:
    """A model in steps towards one without what costs needlessly.

    Attributes:
        given: with all its weights.
        stripped: without weights among its inputs.
        needed: also without nodes that no output depends on.
        simplified: also simplified; None if that failed.
    """

    given: onnx.ModelProto
    stripped: onnx.ModelProto
    needed: onnx.ModelProto
    simplified: onnx.ModelProto | None

    @property
    def final(self) -> onnx.ModelProto:
        """The last one that has fewer nodes than the one before."""
        made, needed = self.simplified, self.needed
        return needed if made is None or len(made.graph.node) >= len(needed.graph.node) else made

    @property
    def changes(self) -> tuple[str, ...]:
        """What was done, for people."""
        inputs = len(self.given.graph.input) - len(self.stripped.graph.input)
        given, needed, final = (len(each.graph.node) for each in (self.given, self.needed, self.final))
        return (
            *([f"{counted(inputs, 'weights')} no longer inputs"] if inputs else []),
            *(
                [f"{counted(given - needed, 'nodes')} that no output needs left out"]
                if given > needed
                else []
            ),
            *(
                [f"{counted(needed - final, 'nodes')} fewer, by {simplifying.version()}"]
                if needed > final
                else []
            ),
        )


def fix_of(model: onnx.ModelProto) -> Fix:
    """Take away from a model what costs needlessly. Where it cannot be simplified, a warning says so.

    Args:
        model: with all its weights.
    """
    stripped = without_weight_inputs(model)
    needed = without_unneeded_nodes(stripped)
    try:
        return Fix(model, stripped, needed, simplifying.simplified(needed))
    except DeviceError as error:
        log.warning("%s: nothing is simplified", error.problem)
        return Fix(model, stripped, needed, None)


def check_out(path: Path, out: Path) -> None:
    """Check that a fixed file may be written there. What exists is replaced, but no part of the given file.

    Args:
        path: of the given file.
        out: of the fixed one.

    Raises:
        InputError: it may not, or its name is not that of an ONNX file.
    """
    if out.suffix.lower() != ".onnx":
        raise InputError(f"--fix: {str(out)!r:.200} does not end in .onnx", "name an ONNX file to write")
    locations = [
        entry.value
        for tensor in tensors_of(opened(path))
        for entry in tensor.external_data
        if entry.key == "location"
    ]
    for part in (path, *(path.parent / location for location in dict.fromkeys(locations))):
        if out.exists() and part.exists() and out.samefile(part):
            raise InputError(
                f"--fix: {out} is the given file, or holds its weights", "name another file to write"
            )


def checked_difference(fix: Fix, path: Path, inputs: Sequence[Input]) -> tuple[float, float]:
    """The largest difference of an output of the fixed model, as a share of its largest value, and what passes.

    Raises:
        VerificationError: it is larger.
        DeviceError: the models cannot be run to compare them.
    """
    allowed = TOLERANCES[precision_of(fix.given)]
    if not fix.changes:
        return 0.0, allowed
    found = largest_difference(fix.given, fix.final, inputs)
    if found.share > allowed:
        raise VerificationError(
            f"{path}: fixed, its output {found.output!r:.60} differs by {found.share:.2g} of its largest value "
            f"(at most {allowed:g} passes), so nothing is written",
            "leave out --fix, and see --advise for what else can be done",
        )
    return found.share, allowed


def content_of(fix: Fix) -> bytes:
    """The fixed model, serialised, with a note of what was done in its metadata."""
    made = onnx.ModelProto()
    made.CopyFrom(fix.final)
    entries = {each.key: each.value for each in made.metadata_props}
    onnx.helper.set_model_props(made, entries | {NOTE: "; ".join(fix.changes) or "nothing to do"})
    return bytes(made.SerializeToString())
