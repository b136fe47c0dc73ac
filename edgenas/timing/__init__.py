"""How long does a model take? Sessions, bursts and rounds, so that noise of the machine does not decide."""
