"""Parts for edgenas: a search space, an evaluator, a searcher, a runtime, and a device that uses it (`*.toml`)."""
