"""What a run found: the file `front.json`, which is also what `edgenas search --json` prints."""

from typing import Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from edgenas.device import Provenance
from edgenas.formats import Document
from edgenas.latency.latency import Latency
from edgenas.searchers.problem import TWO
from edgenas.vocabulary import Metric, Objective

Fraction = Field(ge=0, le=1)


class AccuracyFigure(Document):
    """An accuracy, by the run's metric, and what it is."""

    value: float = Fraction
    kind: Literal["supernet", "validation", "test"]


class Accuracies(Document):
    """All figures of one model by the run's metric; None for what was not looked at."""

    supernet: float | None = Field(default=None, ge=0, le=1)
    validation: float | None = Field(default=None, ge=0, le=1)
    test: float | None = Field(default=None, ge=0, le=1)


class Scores(Document):
    """Every metric of a trained model, 0..1."""

    validation: dict[Metric, float] = Field(default_factory=dict)
    test: dict[Metric, float] = Field(default_factory=dict)


class Model(Document):
    """One architecture of the front.

    `accuracy` is the best-founded figure the search may look at: validation once trained, supernet before.
    `leads` tells a model of the front that no other one equals in every objective; where accuracy and latency are all,
    one that is more accurate than every faster one. `peak_memory_bytes` is that of one image in fp32, all parameters
    included; None in a result from before it was told. `note` says why a model was
    dropped, or is empty. `name` is what a baseline is known by, such as "MobileNetV2 x0.35"; empty for what was
    found.
    """

    id: str
    name: str = ""
    architecture: dict[str, Any]
    accuracy: AccuracyFigure
    accuracies: Accuracies
    scores: Scores = Scores()
    latency_ms: Latency
    params: int = Field(ge=0)
    macs: int = Field(ge=0)
    peak_memory_bytes: int | None = Field(default=None, ge=0)
    onnx: str | None = None
    max_abs_error: float | None = None
    leads: bool = False
    note: str = ""

    @property
    def provenance(self) -> Provenance:
        """Where the predicted latency comes from."""
        return self.latency_ms.provenance

    @model_validator(mode="before")
    @classmethod
    def _provenance_is_the_latency_s(cls, value: Any) -> Any:
        """JSON has the provenance beside `latency_ms`."""
        if not (isinstance(value, dict) and isinstance(value.get("latency_ms"), dict)):
            return value
        rest = {name: each for name, each in value.items() if name != "provenance"}
        latency = dict(value["latency_ms"]) | {k: value[k] for k in ("provenance",) if k in value}
        return {**rest, "latency_ms": latency}

    @model_serializer(mode="wrap")
    def _with_provenance(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        figures = {"latency_ms": self.latency_ms.figures, "provenance": self.provenance.value}
        return {**write(self), **figures}


class Constraint(Document):
    """The latency limit, and whether it excluded anything: the space reaches from fastest to slowest."""

    max_latency_ms: float
    fastest_ms: float
    slowest_ms: float
    binding: bool


class TargetLearning(Document):
    """What a gradient searcher had learnt for one latency when its learning ended.

    `expected_ms` is the mean over the distribution, `most_likely_ms` that of its most likely architecture, both
    predicted. A millisecond is worth `price_nats_per_ms` of log-probability, 0 where `--latency-loss` has no price.
    `entropy` is a share of that of the uniform distribution, `skip_share` one of the layers that may be skipped.
    """

    target_ms: float = Field(gt=0)
    expected_ms: float = Field(ge=0)
    most_likely_ms: float = Field(ge=0)
    price_nats_per_ms: float
    entropy: float = Fraction
    skip_share: float = Fraction


class Learning(Document):
    """How the learning of a gradient searcher ended, or how far it was when interrupted (not `finished`)."""

    finished: bool
    chosen: str | None = Field(description="id; what was learnt for the limit itself, once that is known")
    targets: tuple[TargetLearning, ...] = Field(min_length=1, description="by ascending `target_ms`")


class SearchResult(Document):
    """Everything a search found.

    `front` holds the trained and verified models, fastest first (architectures known so far, untrained, when
    interrupted); `dropped` those that training or measuring showed not to belong there. `hypervolume` is the
    share, 0..1, of the box (error 0..1) x (latency 0..limit) that the evaluated architectures dominate; each further
    objective is one more side of the box, as long as the largest figure the space allows.
    """

    schema_: Literal["edgenas.front/1"] = Field(default="edgenas.front/1", alias="schema")
    run: str
    status: Literal["complete", "interrupted"]
    device: str
    data: str
    searcher: str
    metric: Metric = "top-1"
    objectives: tuple[Objective, ...] = TWO
    seed: int
    evaluations: int
    constraint: Constraint
    hypervolume: float = Fraction
    chosen: str | None = Field(default=None, description="id; what the gradient searcher has for the limit")
    learning: Learning | None = Field(default=None, description="of the gradient searcher alone")
    front: tuple[Model, ...]
    dropped: tuple[Model, ...] = ()
    baselines: tuple[Model, ...] = ()
    seconds: dict[str, float] = Field(description="by phase; of an interrupted run, all sessions together")
    notes: tuple[str, ...] = ()
    report: str
