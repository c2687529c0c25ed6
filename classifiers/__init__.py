"""Map to logits: ``(batch, 1, rows, columns)`` in [0, 1] -> ``(batch, classes)``, never probabilities.

Maps of 64 x 64 and larger fit every architecture; 128 x 128 is what the representations make. A new architecture is
one file with a builder and one line in :data:`ARCHITECTURES`, from which the command line takes the names that it
allows. Classifiers without gradients (SVM, random forest) stand in :mod:`classifiers.baselines`. Losses, optimisers and
training belong in ``lightning_modules``, and what makes a map in ``representations``.
"""

from collections.abc import Callable

from torch import nn

from classifiers.crnn import build_crnn
from classifiers.resnet56 import build_resnet56
from classifiers.sb_cnn import build_sb_cnn
from classifiers.torchvision_nets import build_alexnet, build_googlenet, build_resnet18, build_resnet34

__all__ = ["ARCHITECTURES", "build_classifier", "count_parameters"]

ARCHITECTURES: dict[str, Callable[[int, bool], nn.Module]] = {
    "resnet18": build_resnet18,
    "resnet34": build_resnet34,
    "resnet56": build_resnet56,
    "googlenet": build_googlenet,
    "alexnet": build_alexnet,
    "sb_cnn": build_sb_cnn,
    "crnn": build_crnn,
}


def build_classifier(architecture: str, num_classes: int, pretrained: bool = False) -> nn.Module:
    """Build a classifier of one-channel maps.

    The module has the same parameters, under the same names, whether ``pretrained`` or not, so that a checkpoint is
    loaded into the untrained one without a network.

    Args:
        architecture: a name in :data:`ARCHITECTURES`.
        num_classes: number of logits, at least 2.
        pretrained: start from ImageNet weights instead of random ones.

    Raises:
        ValueError: for an unknown name, for fewer than two classes, and for ``pretrained`` where no weights exist.
        DataError: if the ImageNet weights are neither on this machine nor to be downloaded.
    """
    if architecture not in ARCHITECTURES:
        raise ValueError(f"expected architecture to be one of {', '.join(ARCHITECTURES)}, got {architecture!r}")
    if num_classes < 2:
        raise ValueError(f"expected num_classes of at least 2, got {num_classes}")
    return ARCHITECTURES[architecture](num_classes, pretrained)


def count_parameters(module: nn.Module) -> int:
    """Number of trainable scalars in the module; running statistics are not counted."""
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)
