"""What can a user do? The public Python API, one module per command; the command line prints its results."""
