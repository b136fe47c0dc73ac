"""The models of a kit: blocks, whole networks and fragments as ONNX files without their weights."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from edgenas.board.bursts import BURST_MS, MAX_CALLS, MAX_ROUNDS, MIN_CALLS, MIN_ROUNDS, SENTINEL_CALLS
from edgenas.board.manifest import TENSORRT
from edgenas.device import Device
from edgenas.device.runtime import Feeds
from edgenas.device.target import searched_scheme_of, searched_target_of
from edgenas.device_models.fitted import model_of
from edgenas.device_models.work import block_work
from edgenas.fragments.drawing import Fragment
from edgenas.kits.kit_plan import KitPlan, fragment_key
from edgenas.kits.shared_weights import LEAST_BYTES, share_weights
from edgenas.onnx_latency.costing import costing_from_model, graph_latency
from edgenas.onnx_latency.fragment_timing import fragment_kernels
from edgenas.onnx_latency.kernels import Kernel
from edgenas.onnx_latency.model_inputs import Shapes
from edgenas.onnx_latency.onnx_reading import read_whole_model
from edgenas.onnx_latency.prediction import predicted_onnx
from edgenas.precision.conversion import convert
from edgenas.profiling.profile_plan import OVERHEAD
from edgenas.space import Block
from edgenas.space.onnx_graph import INPUT, Weights, onnx_from_blocks, random_weights
from edgenas.timing.loaded_models import EMPTY_SHAPE, SENTINEL, empty_model, random_image

SENTINEL_KEY = "sentinel"

SESSION_BYTES = 4 * 2**20
"""Memory of a loaded model beside its weights and features: ONNX Runtime's graph, allocations and kernels."""

LOADING_S = 0.1
"""Assumed seconds to load a model on a board."""

UNKNOWN_MS = 10.0
"""Assumed of files that need not be predictable."""

WEIGHT_COPIES = 2
"""Runtimes keep weights in a layout of their own too."""


@dataclass(frozen=True, slots=True)
class ModelOfKit:
    """A model, its weights shared with others.

    Attributes:
        key: its name in the results.
        content: the serialised ONNX model.
        weights_bytes: the shared weights of each type that it needs.
        memory_bytes: estimate of what it needs once loaded.
        estimated_ms: of a run, by the device's model.
        is_block: whether it is a single block of a space, known by its own key.
        inputs: shapes by the names of its inputs, where they are more than the batch decides.
    """

    key: str
    content: bytes
    weights_bytes: dict[str, int]
    memory_bytes: int
    estimated_ms: float
    is_block: bool = False
    inputs: Shapes = field(default_factory=dict)


class KitModels:
    """Makes the models of a kit.

    Args:
        device: they are made for its precision and batch, and estimated on it.
    """

    def __init__(self, device: Device) -> None:
        self._device = device
        self._model = model_of(device)
        self._version = searched_target_of(device).onnx

    def sentinel(self) -> ModelOfKit:
        """The model that monitors the board's speed."""
        return self.of_blocks(SENTINEL_KEY, [SENTINEL])

    def overhead(self) -> ModelOfKit:
        """The empty model."""
        image = {INPUT: np.ones(EMPTY_SHAPE, np.float32)}
        return self._finished(
            OVERHEAD, empty_model(self._version), image, 0, self._device.datasheet.kernel_launch_us / 1e3
        )

    def of_plan(self, plan: KitPlan) -> Iterator[ModelOfKit]:
        """Blocks and whole networks; what several image sizes share comes once."""
        chains = {
            key: blocks for each in plan.profile_plans().values() for key, blocks in each.models.items()
        }
        for key, blocks in chains.items():
            yield self.of_blocks(key, blocks)

    def of_fragment(self, fragment: Fragment) -> ModelOfKit:
        """A fragment."""
        kernels = fragment_kernels(fragment, self._device.batch)
        estimate = graph_latency(kernels, costing_from_model(kernels, self._model))
        image = {INPUT: np.random.default_rng(0).random(fragment.shape, np.float32)}
        return self._finished(
            fragment_key(fragment), fragment.model, image, _features(kernels), estimate.predicted
        )

    def of_file_as_it_is(self, key: str, path: Path, shapes: Shapes) -> ModelOfKit:
        """An ONNX file at the precision that it has; it need not be one that can be predicted.

        Args:
            key: its name in the results.
            path: the file.
            shapes: of inputs that leave more open than the batch.

        Raises:
            InputError: the file cannot be used.
        """
        model = read_whole_model(path, self._device.batch, shapes)
        inputs = {each.name: each.shape for each in model.inputs}
        return replace(self._finished(key, model.proto, None, 0, UNKNOWN_MS, inputs), inputs=inputs)

    def of_file(self, key: str, path: Path) -> ModelOfKit:
        """An ONNX file with one input, of float32; errors as `of_file_as_it_is`."""
        model = read_whole_model(path, self._device.batch)
        found = predicted_onnx(path, self._device)
        image = {model.input: np.random.default_rng(0).standard_normal(model.shape, np.float32)}
        return self._finished(key, model.proto, image, _features(found.kernels), found.latency.predicted)

    def of_blocks(self, key: str, blocks: Sequence[Block]) -> ModelOfKit:
        """A chain of blocks, such as a whole network."""
        work = [each for block in blocks for each in block_work(block, self._device.batch)]
        made = self._finished(
            key,
            onnx_from_blocks(blocks, self._weights(), version=self._version),
            random_image(blocks, self._device.batch),
            sum(each.features for each in work),
            sum(map(self._model.work_ms, work)),
        )
        return replace(made, is_block=[block.key for block in blocks] == [key])

    def _weights(self) -> Weights:
        """Random ones; at fp32, those that are not kept in the model are not drawn."""
        drawn = random_weights(0)
        if self._device.precision != "fp32":  # converters look at all of them
            return drawn

        def weights(name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
            kept = 4 * math.prod(shape) < LEAST_BYTES
            return drawn(name, shape) if kept else np.zeros(shape, np.float32)

        return weights

    def _finished(
        self,
        key: str,
        model: onnx.ModelProto,
        image: Feeds | None,
        features: int,
        estimated_ms: float,
        shapes: Shapes | None = None,
    ) -> ModelOfKit:
        """Convert a model to the device's precision, unless there is no image to do it with, and strip it."""
        if image is not None and self._device.precision != "fp32":
            scheme = searched_scheme_of(self._device)
            converted = convert(model.SerializeToString(), self._device.precision, image, scheme)
            model = onnx.load_from_string(converted)
        if self._device.runtime == TENSORRT:  # whose engines are built for the shapes of the file
            _fix_shapes(model, self._device.batch, shapes or {})
        weights = share_weights(model)
        memory = SESSION_BYTES + WEIGHT_COPIES * sum(weights.values()) + 4 * features
        return ModelOfKit(key, model.SerializeToString(deterministic=True), weights, memory, estimated_ms)


def _fix_shapes(model: onnx.ModelProto, batch: int, shapes: Shapes) -> None:
    """Give inputs their shapes, and every other axis that inputs and outputs leave open the size of the batch."""
    for value in (*model.graph.input, *model.graph.output):
        dims = value.type.tensor_type.shape.dim
        shape = shapes.get(value.name) or [axis.dim_value or batch for axis in dims]
        if value in model.graph.output and sum(not axis.HasField("dim_value") for axis in dims) > 1:
            value.type.tensor_type.ClearField("shape")  # which follows from that of the inputs
            continue
        for axis, size in zip(dims, shape, strict=True):
            axis.dim_value = size


def _features(kernels: Sequence[Kernel]) -> int:
    """Numbers that kernels write."""
    return sum(math.prod(shape) for each in kernels for shape in each.output_shapes)


@dataclass
class Estimate:
    """How long a board is busy with models.

    Attributes:
        sentinel_ms: of a run of the sentinel, which is timed after each burst.
        budget_s: target duration of the timing.
        models: how many there are.
        round_ms: one burst of each.
        loading_s: seconds to load a model.
        start_s: seconds beside timing that a burst takes, and a reading of the sentinel too.
    """

    sentinel_ms: float
    budget_s: float
    models: int = 0
    round_ms: float = 0.0
    loading_s: float = LOADING_S
    start_s: float = 0.0

    def add(self, model: ModelOfKit) -> None:
        """Count one more model."""
        calls = min(max(int(BURST_MS / model.estimated_ms), MIN_CALLS), MAX_CALLS)
        self.round_ms += (1 + calls) * model.estimated_ms + (1 + SENTINEL_CALLS) * self.sentinel_ms
        self.round_ms += 2 * 1e3 * self.start_s
        self.models += 1

    @property
    def seconds(self) -> float:
        """Loading and timing; repeating disturbed bursts comes on top."""
        round_s = self.round_ms / 1e3
        rounds = min(max(self.budget_s / round_s, MIN_ROUNDS), MAX_ROUNDS)
        return self.models * self.loading_s + rounds * round_s
