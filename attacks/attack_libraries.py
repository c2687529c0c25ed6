"""Attacks of other libraries by name alone, ``torchattacks.PGD`` or ``adv_lib.fmn``, with default budgets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import Any

from torch import nn

from attacks.advlib_adapter import FUNCTIONS, AdvLibAttack
from attacks.base import Attack
from attacks.budgets import Budget
from attacks.library_attack import LibraryAttack, meant
from attacks.torchattacks_adapter import TorchAttacksAttack, attack_classes

LIBRARIES: dict[str, type[TorchAttacksAttack] | type[AdvLibAttack]] = {
    library.library: library for library in (TorchAttacksAttack, AdvLibAttack)
}
"""Adapters by library, the part of an attack's name before the dot."""

SHORTER_STEPS = ("alpha",)
"""Step lengths that scale with the bound when an attack is given by name alone."""

MAP = (1, 128, 128)
"""Shape of a map as the commands give it to attacks, for checks of the number of dimensions and channels."""


@dataclass(frozen=True)
class NamedAttack:
    """An attack of another library given by name alone.

    Attributes:
        build: makes the attack from a victim and ``bounds`` and ``seed``.
        budgets: its budgets, in our words.
        definition: everything else that determines its results, as plain values.
        description: budgets and defaults in a sentence, to be shown to the user.
    """

    build: Callable[..., Attack]
    budgets: tuple[Budget, ...]
    definition: dict[str, Any]
    description: str


def adapter(name: str) -> Callable[..., LibraryAttack] | None:
    """Return the adapter of the library that a name begins with, or None if it begins with none."""
    library, dot, _ = name.partition(".")
    return LIBRARIES.get(library) if dot else None


def named_attack(name: str, profile: Mapping[str, list[Budget]]) -> NamedAttack:
    """Choose budgets and settings for an attack of a library of which only the name is given.

    Its budgets are those that the profile has under its name. Otherwise, an attack with a bound gets the profile's
    deltas as bounds with the library's number of steps, and the step length scales with the bound as in the library's
    defaults (with the fixed steps of 2 / 255 of torchattacks, a step would exceed a small bound, and all steps together
    would not reach a large one). An attack without a bound gets one budget, the library's defaults.

    Args:
        name: ``torchattacks.`` or ``adv_lib.`` followed by the name of an attack of that library.
        profile: budgets by attack.

    Returns:
        The attack with its budgets and a description of them.

    Raises:
        ValueError: for an attack that the library does not have, or for an attack with a bound if no budget of the
            profile has a delta.
    """
    build = adapter(name)
    assert build is not None, "the caller has looked"
    attack = build(nn.Identity(), name)
    attack.check_shape(MAP)
    relative = {}
    if attack.bound is not None:
        relative = {
            step: attack.defaults[step] / attack.defaults[attack.bound]
            for step in SHORTER_STEPS
            if step in attack.defaults
        }
    attack.relative = relative
    budgets = profile[name] if name in profile else _default_budgets(attack, profile)
    said = tuple(attack.in_our_words(budget) for budget in budgets)
    definition: dict[str, Any] = {"class_path": name, "relative": relative}
    return NamedAttack(partial(build, class_path=name, relative=relative), said, definition, _described(attack, said))


def in_our_words(class_path: str, init_args: Mapping[str, Any], budgets: list[Budget]) -> list[Budget]:
    """Return budgets in the words of the results: ``delta`` for a bound in l_inf, ``steps`` for a number of steps.

    Args:
        class_path: name of an attack; the budgets of one that does not belong to a library are returned as they are.
        init_args: its arguments that do not vary between budgets.
        budgets: settings of each budget, in the library's words or ours.

    Raises:
        ValueError: for an attack that the library does not have, or an argument that the attack does not have.
    """
    build = adapter(class_path)
    if build is None:
        return budgets
    attack = build(nn.Identity(), class_path, init_args)
    attack.check_shape(MAP)
    return [attack.with_settings(**budget).in_our_words(budget) for budget in budgets]


def nearest(name: str, own: Iterable[str]) -> str:
    """Suggest attacks with names close to a wrong one, as the end of an error message.

    Args:
        name: the wrong name.
        own: names of this package's own attacks.

    Returns:
        The suggestion; empty if no name is close.
    """
    theirs = [f"torchattacks.{one}" for one in attack_classes()] + [f"adv_lib.{one}" for one in FUNCTIONS]
    return meant(name, [*own, *theirs])


def _default_budgets(attack: LibraryAttack, profile: Mapping[str, list[Budget]]) -> list[Budget]:
    defaults = {
        word: attack.defaults[argument]
        for word, argument in attack.words.items()
        if argument != attack.bound and attack.defaults[argument] is not None
    }
    if attack.bound is None:
        return [defaults]
    own = "fgsm_l2" if attack.measure == "l2" else "fgsm"
    ordered = [profile.get(own, []), *profile.values()]
    sizes = next((found for budgets in ordered if (found := _sizes(budgets))), None)
    if sizes is None:
        raise ValueError(
            f"expected budgets for {attack.class_path}, found a profile without a delta or an snr_db: "
            f"add {attack.class_path}: {{{attack.bound}: [0.01, 0.1]}} to it"
        )
    return [{attack.bound if name == "delta" else name: size, **defaults} for name, size in sizes]


def _sizes(budgets: Iterable[Budget]) -> list[tuple[str, float]]:
    """Sizes of perturbations in the order of a profile, each by the name of its setting and only once."""
    given = ((name, budget[name]) for budget in budgets for name in ("delta", "snr_db") if name in budget)
    return list(dict.fromkeys(given))


def _described(attack: LibraryAttack, budgets: tuple[Budget, ...]) -> str:
    varied = dict.fromkeys(name for budget in budgets for name in budget)
    values = {name: list(dict.fromkeys(budget.get(name) for budget in budgets)) for name in varied}
    parts = [f"{name} {', '.join(map(_short, some))}" for name, some in values.items()]
    given = {attack.words.get(name, name) for name in varied}
    bound = next((name for name in varied if attack.words.get(name, name) == attack.bound), attack.bound)
    parts += [f"{step} {_short(factor)} x {bound}" for step, factor in attack.relative.items() if step not in given]
    others = [
        f"{name}={_short(value)}"
        for name, value in attack.defaults.items()
        if name not in given and name not in attack.relative and name not in ("n_classes", "seed", "verbose")
    ]
    count = "one budget" if len(budgets) == 1 else f"{len(budgets)} budgets"
    rest = f"; {', '.join(others)} as in {attack.distribution} {version(attack.distribution)}" if others else ""
    return f"{attack.class_path}: {count}{': ' if parts else ''}{'; '.join(parts)}{rest}"


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
