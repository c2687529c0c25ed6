"""ResNet-56 for one-channel maps: the 6n + 2 layers of He et al. 2016, section 4.2, with n = 9.

The replicated paper uses a ResNet-56 beside ResNet-18 and ResNet-34; this narrow network of 0.85 million parameters is
the only published one of that name.
"""

import torch.nn.functional as F
from torch import Tensor, nn

BLOCKS_PER_STAGE = 9
STAGE_WIDTHS = (16, 32, 64)


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions with a parameter-free shortcut (option A of He et al.).

    Args:
        channels_in: channels of the input.
        channels: channels of the output; the shortcut pads missing channels with zeros.
        stride: 1, or 2 to halve the map; the shortcut then takes every second row and column.
    """

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.new_channels = channels - channels_in
        self.conv1 = nn.Conv2d(channels_in, channels, kernel_size=3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, kernel_size=3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, features: Tensor) -> Tensor:
        """Map ``(batch, channels_in, rows, columns)`` to ``(batch, channels, rows / stride, columns / stride)``."""
        shortcut = features[:, :, :: self.stride, :: self.stride]
        shortcut = F.pad(shortcut, (0, 0, 0, 0, 0, self.new_channels))
        residual = F.relu(self.bn1(self.conv1(features)))
        return F.relu(shortcut + self.bn2(self.conv2(residual)))


class ResNet56(nn.Module):
    """Three stages of nine blocks, global average pooling and one linear layer, for maps of any size.

    Args:
        num_classes: number of logits.
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, STAGE_WIDTHS[0], kernel_size=3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(STAGE_WIDTHS[0])
        blocks: list[nn.Module] = []
        channels_in = STAGE_WIDTHS[0]
        for stage, channels in enumerate(STAGE_WIDTHS):
            for block in range(BLOCKS_PER_STAGE):
                blocks.append(BasicBlock(channels_in, channels, stride=2 if stage > 0 and block == 0 else 1))
                channels_in = channels
        self.blocks = nn.Sequential(*blocks)
        self.fc = nn.Linear(STAGE_WIDTHS[-1], num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, maps: Tensor) -> Tensor:
        """Map ``(batch, 1, rows, columns)`` in [0, 1] to logits ``(batch, classes)``."""
        features = self.blocks(F.relu(self.bn1(self.conv1(maps))))
        return self.fc(features.mean(dim=(2, 3)))


def build_resnet56(num_classes: int, pretrained: bool) -> nn.Module:
    """Build a ResNet-56: 0.85 million parameters at ten classes.

    Raises:
        ValueError: if ``pretrained``, because no ImageNet weights of this network are published.
    """
    if pretrained:
        raise ValueError("expected pretrained=False for resnet56, got True; no ImageNet weights of it exist")
    return ResNet56(num_classes)
