"""NSGA-II assisted by a model of accuracy; see `surrogate_searcher`."""
