"""What a user asks for: one module a job; the public Python API, which the command line renders."""
