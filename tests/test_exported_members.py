"""The public surface: everything in `__all__` is there, documented, and nothing else is offered."""

import edgenas


def test_every_exported_name_exists_and_is_documented() -> None:
    for name in edgenas.__all__:
        member = getattr(edgenas, name)
        assert name == "__version__" or member.__doc__, name


def test_the_surface_is_what_the_readme_promises() -> None:
    functions = {
        "benchmark_latency",
        "benchmark_search",
        "devices",
        "doctor",
        "export",
        "mbconv",
        "predict",
        "profile",
        "report",
        "run",
        "search",
        "validate",
    }
    assert functions <= set(edgenas.__all__) == set(dir(edgenas))


def test_unknown_names_are_attribute_errors() -> None:
    import pytest

    with pytest.raises(AttributeError, match="has no attribute 'nosuch'"):
        _ = edgenas.nosuch
