"""What does a network cost on a device? Latency tables, calibration and prediction."""
