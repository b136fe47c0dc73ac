"""How an architecture is learnt by gradient, as stored in `run.json`; imported without torch."""

from pydantic import Field

from edgenas.formats import Document
from edgenas.vocabulary import Gates, LatencyLoss


class GradientRecipe(Document):
    """The settings of ProxylessNAS (Cai et al., ICLR 2019) beyond those of a supernet."""

    gates: Gates = "full"
    latency_loss: LatencyLoss = "constraint"
    targets: int = Field(
        default=5, ge=1, le=16, description="number of target latencies, the limit being the largest"
    )
    every: int = Field(default=4, ge=1, description="weight steps per architecture step, on average")
    warm_up: float = Field(
        default=0.4, ge=0, lt=1, description="share of the training in which only weights are trained"
    )
    learning_rate: float = Field(default=0.2, gt=0, description="step size of a logit, decaying to 0")
