"""How long does a model take? Timing in bursts and rounds that is robust against machine noise."""
