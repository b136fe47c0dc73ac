"""ProxylessNAS: the gradient searcher that meets its latency."""
