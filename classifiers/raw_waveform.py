"""M5 and M11: convolutions on samples, with batch normalisation and global pooling (Dai et al. 2017)."""

from collections.abc import Sequence

from torch import Tensor, nn

from classifiers.waveform_windows import require_random_weights

FIRST_KERNEL, FIRST_STRIDE, POOL = 80, 4, 4
"""Length of the first filters (10 ms at 8 kHz) and their stride in samples; factor of each pooling."""


class RawWaveformNet(nn.Module):
    """Waveforms ``(batch, 1, time)`` of at least 1024 samples to logits ``(batch, classes)``; designed for 8 kHz.

    One bank of filters of 80 samples with a stride of 4, then groups of convolutions over 3 samples, each convolution
    followed by batch normalisation and ReLU. Max pooling by 4 precedes each group. The mean over time goes into one
    dense layer. Convolutions are padded so that they keep the length.

    Args:
        groups: numbers of filters of the convolutions after the first, group by group.
        width: number of filters of the first convolution.
        num_classes: number of logits.

    References:
        W. Dai et al., "Very deep convolutional neural networks for raw waveforms", ICASSP 2017 (arXiv:1610.00087),
        Table 1.
    """

    def __init__(self, groups: Sequence[Sequence[int]], *, width: int, num_classes: int) -> None:
        super().__init__()
        first = nn.Conv1d(1, width, FIRST_KERNEL, stride=FIRST_STRIDE, padding=FIRST_KERNEL // 2 - 1, bias=False)
        layers: list[nn.Module] = [first, nn.BatchNorm1d(width), nn.ReLU()]
        for group in groups:
            layers.append(nn.MaxPool1d(POOL))
            for channels in group:
                layers += [nn.Conv1d(width, channels, 3, padding=1, bias=False), nn.BatchNorm1d(channels), nn.ReLU()]
                width = channels
        self.features = nn.Sequential(*layers)
        self.dense = nn.Linear(width, num_classes)

    def forward(self, waveforms: Tensor) -> Tensor:
        """Logits ``(batch, classes)``."""
        return self.dense(self.features(waveforms).mean(dim=2))


def build_m5(num_classes: int, pretrained: bool = False) -> nn.Module:
    """Build an M5: five layers with weights, 0.5 M parameters; three groups of one convolution follow the first.

    Args:
        num_classes: number of logits.
        pretrained: must be False.

    Raises:
        ValueError: if ``pretrained``, because no weights are published.
    """
    require_random_weights("m5", pretrained)
    return RawWaveformNet([[128], [256], [512]], width=128, num_classes=num_classes)


def build_m11(num_classes: int, pretrained: bool = False) -> nn.Module:
    """Build an M11: eleven layers with weights, 1.8 M parameters; arguments and errors as in :func:`build_m5`."""
    require_random_weights("m11", pretrained)
    groups = [[64, 64], [128, 128], [256, 256, 256], [512, 512]]
    return RawWaveformNet(groups, width=64, num_classes=num_classes)
