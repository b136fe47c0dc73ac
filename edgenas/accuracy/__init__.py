"""How good is it? Data, training, the supernet and evaluators."""
