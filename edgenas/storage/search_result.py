"""The result of a run: the file `front.json`, which `edgenas search --json` also prints."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from edgenas.device import Provenance
from edgenas.formats import Document, Line
from edgenas.latency.energy import Energy
from edgenas.latency.latency import Latency
from edgenas.precision.int8 import Ranges
from edgenas.pretrained.source import PretrainedRecord
from edgenas.searchers.problem import TWO
from edgenas.storage.events import Id, Seconds, Sha256
from edgenas.units import MAX_RESOLUTION
from edgenas.vocabulary import RUN_NAME, Channels, Metric, Objective, Precision

Fraction = Field(ge=0, le=1)

ONNX_PATH = r"^exports[/\\][A-Za-z0-9][A-Za-z0-9._-]{0,99}[/\\][A-Za-z0-9][A-Za-z0-9._-]{0,299}\.onnx$"
"""Where a search writes files of models, on any system."""

MAX_TEXT = 10_000

Text = Annotated[str, AfterValidator(lambda text: text[:MAX_TEXT])]
"""A remark. What is longer is cut rather than refused: it may quote an error from outside edgenas."""

Count = Annotated[int, Field(ge=0, lt=2**63)]


class AccuracyFigure(Document):
    """An accuracy, by the run's metric, and its kind."""

    value: float = Fraction
    kind: Literal["supernet", "validation", "test"]


class Accuracies(Document):
    """All accuracies of one model, by the run's metric; None for those not evaluated."""

    supernet: float | None = Field(default=None, ge=0, le=1)
    validation: float | None = Field(default=None, ge=0, le=1)
    test: float | None = Field(default=None, ge=0, le=1)


class Scores(Document):
    """Every metric of a trained model, 0..1."""

    validation: dict[Metric, float] = Field(default_factory=dict)
    test: dict[Metric, float] = Field(default_factory=dict)


class Normalisation(Document):
    """What is subtracted from each channel of images scaled to 0..1, and by what they are then divided."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


class _OfSpace(Document):
    schema_: Literal["edgenas.architecture/1"] = Field(default="edgenas.architecture/1", alias="schema")
    space: dict[str, Any]
    choices: tuple[str, ...]


class _OfLibrary(Document):
    name: Line
    channels: Channels = 3


def _network(value: dict[str, Any]) -> dict[str, Any]:
    (_OfSpace if "space" in value else _OfLibrary).model_validate(value)
    return value


class Quantised(Document):
    """How a model became int8, and what it was before: scores of the fp32 model on both splits, 0..1."""

    ranges: Ranges = Field(description="how the ranges of activations follow from training images")
    fine_tuned: bool = Field(
        description="trained with the rounding of int8, since that cost too much otherwise"
    )
    fp32: Scores


class FrontLead(Document):
    """The front beside a baseline: its model of the highest validation figure among those predicted no slower.

    `points` is that model's test accuracy (by the run's metric) less the baseline's, in percentage points; negative
    where the front is behind. The two may be in different precisions: baselines are in the widest that is searched.
    """

    model: Id = Field(description="id of the front's model")
    points: float
    split: Literal["test"] = "test"


class Model(Document):
    """One architecture of the front, or a baseline.

    `accuracy` is the most reliable figure that the search may use: validation once trained, supernet before that.
    `leads` marks a model of the front that no other one matches in every objective; with accuracy and latency only,
    one that is more accurate than every faster one. `peak_memory_bytes` is for one image in fp32, including all
    parameters; None in results of earlier versions. `resolution` is the height and width of its images. `note` says why
    a model was dropped, or is empty. `name` is that of a baseline, such as "MobileNetV2 x0.35", and empty otherwise.
    The `architecture` of a baseline that is a network of another library is its name there alone. `energy_mj` is of a
    run, beyond that of the idle board; None if not that of all its blocks was measured. Accuracies, scores and
    latencies are those of the file, in its `precision`.
    """

    id: Id
    name: Line = ""
    architecture: Annotated[dict[str, Any], AfterValidator(_network)]
    accuracy: AccuracyFigure
    accuracies: Accuracies
    scores: Scores = Scores()
    latency_ms: Latency
    energy_mj: Energy | None = None
    resolution: int | None = Field(default=None, ge=1, le=MAX_RESOLUTION)
    precision: Precision = Field(default="fp32", description="of the exported file")
    quantised: Quantised | None = Field(default=None, description="of a trained int8 model")
    params: Count
    macs: Count
    peak_memory_bytes: Count | None = None
    onnx: str | None = Field(default=None, pattern=ONNX_PATH)
    max_abs_error: float | None = None
    weights_sha256: Sha256 | None = Field(
        default=None, description="of the file of its trained weights; None in results of earlier versions"
    )
    leads: bool = False
    note: Text = ""
    normalisation: Normalisation | None = Field(
        default=None, description="of its images, where it is not that of the run's data"
    )
    began_from: PretrainedRecord | None = Field(
        default=None, description="of a baseline with pretrained weights"
    )
    front_lead: FrontLead | None = Field(
        default=None, description="of a baseline; None if no trained model of the front is as fast"
    )

    @property
    def provenance(self) -> Provenance:
        """Provenance of the predicted latency."""
        return self.latency_ms.provenance

    @model_validator(mode="before")
    @classmethod
    def _provenance_is_the_latency_s(cls, value: Any) -> Any:
        """In JSON, the provenance is beside `latency_ms`."""
        if not (isinstance(value, dict) and isinstance(value.get("latency_ms"), dict)):
            return value
        rest = {name: each for name, each in value.items() if name != "provenance"}
        latency = dict(value["latency_ms"]) | {k: value[k] for k in ("provenance",) if k in value}
        return {**rest, "latency_ms": latency}

    @model_validator(mode="before")
    @classmethod
    def _resolution_is_the_space_s(cls, value: Any) -> Any:
        """Results of earlier versions have it in the architecture's space alone."""
        match value:
            case {"architecture": {"space": {"resolution": int(size)}}} if "resolution" not in value:
                return {**value, "resolution": size}
        return value

    @model_serializer(mode="wrap")
    def _with_provenance(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        figures = {"latency_ms": self.latency_ms.figures, "provenance": self.provenance.value}
        return {**write(self), **figures}


class Constraint(Document):
    """The latency limit, the latency range of the space, and whether the limit excludes anything (`binding`)."""

    max_latency_ms: float = Field(gt=0)
    fastest_ms: float = Field(gt=0)
    slowest_ms: float = Field(gt=0)
    binding: bool


class TargetLearning(Document):
    """What the gradient searcher had learnt for one target latency at the end.

    `expected_ms` is the mean latency over the distribution, `most_likely_ms` that of its most likely architecture, both
    predicted. `price_nats_per_ms` is the price of a millisecond in log-probability, 0 if `--latency-loss` has none.
    `entropy` is relative to the uniform distribution, `skip_share` the share of skippable layers that are skipped.
    """

    target_ms: float = Field(gt=0)
    expected_ms: float = Field(ge=0)
    most_likely_ms: float = Field(ge=0)
    price_nats_per_ms: float
    entropy: float = Fraction
    skip_share: float = Fraction


class Learning(Document):
    """The final state of the gradient searcher's learning, or its state when interrupted (not `finished`)."""

    finished: bool
    chosen: Id | None = Field(description="id of the architecture learnt for the limit itself, once known")
    targets: tuple[TargetLearning, ...] = Field(min_length=1, description="by ascending `target_ms`")


class SearchResult(Document):
    """Everything a search found.

    `front` holds the trained and verified models, fastest first (if interrupted, the untrained architectures found so
    far); `dropped` those that training or measurement excluded from it. `hypervolume` is the share, 0..1, of the box
    (error 0..1) x (latency 0..limit) that the evaluated architectures dominate; each further objective adds a
    dimension, up to its largest value in the space.
    """

    schema_: Literal["edgenas.front/1"] = Field(default="edgenas.front/1", alias="schema")
    run: str = Field(pattern=RUN_NAME)
    status: Literal["complete", "interrupted"]
    device: Line
    data: str = Field(max_length=MAX_TEXT)
    searcher: str
    metric: Metric = "top-1"
    objectives: tuple[Objective, ...] = TWO
    seed: int
    evaluations: Count
    constraint: Constraint
    hypervolume: float = Fraction
    pretrained: PretrainedRecord | None = Field(default=None, description="None: random weights")
    chosen: Id | None = Field(default=None, description="id of the architecture learnt for the limit")
    learning: Learning | None = Field(default=None, description="only for the gradient searcher")
    front: tuple[Model, ...]
    dropped: tuple[Model, ...] = ()
    baselines: tuple[Model, ...] = ()
    seconds: dict[str, Seconds] = Field(description="by phase, over all sessions of the run")
    notes: tuple[Text, ...] = ()
    report: str

    @model_validator(mode="after")
    def _is_of_a_space(self) -> "SearchResult":
        for model in (*self.front, *self.dropped):
            if "space" not in model.architecture:
                raise ValueError(f"model {model.id} is no architecture of a space, as only baselines may be")
        return self


def most_accurate_within(models: Sequence[Model], limit_ms: float) -> Model | None:
    """The trained model of the highest validation figure among those predicted within a latency; the first of equals.

    None if no trained one is as fast.
    """
    as_fast = [
        model
        for model in models
        if model.accuracies.validation is not None and model.latency_ms.predicted <= limit_ms
    ]
    return max(as_fast, key=lambda model: model.accuracies.validation or 0.0, default=None)
