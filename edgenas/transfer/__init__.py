"""Latency on a device with few timed networks, using what is known of other devices."""
