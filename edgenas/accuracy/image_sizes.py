"""Images at other sizes than that of the data set: resized in a batch, for networks of a space with several sizes."""

from torch import Tensor, nn
from torch.nn import functional


def resized_images(images: Tensor, resolution: int) -> Tensor:
    """Normalised square images, (N, C, H, H), at another height and width, on their device.

    The filter is that of decoding (bilinear, with antialiasing), but it runs on floats that were decoded at another
    size: near enough to train and to rank, not what an exported model is evaluated on.
    """
    if images.shape[-1] == resolution:
        return images
    size = (resolution, resolution)
    return functional.interpolate(images, size, mode="bilinear", antialias=True)


class Resize(nn.Module):
    """`resized_images` as a module."""

    def __init__(self, resolution: int) -> None:
        super().__init__()
        self.resolution = resolution

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, H) to (N, C, resolution, resolution)."""
        return resized_images(images, self.resolution)
