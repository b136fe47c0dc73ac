"""Latency on a device that few networks were timed on, from what is known of other devices."""
