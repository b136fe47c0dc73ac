"""NSGA-II that learns from what was evaluated; see `searcher`."""
