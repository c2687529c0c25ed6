"""From maps to logits: ``(batch, 1, rows, columns)`` in [0, 1] -> ``(batch, classes)``, never probabilities.

Every architecture takes maps of 64 x 64 and larger; the representations produce 128 x 128 by default. To add an
architecture, write one file with a builder and add one line to :data:`ARCHITECTURES`, from which the command line takes
the allowed names. :mod:`classifiers.own_model` states the requirements on a network outside the project.
Non-differentiable classifiers (SVM, random forest) are in :mod:`classifiers.baselines`. Losses, optimisers and training
belong in ``lightning_modules``, and the computation of maps in ``representations``.
"""

from collections.abc import Callable, Collection

import torch
from torch import nn

from classifiers.cnn_1d import build_cnn_1d
from classifiers.crnn import build_crnn
from classifiers.envnet_v2 import build_envnet_v2
from classifiers.own_model import build_own_model
from classifiers.raw_waveform import build_m5, build_m11
from classifiers.resnet56 import build_resnet56
from classifiers.sb_cnn import build_sb_cnn
from classifiers.torchvision_nets import build_alexnet, build_googlenet, build_resnet18, build_resnet34
from classifiers.weights_file import load_weights
from storage.untrusted import named_builder

__all__ = [
    "ARCHITECTURES",
    "WAVEFORM_ARCHITECTURES",
    "build_classifier",
    "count_parameters",
    "find_architecture",
    "load_weights",
    "require_fitting_input",
]

ARCHITECTURES: dict[str, Callable[[int, bool], nn.Module]] = {
    "resnet18": build_resnet18,
    "resnet34": build_resnet34,
    "resnet56": build_resnet56,
    "googlenet": build_googlenet,
    "alexnet": build_alexnet,
    "sb_cnn": build_sb_cnn,
    "crnn": build_crnn,
    "m5": build_m5,
    "m11": build_m11,
    "cnn_1d": build_cnn_1d,
    "envnet_v2": build_envnet_v2,
}
WAVEFORM_ARCHITECTURES = ("m5", "m11", "cnn_1d", "envnet_v2")
"""The architectures that take waveforms ``(batch, 1, time)`` in [-1, 1] instead of maps."""


def find_architecture(architecture: object, allowed: Collection[str] = ()) -> Callable[..., nn.Module]:
    """Find the builder of an architecture, without building anything.

    Args:
        architecture: a name in :data:`ARCHITECTURES`, or the import path of a class or function as
            :mod:`classifiers.own_model` describes it.
        allowed: packages that an import path may lead to; nothing outside them is imported.

    Returns:
        The class or function that builds the module.

    Raises:
        ValueError: if ``architecture`` is neither, or the import path leads to something else.
    """
    return named_builder(architecture, "an architecture", nn.Module, ARCHITECTURES, allowed)


def build_classifier(
    architecture: str,
    num_classes: int,
    pretrained: bool = False,
    *,
    input_shape: tuple[int, ...] | None = None,
    allowed: Collection[str] = (),
) -> nn.Module:
    """Build a classifier of one-channel maps, or of waveforms (:data:`WAVEFORM_ARCHITECTURES`).

    The module has the same parameters under the same names whether ``pretrained`` or not, so that a checkpoint can be
    loaded without downloading the ImageNet weights.

    Args:
        architecture: as in :func:`find_architecture`.
        num_classes: number of logits, at least 2.
        pretrained: start from ImageNet weights instead of random ones.
        input_shape: shape of one map ``(channels, rows, columns)``, for a network outside the project.
        allowed: packages that an import path may lead to.

    Returns:
        The module, in training mode and float32 on the CPU.

    Raises:
        ValueError: for an unknown architecture, for fewer than two classes, for ``pretrained`` where no weights exist,
            and for a network outside the project that cannot be used.
        DataError: if the ImageNet weights are neither on this machine nor can be downloaded.
    """
    builder = find_architecture(architecture, allowed)
    if num_classes < 2:
        raise ValueError(f"expected num_classes of at least 2, got {num_classes}")
    if architecture in ARCHITECTURES:
        # Convolutions are fastest in the channels-last layout, on CPUs and GPUs alike.
        return builder(num_classes, pretrained).to(memory_format=torch.channels_last)
    if pretrained:
        raise ValueError(
            f"expected pretrained=False for {architecture}, got True; --model.weights names the weights of a network "
            "outside the project"
        )
    return build_own_model(builder, architecture, num_classes, input_shape)


def require_fitting_input(architecture: str, representation: str) -> None:
    """Raise ``ValueError`` unless an architecture takes the output of a representation.

    Args:
        architecture: name of an architecture or of a baseline; networks given by an import path are not checked.
        representation: name of a representation's class; all but ``Waveform`` produce maps.
    """
    if "." in architecture:
        return
    on_samples = architecture in WAVEFORM_ARCHITECTURES
    if on_samples and representation != "Waveform":
        raise ValueError(
            f"expected the representation Waveform with {architecture}, which takes samples, got {representation}"
        )
    if not on_samples and representation == "Waveform":
        raise ValueError(
            f"expected one of {', '.join(WAVEFORM_ARCHITECTURES)} with the representation Waveform, got "
            f"{architecture}, which takes maps"
        )


def count_parameters(module: nn.Module) -> int:
    """Number of trainable scalars of the module, without running statistics."""
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)
