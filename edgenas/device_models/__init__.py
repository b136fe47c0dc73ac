"""What does a kernel cost? Device models, from a datasheet or fitted to published latencies."""
