"""edgenas finds the neural networks that are worth deploying on your device.

        import edgenas
        run = edgenas.search(device="jetson", max_latency="20ms")

Names are loaded when first used: `import edgenas` alone does not import torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgenas.accuracy.dataset import Dataset, dataset_from_arrays
    from edgenas.accuracy.evaluator import Evaluator
    from edgenas.api.bench import bench
    from edgenas.api.benchmark_latency import benchmark_latency
    from edgenas.api.benchmark_search import benchmark_search
    from edgenas.api.devices import devices
    from edgenas.api.devices_add import devices_add
    from edgenas.api.doctor import doctor
    from edgenas.api.export import export
    from edgenas.api.kit import kit
    from edgenas.api.kit_import import kit_import
    from edgenas.api.predict import predict
    from edgenas.api.profile import profile
    from edgenas.api.remove_runs import remove_runs
    from edgenas.api.report import report
    from edgenas.api.run import run
    from edgenas.api.runs import runs
    from edgenas.api.search import search
    from edgenas.api.search_plan import search_plan
    from edgenas.api.search_run import Run, TrainedModel, load_run
    from edgenas.api.validate import validate
    from edgenas.device import Device
    from edgenas.device.runtime import Runtime
    from edgenas.errors import EdgenasError
    from edgenas.latency.predictor import LatencyPredictor
    from edgenas.latency.table import LatencyTable
    from edgenas.searchers.searcher import Searcher
    from edgenas.space import Architecture, SearchSpace, mbconv
    from edgenas.storage.search_result import SearchResult

__version__ = "0.1.0"

_HOMES = {
    "Architecture": "edgenas.space",
    "Dataset": "edgenas.accuracy.dataset",
    "Device": "edgenas.device",
    "EdgenasError": "edgenas.errors",
    "Evaluator": "edgenas.accuracy.evaluator",
    "LatencyPredictor": "edgenas.latency.predictor",
    "LatencyTable": "edgenas.latency.table",
    "Run": "edgenas.api.search_run",
    "Runtime": "edgenas.device.runtime",
    "SearchResult": "edgenas.storage.search_result",
    "SearchSpace": "edgenas.space",
    "Searcher": "edgenas.searchers.searcher",
    "TrainedModel": "edgenas.api.search_run",
    "bench": "edgenas.api.bench",
    "benchmark_latency": "edgenas.api.benchmark_latency",
    "benchmark_search": "edgenas.api.benchmark_search",
    "dataset_from_arrays": "edgenas.accuracy.dataset",
    "devices": "edgenas.api.devices",
    "devices_add": "edgenas.api.devices_add",
    "doctor": "edgenas.api.doctor",
    "export": "edgenas.api.export",
    "kit": "edgenas.api.kit",
    "kit_import": "edgenas.api.kit_import",
    "load_run": "edgenas.api.search_run",
    "mbconv": "edgenas.space",
    "predict": "edgenas.api.predict",
    "profile": "edgenas.api.profile",
    "remove_runs": "edgenas.api.remove_runs",
    "report": "edgenas.api.report",
    "run": "edgenas.api.run",
    "runs": "edgenas.api.runs",
    "search": "edgenas.api.search",
    "search_plan": "edgenas.api.search_plan",
    "validate": "edgenas.api.validate",
}

__all__ = [
    "Architecture",
    "Dataset",
    "Device",
    "EdgenasError",
    "Evaluator",
    "LatencyPredictor",
    "LatencyTable",
    "Run",
    "Runtime",
    "SearchResult",
    "SearchSpace",
    "Searcher",
    "TrainedModel",
    "__version__",
    "bench",
    "benchmark_latency",
    "benchmark_search",
    "dataset_from_arrays",
    "devices",
    "devices_add",
    "doctor",
    "export",
    "kit",
    "kit_import",
    "load_run",
    "mbconv",
    "predict",
    "profile",
    "remove_runs",
    "report",
    "run",
    "runs",
    "search",
    "search_plan",
    "validate",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'edgenas' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
