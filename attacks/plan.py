"""Attack plans: an attack given by name or by a file, with its budgets, checked before it is run."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from attacks import ATTACKS
from attacks.advlib_adapter import AdvLibAttack
from attacks.attack_libraries import LIBRARIES, adapter, in_our_words, named_attack, nearest
from attacks.base import Attack
from attacks.batch_checks import require_numbers
from attacks.budgets import Budget, expand_grid
from attacks.torchattacks_adapter import TorchAttacksAttack
from storage.untrusted import constructor_types, named_class, shortened
from storage.yaml_file import read_yaml

RESERVED = ("clean", "check_")
"""Prefixes of names that results use for clean predictions and for attacks of the trust checks."""
FILE_KEYS = {"class_path", "init_args", "budgets", "targeted", "batched"}


@dataclass(frozen=True)
class AttackPlan:
    """One attack at several budgets.

    Args:
        name: name of the attack in every result.
        build: makes the attack from a victim and ``bounds`` and ``seed``.
        budgets: settings of each budget; ``[{}]`` runs the attack as it is built.
        definition: plain values that distinguish this attack from another of the same name.
        description: budgets and defaults in a sentence, if the user has not given them.
    """

    name: str
    build: Callable[..., Attack]
    budgets: tuple[Budget, ...]
    definition: Any = None
    description: str = ""

    def longest_budgets(self) -> list[int]:
        """Positions of the budgets whose costs add up to that of the plan: of budgets that share a run, the last."""
        attack = self.build(nn.Identity(), bounds=(0.0, 1.0), seed=0)
        return [members[-1] for members in attack.shared_runs(self.budgets)]

    def gradients_allowed(self, classes: int) -> int:
        """Gradient rows per clip that the plan may spend over all its budgets, those that share a run counted once.

        Args:
            classes: number of classes of the victim; an iteration of DeepFool takes a gradient for each but one.
        """
        rows = classes - 1 if self.name.startswith("deepfool") else 2 if self.name.startswith("jsma") else 1
        budgets = [self.budgets[position] for position in self.longest_budgets()]
        names = ("steps", "search_steps", "iterations")
        return rows * sum(math.prod(int(budget.get(name, 1)) for name in names) for budget in budgets)

    def check(self) -> None:
        """Build the attack at every budget on an empty victim.

        Raises:
            ValueError: if the attack cannot be built with a setting; the message names the attack.
        """
        try:
            attack = self.build(nn.Identity(), bounds=(0.0, 1.0), seed=0)
            for budget in self.budgets:
                attack.with_settings(**budget)
        except ValueError as error:
            raise ValueError(f"{self.name}: {error}") from error
        # A user's own attack may raise any exception while it is built.
        except Exception as error:
            raise ValueError(
                f"{self.name}: expected an attack that can be built with its settings, got {type(error).__name__}: "
                f"{shortened(str(error))}"
            ) from error


def plan_attack(name: str, profile: Mapping[str, list[Budget]], allowed: Collection[str] = ()) -> AttackPlan:
    """Plan an attack of ``ATTACKS``, an attack of a library by name, or one described by a YAML file.

    Args:
        name: a name in ``ATTACKS``, ``torchattacks.CLASS`` or ``adv_lib.FUNCTION``, or a file ``*.yaml`` with
            ``class_path`` (of a library, of this project, or an :class:`Attack` of your own), ``init_args``,
            ``targeted``, ``batched`` (libraries only) and ``budgets``, a grid.
        profile: budgets by attack.
        allowed: packages whose classes a file may name (``--allow-import``); nothing outside them is imported.

    Returns:
        The plan; all its budgets have been checked.

    Raises:
        ValueError: for an unknown attack, one that may not be imported, one without budgets, or invalid settings.
    """
    if name.endswith((".yaml", ".yml")):
        plan = _plan_from_file(Path(name), allowed)
    elif adapter(name) is not None:
        named = named_attack(name, profile)
        plan = AttackPlan(name, named.build, named.budgets, named.definition, named.description)
    elif name not in ATTACKS:
        libraries = " or ".join(f"{library}.NAME" for library in LIBRARIES)
        raise ValueError(
            f"expected an attack among {', '.join(ATTACKS)}, one of a library as {libraries}, or a YAML file of one, "
            f"got {name!r}{nearest(name, ATTACKS)}"
        )
    elif name not in profile:
        raise ValueError(f"expected budgets for {name}, found a profile with {', '.join(profile)} only")
    else:
        plan = AttackPlan(name, ATTACKS[name], tuple(profile[name]))
    plan.check()
    return plan


def _plan_from_file(path: Path, allowed: Collection[str]) -> AttackPlan:
    if not path.is_file():
        raise ValueError(f"expected an attack in {path}, found no such file")
    if path.name.startswith(RESERVED):
        raise ValueError(f"expected a file whose name does not begin with {' or '.join(RESERVED)}, got {path.name}")
    content = read_yaml(path)
    unknown = sorted(set(content) - FILE_KEYS)
    if "class_path" not in content or unknown:
        found = f"{', '.join(unknown)} too" if unknown else "no class_path"
        raise ValueError(f"expected class_path and some of {', '.join(sorted(FILE_KEYS))} in {path}, found {found}")
    class_path, init_args = content["class_path"], content.get("init_args") or {}
    if not isinstance(class_path, str) or not isinstance(init_args, dict) or not all(map(_is_text, init_args)):
        found = f"{shortened(class_path)} and {shortened(init_args)}"
        raise ValueError(f"expected a class_path and its init_args by name in {path}, found {found}")
    for flag in ("targeted", "batched"):
        if not isinstance(content.get(flag, False), bool):
            raise ValueError(f"expected {flag} in {path} to be true or false, found {content[flag]!r}")
    budgets = expand_grid(str(path), content.get("budgets") or {})
    chosen: dict[str, Any] = {"targeted": content.get("targeted", False)}
    build: Callable[..., Attack]
    if class_path.startswith("torchattacks."):
        chosen["batched"] = content.get("batched", False)
        build = partial(TorchAttacksAttack, class_path=class_path, init_args=init_args, **chosen)
    elif class_path.startswith("adv_lib."):
        chosen["batched"] = content.get("batched", False)
        build = partial(AdvLibAttack, class_path=class_path, init_args=init_args, **chosen)
    else:
        try:
            attack: type[Attack] = named_class(class_path, Attack, _own_attacks(), allowed)
            require_numbers(init_args, constructor_types(attack))
        except ValueError as error:
            raise ValueError(f"{path.stem}: {error}") from error
        build = partial(attack, **init_args, **chosen)
    try:
        budgets = in_our_words(class_path, init_args, budgets)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return AttackPlan(path.stem, build, tuple(budgets), definition=content)


def _own_attacks() -> list[type[Attack]]:
    """The classes behind the names of ``ATTACKS``, which a file may name without leave."""
    builders = [build.func if isinstance(build, partial) else build for build in ATTACKS.values()]
    return list(dict.fromkeys(one for one in builders if isinstance(one, type) and issubclass(one, Attack)))


def _is_text(value: object) -> bool:
    return isinstance(value, str)
