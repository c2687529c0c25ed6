"""AlexNet for one-channel maps (Krizhevsky 2014, one column), from torchvision."""

from torch import nn
from torchvision.models import AlexNet, AlexNet_Weights

from classifiers.imagenet import fold_first_layer, imagenet_state

IMAGENET_CLASSES = 1000


def build_alexnet(num_classes: int, pretrained: bool) -> nn.Module:
    """Build an AlexNet: 57.0 million parameters at ten classes, nearly all in its linear layers.

    Its adaptive pooling brings any map of 63 x 63 or more to the 6 x 6 that the linear layers expect.
    """
    state = imagenet_state(AlexNet_Weights.IMAGENET1K_V1) if pretrained else None
    network = AlexNet(num_classes=IMAGENET_CLASSES if pretrained else num_classes)
    network.features[0] = nn.Conv2d(1, 64, kernel_size=11, stride=4, padding=2)
    if state is not None:
        network.load_state_dict(fold_first_layer(state, "features.0.weight", "features.0.bias"))
        network.classifier[6] = nn.Linear(4096, num_classes)
    return network
