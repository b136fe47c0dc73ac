"""What does a kernel cost? Models of a device: from its datasheet, or fitted to published latencies."""
