"""EnvNet-v2: learnt filters whose outputs form an image, and convolutions on it (Tokozume et al. 2018)."""

from torch import Tensor, nn

from classifiers.waveform_windows import OverWindows, require_random_weights

SAMPLES = 66_650
"""Window length of the publication, 1.5 s at 44.1 kHz, which gives the first dense layer its 20,480 inputs."""
# Channels in and out, kernel of two convolutions, and size of the max pooling after them.
PAIRS = (
    (1, 32, (8, 8), (5, 3)),
    (32, 64, (1, 4), (1, 2)),
    (64, 128, (1, 2), (1, 2)),
    (128, 256, (1, 2), (1, 2)),
)
FLATTENED, HIDDEN, DROPOUT = 256 * 10 * 8, 4096, 0.5


class EnvNetV2(nn.Module):
    """Windows ``(batch, 1, 66650)`` to logits ``(batch, classes)``.

    Args:
        num_classes: number of logits.
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.filters = nn.Sequential(
            *_convolution(1, 32, (1, 64), step=(1, 2)),
            *_convolution(32, 64, (1, 16), step=(1, 2)),
            nn.MaxPool2d((1, 64)),
        )
        layers: list[nn.Module] = []
        for before, after, kernel, pool in PAIRS:
            layers += [*_convolution(before, after, kernel), *_convolution(after, after, kernel), nn.MaxPool2d(pool)]
        self.picture = nn.Sequential(*layers)
        self.dense = nn.Sequential(
            *(nn.Flatten(), nn.Linear(FLATTENED, HIDDEN), nn.ReLU(), nn.Dropout(DROPOUT)),
            *(nn.Linear(HIDDEN, HIDDEN), nn.ReLU(), nn.Dropout(DROPOUT), nn.Linear(HIDDEN, num_classes)),
        )

    def forward(self, windows: Tensor) -> Tensor:
        """Logits ``(batch, classes)``."""
        # The 64 filters become the rows of an image with one channel.
        picture = self.filters(windows.unsqueeze(2)).transpose(1, 2)
        return self.dense(self.picture(picture))


def build_envnet_v2(num_classes: int, pretrained: bool = False) -> nn.Module:
    """Build an EnvNet-v2 for 44.1 kHz: 101 M parameters, of which 84 M are in the first dense layer.

    Args:
        num_classes: number of logits.
        pretrained: must be False.

    Raises:
        ValueError: if ``pretrained``, because no weights are published.

    References:
        Y. Tokozume, Y. Ushiku and T. Harada, "Learning from between-class examples for deep sound recognition", ICLR
        2018 (arXiv:1711.10282).
    """
    require_random_weights("envnet_v2", pretrained)
    return OverWindows(EnvNetV2(num_classes), SAMPLES)


def _convolution(
    before: int, after: int, kernel: tuple[int, int], step: tuple[int, int] = (1, 1)
) -> tuple[nn.Module, nn.Module, nn.Module]:
    return nn.Conv2d(before, after, kernel, stride=step, bias=False), nn.BatchNorm2d(after), nn.ReLU()
