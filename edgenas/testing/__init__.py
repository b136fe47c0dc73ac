"""Conformance kits: pytest base classes that check a plug-in against the contract of its base class.

    from edgenas.testing import SearchSpaceConformance

    class TestMySpace(SearchSpaceConformance):
        @pytest.fixture
        def space(self) -> SearchSpace:
            return MySpace(...)

Needs pytest; edgenas itself never imports this package.
"""

import pytest

# Must precede the imports below, so that failed assertions show their values, as in test modules.
pytest.register_assert_rewrite(
    "edgenas.testing.architecture_space_conformance",
    "edgenas.testing.evaluator_conformance",
    "edgenas.testing.network_space_conformance",
    "edgenas.testing.runtime_conformance",
    "edgenas.testing.search_space_conformance",
    "edgenas.testing.searcher_conformance",
)

from edgenas.testing.architecture_space_conformance import ArchitectureSpaceConformance  # noqa: E402
from edgenas.testing.evaluator_conformance import EvaluatorConformance  # noqa: E402
from edgenas.testing.network_space_conformance import NetworkSpaceConformance  # noqa: E402
from edgenas.testing.runtime_conformance import RuntimeConformance  # noqa: E402
from edgenas.testing.search_space_conformance import SearchSpaceConformance  # noqa: E402
from edgenas.testing.searcher_conformance import SearcherConformance  # noqa: E402

__all__ = [
    "ArchitectureSpaceConformance",
    "EvaluatorConformance",
    "NetworkSpaceConformance",
    "RuntimeConformance",
    "SearchSpaceConformance",
    "SearcherConformance",
]
