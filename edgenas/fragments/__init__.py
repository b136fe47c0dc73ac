"""What is timed to learn what kernels cost? Small random networks of every kind that people's files have."""
