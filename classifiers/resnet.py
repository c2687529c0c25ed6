"""ResNet-18 and ResNet-34 for one-channel maps (He et al. 2016, section 4.1), from torchvision."""

from collections.abc import Callable

from torch import nn
from torchvision.models import ResNet, ResNet18_Weights, ResNet34_Weights, WeightsEnum, resnet18, resnet34

from classifiers.imagenet import fold_first_layer, imagenet_state

IMAGENET_CLASSES = 1000


def build_resnet18(num_classes: int, pretrained: bool) -> nn.Module:
    """Build a ResNet-18: 11.2 million parameters at ten classes."""
    return _build(resnet18, ResNet18_Weights.IMAGENET1K_V1, num_classes, pretrained)


def build_resnet34(num_classes: int, pretrained: bool) -> nn.Module:
    """Build a ResNet-34: 21.3 million parameters at ten classes."""
    return _build(resnet34, ResNet34_Weights.IMAGENET1K_V1, num_classes, pretrained)


def _build(architecture: Callable[..., ResNet], weights: WeightsEnum, num_classes: int, pretrained: bool) -> ResNet:
    state = imagenet_state(weights) if pretrained else None
    network = architecture(num_classes=IMAGENET_CLASSES if pretrained else num_classes)
    network.conv1 = nn.Conv2d(1, 64, kernel_size=7, stride=2, padding=3, bias=False)
    nn.init.kaiming_normal_(network.conv1.weight, mode="fan_out", nonlinearity="relu")
    if state is not None:
        network.load_state_dict(fold_first_layer(state, "conv1.weight", "bn1.running_mean"))
        network.fc = nn.Linear(network.fc.in_features, num_classes)
    return network
