"""What is timed on a device, and how good is what was learnt? Blocks, few networks, validation."""
