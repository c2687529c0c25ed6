"""GoogLeNet for one-channel maps (Szegedy et al. 2015), from torchvision, without its auxiliary classifiers."""

from torch import nn
from torchvision.models import GoogLeNet, GoogLeNet_Weights

from classifiers.imagenet import fold_first_layer, imagenet_state

IMAGENET_CLASSES = 1000


def build_googlenet(num_classes: int, pretrained: bool) -> nn.Module:
    """Build a GoogLeNet with batch normalisation: 5.6 million parameters at ten classes.

    The pretrained weights came from a network that normalised with mean 0.5 and deviation 0.5; torchvision undoes its
    usual normalisation inside the network (``transform_input``), here the first layer takes the map as it is.
    """
    state = imagenet_state(GoogLeNet_Weights.IMAGENET1K_V1) if pretrained else None
    network = GoogLeNet(
        num_classes=IMAGENET_CLASSES if pretrained else num_classes,
        aux_logits=False,
        transform_input=False,
        # The truncated normal of the old initialisation (deviation 0.01) is slow to draw and helps nothing under
        # batch normalisation; the default of each layer is used instead.
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
