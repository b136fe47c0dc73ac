"""Which architectures to evaluate next, and which to keep? The problem, the searchers, the loop and fronts."""
