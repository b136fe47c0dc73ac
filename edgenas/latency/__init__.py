"""What does it cost there? Latency tables, profiling and prediction."""
