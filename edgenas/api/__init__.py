"""What does a user ask for? The public Python API, one module a command; the command line renders its results."""
