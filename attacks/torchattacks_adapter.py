"""Any attack of torchattacks by name, with the interface and counts of this package's attacks."""

from __future__ import annotations

import contextlib
import inspect
import io
from collections.abc import Mapping
from typing import Any

import torchattacks
from torch import Tensor, nn

from attacks.library_attack import LibraryAttack, meant, require_classes

BOUNDS = ("eps", "max_epsilon")
"""Arguments of torchattacks that limit the perturbation."""

WORDS = {
    "steps": ("steps", "num_iter_set", "nb_iter"),
    "iterations": ("max_iterations",),
    "search_steps": ("binary_search_steps",),
}
"""Our words, and the arguments of torchattacks that mean the same."""

# Unless an argument gives the norm, it is l_inf for attacks with a bound and l_2 for others, except for these.
NORM_OF = {
    **dict.fromkeys(("PGDL2", "PGDRSL2"), "l2"),
    **dict.fromkeys(("EADL1", "EADEN"), "l1"),
    **dict.fromkeys(("SparseFool", "OnePixel", "Pixle", "JSMA"), "l0"),
}

THREE_CHANNELS = ("TIFGSM", "PIFGSM", "PIFGSMPP")
"""Attacks whose smoothing kernels are made for images with three colour channels."""


class TorchAttacksAttack(LibraryAttack):
    """An attack class of torchattacks, such as ``TorchAttacksAttack(victim, "torchattacks.PGD", {"eps": 0.03})``.

    Every clip is attacked alone unless ``batched=True``, because the result of some attacks (CW, for example) depends
    on the other clips of the batch. Arguments that are not given keep the defaults of torchattacks, except
    ``n_classes``, which is the number of the victim's classes, and ``seed``, which is that of this object. ``eps`` is
    called ``delta`` if the attack works in l_inf.

    Args:
        model: the victim.
        class_path: name of the class, with or without the leading ``torchattacks.``.
        init_args: its arguments apart from the model.
        relative: arguments that are multiples of ``eps`` unless they are given.
        batched: attack all clips in one call.
        bounds: smallest and largest value of an input, see :class:`~attacks.library_attack.LibraryAttack`.
        seed: seed of the random targets and of the attack's random numbers.
        targeted: towards a random wrong label; otherwise in the attack's default mode.

    Raises:
        ValueError: for an unknown class or argument, or if an attack that cannot aim at a target is to be targeted.
    """

    library = "torchattacks"
    distribution = "torchattacks"

    def __init__(
        self,
        model: nn.Module,
        class_path: str,
        init_args: Mapping[str, Any] | None = None,
        *,
        relative: Mapping[str, float] | None = None,
        batched: bool = False,
        bounds: tuple[float, float] = (0.0, 1.0),
        seed: int = 0,
        targeted: bool = False,
    ) -> None:
        name = class_path.removeprefix("torchattacks.")
        known = attack_classes()
        if name not in known:
            raise ValueError(
                f"expected the name of an attack of torchattacks, one of {sorted(known)}, got {name!r}"
                + meant(name, list(known))
            )
        self._attack_class = known[name]
        self.defaults = {
            argument: parameter.default
            for argument, parameter in inspect.signature(self._attack_class.__init__).parameters.items()
            if argument not in ("self", "model")
        }
        self.init_args = dict(init_args or {})
        super().__init__(
            model,
            class_path,
            init_args,
            bound=next((argument for argument in BOUNDS if argument in self.defaults), None),
            norm=self._norm_of(name),
            words={word: argument for word, known in WORDS.items() for argument in known if argument in self.defaults},
            relative=relative,
            batched=batched,
            bounds=bounds,
            seed=seed,
            targeted=targeted,
        )

    def check_settings(self) -> None:
        """Raise ``ValueError`` for unknown arguments and for values with which the attack fails."""
        super().check_settings()
        arguments = self.arguments
        if self.attack in ("EADL1", "EADEN") and arguments["abort_early"] and arguments["max_iterations"] < 10:
            raise ValueError(
                f"expected max_iterations of {self.class_path} of at least 10, or abort_early=False, because it looks "
                f"at every tenth part of them, got {arguments['max_iterations']}"
            )

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Raise ``ValueError`` if the attack needs three channels and the inputs have a different number."""
        if self.attack in THREE_CHANNELS and (len(shape) != 3 or shape[0] != 3):
            raise ValueError(
                f"expected inputs of three channels for {self.class_path}, which is made for images, got {shape}"
            )

    def _norm(self) -> str:
        return self._norm_of(self.attack)

    def _norm_of(self, name: str) -> str:
        if "norm" in self.defaults:
            norm = str(self.init_args.get("norm", self.defaults["norm"])).lower()
            if norm not in ("linf", "l2", "l1"):
                raise ValueError(f"expected norm of {name} to be Linf, L2 or L1, got {self.init_args['norm']!r}")
            return norm
        bounded = any(argument in self.defaults for argument in BOUNDS)
        return NORM_OF.get(name, "linf" if bounded else "l2")

    def _adversarials(self, victim: nn.Module, inputs: Tensor, aims: Tensor, seed: int) -> Tensor:
        found: Tensor = self._build(victim, inputs)(inputs, aims)
        return found

    def _build(self, victim: nn.Module, inputs: Tensor) -> Any:
        arguments = self.arguments
        classes = self._class_count(inputs)
        require_classes(self.class_path, self._fewest_classes(), classes)
        if "n_classes" in arguments and "n_classes" not in self.init_args:
            arguments["n_classes"] = classes
        if "seed" in arguments and "seed" not in self.init_args:
            arguments["seed"] = self.seed
        # For a victim without parameters the parent prints that it found no device; it is set on the next line anyway.
        with contextlib.redirect_stdout(io.StringIO()):
            attack = self._attack_class(victim, **arguments)
        attack.set_device(inputs.device)
        if self.targeted:
            if "targeted" not in attack.supported_mode:
                raise ValueError(f"expected an attack that can aim at a target, got {self.class_path}, which cannot")
            attack.set_mode_targeted_by_label(quiet=True)
        return attack

    def _fewest_classes(self) -> int:
        if self.attack == "APGDT" or (self.attack == "AutoAttack" and self.arguments["version"] != "rand"):
            return 4
        return 3 if self.attack == "AutoAttack" or self.arguments.get("loss") == "dlr" else 2


def attack_classes() -> dict[str, Any]:
    """Return the attacks of torchattacks by name, except those that need more than a model."""
    return {
        name: value
        for name, value in vars(torchattacks).items()
        if inspect.isclass(value) and _needs_a_model_only(inspect.signature(value.__init__))
    }


def _needs_a_model_only(signature: inspect.Signature) -> bool:
    needed = [name for name, parameter in signature.parameters.items() if parameter.default is parameter.empty]
    return needed == ["self", "model"]
