"""The same attacks in torchattacks, foolbox and ART, with settings as similar as the libraries allow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

STEPS = 50
OVERSHOOT = 0.02
SEARCH_STEPS, ITERATIONS, FIRST_CONSTANT, LEARNING_RATE = 3, 100, 1.0, 0.01

Attacker = Callable[[nn.Module, Tensor, Tensor], Tensor]
"""From a victim, inputs and labels to adversarials."""


@dataclass(frozen=True)
class Peer:
    """An attack of another library.

    Args:
        library: its name.
        settings: what it is run with, in words.
        attack: imports the library when it is called.
    """

    library: str
    settings: str
    attack: Attacker


def torchattacks_deepfool(victim: nn.Module, inputs: Tensor, labels: Tensor) -> Tensor:
    """DeepFool of torchattacks."""
    import torchattacks

    return torchattacks.DeepFool(victim, steps=STEPS, overshoot=OVERSHOOT)(inputs, labels)


def foolbox_deepfool(victim: nn.Module, inputs: Tensor, labels: Tensor) -> Tensor:
    """DeepFool of foolbox towards all classes."""
    import foolbox

    attack = foolbox.attacks.L2DeepFoolAttack(steps=STEPS, candidates=None, overshoot=OVERSHOOT)
    return attack(foolbox.PyTorchModel(victim, bounds=(0, 1), device=inputs.device), inputs, labels, epsilons=None)[0]


def art_deepfool(victim: nn.Module, inputs: Tensor, labels: Tensor) -> Tensor:
    """DeepFool of ART towards all classes; it moves away from the prediction, which is the label of a correct clip."""
    from art.attacks.evasion import DeepFool

    classifier, classes = _art_classifier(victim, inputs)
    attack = DeepFool(
        classifier, max_iter=STEPS, epsilon=OVERSHOOT, nb_grads=classes, batch_size=len(inputs), verbose=False
    )
    return torch.from_numpy(attack.generate(inputs.numpy()))


def torchattacks_cwa(victim: nn.Module, inputs: Tensor, labels: Tensor) -> Tensor:
    """CW of torchattacks, which has no search over c."""
    import torchattacks

    return torchattacks.CW(victim, c=FIRST_CONSTANT, kappa=0, steps=ITERATIONS, lr=LEARNING_RATE)(inputs, labels)


def foolbox_cwa(victim: nn.Module, inputs: Tensor, labels: Tensor) -> Tensor:
    """CW of foolbox; it returns images of zeros where it fails."""
    import foolbox

    attack = foolbox.attacks.L2CarliniWagnerAttack(
        binary_search_steps=SEARCH_STEPS, steps=ITERATIONS, stepsize=LEARNING_RATE, initial_const=FIRST_CONSTANT
    )
    found = attack(foolbox.PyTorchModel(victim, bounds=(0, 1), device=inputs.device), inputs, labels, epsilons=None)[0]
    # An image of zeros is often classified as another class, and would wrongly count as a success of the attack.
    invented = (found == 0).flatten(1).all(dim=1)
    return torch.where(invented.view(-1, *(1 for _ in inputs.shape[1:])), inputs, found)


def art_cwa(victim: nn.Module, inputs: Tensor, labels: Tensor) -> Tensor:
    """CW of ART."""
    from art.attacks.evasion import CarliniL2Method

    classifier, _ = _art_classifier(victim, inputs)
    attack = CarliniL2Method(
        classifier,
        binary_search_steps=SEARCH_STEPS,
        max_iter=ITERATIONS,
        learning_rate=LEARNING_RATE,
        initial_const=FIRST_CONSTANT,
        batch_size=len(inputs),
        verbose=False,
    )
    return torch.from_numpy(attack.generate(inputs.numpy(), labels.numpy()))


def _art_classifier(victim: nn.Module, inputs: Tensor) -> tuple[object, int]:
    from art.estimators.classification import PyTorchClassifier

    with torch.no_grad():
        classes = victim(inputs[:1]).shape[1]
    shape = tuple(inputs.shape[1:])
    return PyTorchClassifier(
        victim, nn.CrossEntropyLoss(), shape, classes, clip_values=(0.0, 1.0), device_type="cpu"
    ), classes


DEEPFOOL_SETTINGS = f"l2, {STEPS} steps, all classes"
SEARCH_SETTINGS = f"untargeted, {SEARCH_STEPS} x {ITERATIONS}"
PEERS: dict[str, tuple[Peer, ...]] = {
    "deepfool": (
        Peer("torchattacks", DEEPFOOL_SETTINGS, torchattacks_deepfool),
        Peer("foolbox", DEEPFOOL_SETTINGS, foolbox_deepfool),
        Peer("art", DEEPFOOL_SETTINGS, art_deepfool),
    ),
    "cwa": (
        Peer("torchattacks", f"untargeted, c = {FIRST_CONSTANT:g}, {ITERATIONS} steps", torchattacks_cwa),
        Peer("foolbox", SEARCH_SETTINGS, foolbox_cwa),
        Peer("art", SEARCH_SETTINGS, art_cwa),
    ),
}
"""Peers of each attack that has any."""
