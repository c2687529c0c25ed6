"""Attacks: from input and label to adversarial input, with every gradient counted.

A victim is any module from an input ``(batch, ...)`` to logits ``(batch, classes)``; nothing here knows whether the
input is an image or a sound. ``ATTACKS[name](victim, bounds=(0.0, 1.0), seed=0)`` builds an attack,
``attack(inputs, labels)`` returns adversarials as torchattacks does, ``attack.run(...)`` returns an
:class:`~attacks.outcome.Outcome` with one row per clip, and ``attack.run_budgets(...)`` one outcome for each of several
budgets. ``TorchAttacksAttack(victim, "torchattacks.PGD")`` and ``AdvLibAttack(victim, "adv_lib.fmn")`` give attacks of
other libraries the same interface, and ``GradientCounter(victim)`` counts the gradients of any other code. Names in
``__all__`` are public. :mod:`attacks.base` describes how to add an attack, with one line in ``ATTACKS`` at the end.
A file belongs here if it changes inputs or counts what that costs; numbers over many clips belong in ``metrics``, files
and clips of a corpus in ``lightning_modules`` and ``commands``.
"""

from collections.abc import Callable
from functools import partial

from attacks.advlib_adapter import AdvLibAttack
from attacks.base import Attack
from attacks.bim import BIM
from attacks.cwa import CWA
from attacks.deepfool import DeepFool, DeepFoolOverTargets
from attacks.fgsm import FGSM
from attacks.gradient_counter import GradientCounter, GradientCounts
from attacks.jsma import JSMA
from attacks.lbfgs import LBFGS
from attacks.minimal_norm import MinimalNorm
from attacks.outcome import Outcome
from attacks.torchattacks_adapter import TorchAttacksAttack

ATTACKS: dict[str, Callable[..., Attack]] = {
    "fgsm": partial(FGSM, targeted=True),
    "fgsm_untargeted": FGSM,
    "fgsm_l2": partial(FGSM, norm="l2"),
    "bim_a": partial(BIM, stops_at_success=True),
    "bim_b": partial(BIM, stops_at_success=False),
    "bim_a_l2": partial(BIM, norm="l2", stops_at_success=True),
    "bim_b_l2": partial(BIM, norm="l2", stops_at_success=False),
    "deepfool": DeepFool,
    "deepfool_targeted": DeepFoolOverTargets,
    "deepfool_linf": partial(DeepFool, norm="linf"),
    "jsma": JSMA,
    "jsma_single": partial(JSMA, pairs=False),
    "cwa": partial(CWA, targeted=True),
    "cwa_untargeted": CWA,
    "lbfgs": LBFGS,
    "minimal_norm": MinimalNorm,
    "minimal_norm_linf": partial(MinimalNorm, norm="linf"),
}

__all__ = [
    "ATTACKS",
    "BIM",
    "CWA",
    "FGSM",
    "JSMA",
    "LBFGS",
    "AdvLibAttack",
    "Attack",
    "DeepFool",
    "DeepFoolOverTargets",
    "GradientCounter",
    "GradientCounts",
    "MinimalNorm",
    "Outcome",
    "TorchAttacksAttack",
]
