"""How an architecture is learnt by gradient, as it is kept in `run.json`; read without loading torch."""

from pydantic import Field

from edgenas.formats import Document
from edgenas.vocabulary import Gates, LatencyLoss


class GradientRecipe(Document):
    """What ProxylessNAS (Cai et al., ICLR 2019) does beside training a supernet."""

    gates: Gates = "full"
    latency_loss: LatencyLoss = "constraint"
    targets: int = Field(default=5, ge=1, le=16, description="latencies learnt for, the limit the largest")
    every: int = Field(
        default=4, ge=1, description="weight steps for each step of the architecture, on average"
    )
    warm_up: float = Field(default=0.4, ge=0, lt=1, description="share of the training without architecture")
    learning_rate: float = Field(default=0.2, gt=0, description="how far a step moves a logit, decaying to 0")
