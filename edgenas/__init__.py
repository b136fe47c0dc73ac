"""edgenas finds the neural networks that are worth deploying on your device.

        import edgenas
        result = edgenas.search(device="jetson", max_latency="20ms")

Names are loaded when first used: `import edgenas` alone does not import torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

# Three functions share their name with a room. The rooms, empty but for their docstring, are loaded first, so
# that no later import of a room can put the module in the function's place.
import edgenas.export
import edgenas.report
import edgenas.search  # noqa: F401
from edgenas.jobs.export import export
from edgenas.jobs.report import report
from edgenas.jobs.search import search

if TYPE_CHECKING:
    from edgenas.accuracy.evaluator import Evaluator
    from edgenas.device import Device
    from edgenas.device.runtime import Runtime
    from edgenas.errors import EdgenasError
    from edgenas.jobs.benchmark import benchmark_search
    from edgenas.jobs.benchmark_latency import benchmark_latency
    from edgenas.jobs.devices import devices
    from edgenas.jobs.doctor import doctor
    from edgenas.jobs.predict import predict
    from edgenas.jobs.profile import profile
    from edgenas.jobs.validate import validate
    from edgenas.latency.predictor import LatencyPredictor
    from edgenas.latency.table import LatencyTable
    from edgenas.run.result import SearchResult
    from edgenas.search.searcher import Searcher
    from edgenas.space import Architecture, SearchSpace, mbconv

__version__ = "0.1.0"

_HOMES = {
    "Architecture": "edgenas.space",
    "Device": "edgenas.device",
    "EdgenasError": "edgenas.errors",
    "Evaluator": "edgenas.accuracy.evaluator",
    "LatencyPredictor": "edgenas.latency.predictor",
    "LatencyTable": "edgenas.latency.table",
    "Runtime": "edgenas.device.runtime",
    "SearchResult": "edgenas.run.result",
    "SearchSpace": "edgenas.space",
    "Searcher": "edgenas.search.searcher",
    "benchmark_latency": "edgenas.jobs.benchmark_latency",
    "benchmark_search": "edgenas.jobs.benchmark",
    "devices": "edgenas.jobs.devices",
    "doctor": "edgenas.jobs.doctor",
    "mbconv": "edgenas.space",
    "predict": "edgenas.jobs.predict",
    "profile": "edgenas.jobs.profile",
    "validate": "edgenas.jobs.validate",
}

__all__ = [
    "Architecture",
    "Device",
    "EdgenasError",
    "Evaluator",
    "LatencyPredictor",
    "LatencyTable",
    "Runtime",
    "SearchResult",
    "SearchSpace",
    "Searcher",
    "__version__",
    "benchmark_latency",
    "benchmark_search",
    "devices",
    "doctor",
    "export",
    "mbconv",
    "predict",
    "profile",
    "report",
    "search",
    "validate",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'edgenas' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
