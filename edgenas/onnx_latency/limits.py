"""How large an ONNX file, and what it stands for, may be: far beyond any network for a device, and soon looked at."""

MAX_MODEL_BYTES = 2**31 - 1
"""Protobuf's limit, which holds for what a runtime is given too; larger models keep weights in external data."""

MAX_NODES = 50_000
"""Several times the largest networks; a file of two kilobytes can call functions within functions for 2^40 nodes."""

MAX_WEIGHT_BYTES = 2**31 - 1
"""Of all external data."""

MAX_VALUE_BYTES = 2**31 - 1
"""Of any value in a call, and of all constants that a runtime computes when it loads a file."""

MAX_INPUT_BYTES, MAX_AXES = 2**30, 32
"""Far beyond any picture, and little enough to be made and copied on a board."""

MAX_FOLDED, MAX_FOLDED_NODES = 4096, 5_000
"""Largest constant that is evaluated, in elements: shapes and indices are short, weights are not needed. And how many
nodes are evaluated."""
