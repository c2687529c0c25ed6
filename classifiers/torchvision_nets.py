"""Networks of torchvision for one-channel maps: ResNet-18 and -34, GoogLeNet and AlexNet."""

from collections.abc import Callable

from torch import nn
from torchvision.models import (
    AlexNet,
    AlexNet_Weights,
    GoogLeNet,
    GoogLeNet_Weights,
    ResNet,
    ResNet18_Weights,
    ResNet34_Weights,
    WeightsEnum,
    resnet18,
    resnet34,
)

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


def build_googlenet(num_classes: int, pretrained: bool) -> nn.Module:
    """Build a GoogLeNet with batch normalisation: 5.6 million parameters at ten classes.

    The pretrained weights come from a network trained on inputs normalised with mean 0.5 and deviation 0.5, to which
    torchvision converts its usual normalisation inside the network (``transform_input``). Here the first layer is
    folded to take the map itself.
    """
    state = imagenet_state(GoogLeNet_Weights.IMAGENET1K_V1) if pretrained else None
    network = GoogLeNet(
        num_classes=IMAGENET_CLASSES if pretrained else num_classes,
        aux_logits=False,
        transform_input=False,
        # The truncated normal of the old initialisation (deviation 0.01) is slow to draw and of no use before batch
        # normalisation; the default of each layer is used instead.
        init_weights=False,
    )
    network.conv1.conv = nn.Conv2d(1, 64, kernel_size=7, stride=2, padding=3, bias=False)
    if state is not None:
        folded = fold_first_layer(
            state, "conv1.conv.weight", "conv1.bn.running_mean", mean=(0.5, 0.5, 0.5), deviation=(0.5, 0.5, 0.5)
        )
        network.load_state_dict({key: value for key, value in folded.items() if not key.startswith("aux")})
        network.fc = nn.Linear(network.fc.in_features, num_classes)
    return network


def build_alexnet(num_classes: int, pretrained: bool) -> nn.Module:
    """Build an AlexNet: 57.0 million parameters at ten classes, nearly all in its linear layers.

    Its adaptive pooling reduces the features of any map of at least 63 x 63 to the 6 x 6 of the linear layers.
    """
    state = imagenet_state(AlexNet_Weights.IMAGENET1K_V1) if pretrained else None
    network = AlexNet(num_classes=IMAGENET_CLASSES if pretrained else num_classes)
    network.features[0] = nn.Conv2d(1, 64, kernel_size=11, stride=4, padding=2)
    if state is not None:
        network.load_state_dict(fold_first_layer(state, "features.0.weight", "features.0.bias"))
        network.classifier[6] = nn.Linear(4096, num_classes)
    return network
