"""Which ones to keep? The problem, searchers, the loop and fronts."""
