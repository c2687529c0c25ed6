"""Networks outside the project, as a user would write them: good ones, and one for each way to be wrong."""

import torch
import torch.nn.functional as F
from torch import nn

from representations import STFT


class ThreeChannels(nn.Module):
    """A network of colour pictures of 24 x 24 that repeats the one channel and resizes by itself."""

    def __init__(self, num_classes: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, kernel_size=3)
        self.norm = nn.BatchNorm2d(6)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(6 * 22, num_classes)

    def forward(self, maps):
        pictures = F.interpolate(maps.expand(-1, 3, -1, -1), size=(24, 24), mode="bilinear", align_corners=False)
        return self.fc(self.dropout(self.norm(self.conv(pictures)).relu().mean(3).flatten(1)))


class OwnSTFT(STFT):
    """A representation of one's own."""

    def __init__(self, **settings) -> None:
        super().__init__(**settings)


class Softmax(ThreeChannels):
    def forward(self, maps):
        return super().forward(maps).softmax(1)


class Sigmoid(ThreeChannels):
    def forward(self, maps):
        return super().forward(maps).sigmoid()


class Several(ThreeChannels):
    def forward(self, maps):
        return super().forward(maps), maps


class AlwaysTraining(ThreeChannels):
    def train(self, mode=True):
        return super().train(True)


class Broken(ThreeChannels):
    def forward(self, maps):
        return super().forward(maps) / 0 * 0


class OtherName(nn.Module):
    def __init__(self, n_out):
        super().__init__()


def shaped(num_classes, input_shape, in_channels):
    """A linear network of the shape that it asks for."""
    assert in_channels == input_shape[0]
    return nn.Sequential(nn.Flatten(), nn.Linear(torch.Size(input_shape).numel(), num_classes))


def lazy(num_classes):
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(num_classes))


def no_module(num_classes):
    return lambda maps: maps


def too_many(num_classes):
    return ThreeChannels(num_classes + 1)


def half(num_classes):
    return ThreeChannels(num_classes).half()


def elsewhere(num_classes):
    return ThreeChannels(num_classes).to("meta")


def colours_only(num_classes):
    return nn.Sequential(nn.Conv2d(3, 2, 1), nn.Flatten(), nn.LazyLinear(num_classes))


def raising(num_classes):
    raise KeyError("no such thing")


NOT_CALLABLE = 3
