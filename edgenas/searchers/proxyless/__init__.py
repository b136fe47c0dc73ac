"""ProxylessNAS: gradient-based search under a latency constraint."""
