"""SB-CNN for one-channel maps: the network of Salamon and Bello 2017 (arXiv:1608.04363, section II-A)."""

import torch.nn.functional as F
from torch import Tensor, nn

FEWEST_ROWS, FEWEST_COLUMNS = 32, 100
"""Smallest map of which the three unpadded convolutions and two poolings leave at least one cell."""
CELLS = (25, 2)
"""Rows and columns that they leave of a map of 128 x 128."""


class SBCNN(nn.Module):
    """Three convolutions of 5 x 5, two poolings of 2 rows by 4 columns, and two linear layers, each after dropout.

    On maps of 128 x 128 it is the published network: its first linear layer has 48 x 25 x 2 = 2400 inputs. The features
    of maps of other sizes are averaged to the same number of cells; maps of fewer than 32 rows or 100 columns are first
    padded with zeros, the level of silence.

    Args:
        num_classes: number of logits.
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 24, kernel_size=5),
            nn.MaxPool2d((2, 4)),
            nn.ReLU(),
            nn.Conv2d(24, 48, kernel_size=5),
            nn.MaxPool2d((2, 4)),
            nn.ReLU(),
            nn.Conv2d(48, 48, kernel_size=5),
            nn.ReLU(),
        )
        self.cells = nn.AdaptiveAvgPool2d(CELLS)
        self.classifier = nn.Sequential(
            nn.Dropout(0.5),
            nn.Linear(48 * CELLS[0] * CELLS[1], 64),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(64, num_classes),
        )

    def forward(self, maps: Tensor) -> Tensor:
        """Map ``(batch, 1, rows, columns)`` in [0, 1] to logits ``(batch, classes)``."""
        rows, columns = max(0, FEWEST_ROWS - maps.shape[2]), max(0, FEWEST_COLUMNS - maps.shape[3])
        if rows or columns:
            maps = F.pad(maps, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))
        return self.classifier(self.cells(self.features(maps)).flatten(1))


def build_sb_cnn(num_classes: int, pretrained: bool) -> nn.Module:
    """Build an SB-CNN: 0.24 million parameters at ten classes.

    Raises:
        ValueError: if ``pretrained``, because no ImageNet weights of this network are published.
    """
    if pretrained:
        raise ValueError("expected pretrained=False for sb_cnn, got True; no ImageNet weights of it exist")
    return SBCNN(num_classes)
