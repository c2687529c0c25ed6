"""Any attack of adv-lib (Rony et al.) by name, with the interface and counts of this package's attacks.

adv-lib is an optional dependency, imported only when one of its attacks is named.
"""

from __future__ import annotations

import inspect
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from attacks.library_attack import NORMS, LibraryAttack, meant, require_classes


@dataclass(frozen=True)
class Function:
    """Properties of an adv-lib function that its signature does not reveal.

    Attributes:
        norm: the norm that it keeps small, or the name of the argument that chooses it.
        norms: allowed values of that argument.
        bound: name of the argument that limits the perturbation in the norm. ``eps`` of ``fab``, which limits a random
            start, and ``eps`` of ``tr``, which is a step length, are not bounds.
        words: our words, and the arguments that mean the same.
        targeted: whether the attack can aim at a target.
        alike: whether clips are attacked independently and all at the same cost, so that they can be attacked in a
            batch and counted exactly; a string names the argument that must keep its default for this. In the other
            functions, clips share random numbers (``apgd``, ``ddn`` where a gradient is zero, ``fga``, ``vfga``,
            ``pgd_linf``), stop when the last one stops (``carlini_wagner_l2``, ``carlini_wagner_linf``), or stop at
            different times (``df``, ``sdf``, ``tr``), so that their cost cannot be counted in a batch.
        given: values for arguments for which the function has no default.
    """

    norm: str
    norms: tuple[str, ...] = ()
    bound: str | None = None
    words: Mapping[str, str] = field(default_factory=dict)
    targeted: bool = True
    alike: bool | str = False
    given: Mapping[str, Any] = field(default_factory=dict)


_SEARCH = {"iterations": "max_iterations", "search_steps": "binary_search_steps"}
_STEPS = {"steps": "num_steps"}
_APGD: dict[str, Any] = {"norm": "norm", "norms": ("linf", "l2", "l1"), "bound": "eps", "words": {"steps": "n_iter"}}
_APGD |= {"given": {"eps": 8 / 255, "norm": "linf"}}

FUNCTIONS = {
    "alma": Function("distance", ("l2", "l1"), words=_STEPS, alike="init_lr_distance"),
    "apgd": Function(**_APGD),
    "apgd_targeted": Function(**_APGD, targeted=False),
    "carlini_wagner_l2": Function("l2", words=_SEARCH),
    "carlini_wagner_linf": Function("linf", words={"iterations": "max_iterations"}),
    "ddn": Function("l2", words={"steps": "steps"}),
    "df": Function("norm", ("l2", "linf"), words={"steps": "steps"}, targeted=False),
    "fab": Function("norm", ("linf", "l2", "l1"), words={"steps": "n_iter"}, targeted=False, given={"norm": "linf"}),
    "fga": Function("l0", words={"steps": "max_iter"}),
    "fmn": Function("norm", ("l2", "linf", "l1", "l0"), words={"steps": "steps"}, alike=True, given={"norm": "l2"}),
    "pdgd": Function("l2", words=_STEPS, alike="random_init"),
    "pdpgd": Function("norm", ("l2", "linf", "l1", "l0"), words=_STEPS, given={"norm": "l2"}),
    "pgd_linf": Function("linf", bound="eps", words={"steps": "steps"}, given={"eps": 8 / 255}),
    "sdf": Function("l2", words={"steps": "steps"}, targeted=False),
    "sigma_zero": Function("l0", words=_STEPS, targeted=False, alike=True),
    "tr": Function("p", ("l2", "linf"), words={"steps": "iter"}, targeted=False),
    "vfga": Function("l0", words={"steps": "max_iter"}),
}
"""The adv-lib attacks that can be named. Where an attack stops by itself, ``steps`` is an upper limit."""

REFUSED = {
    "perc_al": "measures differences of colours, for which an input needs three channels",
    "str_attack": "mixes the clips of a batch when it refines, and fails if a clip has not been fooled",
}
NOT_GIVEN = ("model", "inputs", "labels", "targeted", "callback", "penalty", "starting_points", "return_targets")


class AdvLibAttack(LibraryAttack):
    """An attack function of adv-lib, such as ``AdvLibAttack(victim, "adv_lib.fmn", {"norm": "linf", "steps": 100})``.

    Every clip is attacked alone unless ``batched=True``, which is refused where clips would influence each other.
    Arguments that are not given keep the defaults of adv-lib. Where adv-lib has none, the default is 8 / 255 for a
    bound, ``linf`` for the norm of a bounded attack and of ``fab``, and ``l2`` for other norms. Norms are ``linf``,
    ``l2``, ``l1`` and ``l0``, or the corresponding numbers. ``eps`` of ``apgd``, ``apgd_targeted`` and ``pgd_linf`` is
    ``delta`` in l_inf.

    Args:
        model: the victim.
        class_path: name of the function, with or without the leading ``adv_lib.``.
        init_args: its arguments apart from model, inputs and labels; Greek letters may be written out (``gamma_init``).
        relative: arguments that are multiples of the bound unless they are given.
        batched: attack all clips in one call.
        bounds: smallest and largest value of an input, see :class:`~attacks.library_attack.LibraryAttack`.
        seed: seed of the random targets and of the attack's random numbers.
        targeted: towards a random wrong label; otherwise away from the label.

    Raises:
        ValueError: if adv-lib is not installed, for an unknown function or argument, for a value with which the
            function fails, or if a function that cannot aim at a target is to be targeted.
    """

    library = "adv_lib"
    distribution = "adv-lib"

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
        name = class_path.removeprefix("adv_lib.")
        if name in REFUSED:
            raise ValueError(f"expected an attack of adv-lib on maps, got {name}, which {REFUSED[name]}")
        if name not in FUNCTIONS:
            raise ValueError(
                f"expected the name of an attack of adv-lib, one of {sorted(FUNCTIONS)}, got {name!r}"
                + meant(name, list(FUNCTIONS))
            )
        self._about = FUNCTIONS[name]
        self._function = _imported(name)
        signature = inspect.signature(self._function).parameters
        self._spelling = {latin(argument): argument for argument in signature}
        self.defaults = {
            spelled: self._about.given.get(spelled, signature[argument].default)
            for spelled, argument in self._spelling.items()
            if argument not in NOT_GIVEN
        }
        if self._about.norms:
            # As a word, because JSON has no infinite number.
            self.defaults[self._about.norm] = _norm_word(self.defaults[self._about.norm])
        self.init_args = {latin(argument): value for argument, value in (init_args or {}).items()}
        super().__init__(
            model,
            class_path,
            self.init_args,
            bound=self._about.bound,
            norm=self._norm(),
            words=self._about.words,
            relative=relative,
            batched=batched,
            bounds=bounds,
            seed=seed,
            targeted=targeted,
        )

    def _argument(self, name: str) -> str:
        return latin(name)

    def _norm(self) -> str:
        about = self._about
        if not about.norms:
            return about.norm
        given = self.init_args.get(about.norm, self.defaults[about.norm])
        named = _norm_word(given)
        if named not in about.norms:
            allowed = ", ".join(about.norms)
            raise ValueError(f"expected {about.norm} of {self._function.__name__} among {allowed}, got {given!r}")
        return named

    def check_settings(self) -> None:
        """Raise ``ValueError`` for unknown arguments and for values with which the function fails."""
        super().check_settings()
        arguments, about = self.arguments, self._about
        if self.targeted and not about.targeted:
            raise ValueError(f"expected an attack that can aim at a target, got {self.class_path}, which cannot")
        if self.batched and not self._clips_are_alike():
            raise ValueError(
                f"expected batched=False for {self.class_path}: its clips influence each other in a batch, "
                "or cannot be counted there"
            )
        if self.attack == "carlini_wagner_l2" and arguments["abort_early"] and arguments["max_iterations"] < 10:
            raise ValueError(
                f"expected max_iterations of {self.class_path} of at least 10, or abort_early=False, because it looks "
                f"at every tenth part of them, got {arguments['max_iterations']}"
            )
        if self.attack in ("pdgd", "pdpgd") and arguments["num_steps"] < 2:
            raise ValueError(
                f"expected num_steps of {self.class_path} of at least 2, because it divides by one less, "
                f"got {arguments['num_steps']}"
            )
        if arguments.get("best_loss"):
            raise ValueError(f"expected best_loss=False for {self.class_path}, because n_iter has no effect with it")

    def _clips_are_alike(self) -> bool:
        alike = self._about.alike
        return alike if isinstance(alike, bool) else self.arguments[alike] == self.defaults[alike]

    def _adversarials(self, victim: nn.Module, inputs: Tensor, aims: Tensor, seed: int) -> Tensor:
        require_classes(self.class_path, self._fewest_classes(), self._class_count(inputs))
        arguments = self.arguments
        if self._about.norms and self._about.norm != "distance":
            arguments[self._about.norm] = NORMS[self._norm()]
        called = {self._spelling[name]: value for name, value in arguments.items()}
        single = inputs.float()
        found = self._function(InSinglePrecision(victim, inputs.dtype), single, aims, targeted=self.targeted, **called)
        # Unchanged values keep their exact original value.
        return torch.where(found == single, inputs, found.to(inputs.dtype))

    def _fewest_classes(self) -> int:
        """Fewest classes the loss works with: the DLR loss compares three logits, four when targeted."""
        ratio = self.attack == "alma" or self.arguments.get("loss_function") == "dlr"
        aims = self.targeted or self.attack == "apgd_targeted"
        return 2 if not ratio else 4 if aims else 3


class InSinglePrecision(nn.Module):
    """Wrapper for callers that compute in float32, as adv-lib does, around a victim of any precision."""

    def __init__(self, victim: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.victim = victim
        self.dtype = dtype

    def forward(self, inputs: Tensor) -> Tensor:
        """Evaluate the victim in its own precision."""
        logits: Tensor = self.victim(inputs.to(self.dtype)).float()
        return logits


def latin(name: str) -> str:
    """Write out the Greek letters in the name of an argument: ``alpha_init``, and ``eps`` for epsilon."""
    written = []
    for letter in name:
        greek = unicodedata.name(letter, "").removeprefix("GREEK SMALL LETTER ").lower()
        written.append(greek.replace("epsilon", "eps") if greek.isidentifier() and not letter.isascii() else letter)
    return "".join(written)


def _norm_word(given: Any) -> str:
    """Return our word for a norm given as a number or a word; anything else is returned as text."""
    is_number = isinstance(given, int | float) and not isinstance(given, bool)
    return next((word for word, number in NORMS.items() if is_number and number == given), str(given).lower())


def _imported(name: str) -> Callable[..., Tensor]:
    """Return a function of adv-lib.

    Raises:
        ValueError: if adv-lib, or a package that it needs, is not installed.
    """
    try:
        import adv_lib.attacks
    except ImportError as error:
        raise ValueError(
            f"expected adv-lib for adv_lib.{name}, found: {error}; install the extra adv-lib as docs/commands.md says"
        ) from error
    function: Callable[..., Tensor] | None = getattr(adv_lib.attacks, name, None)
    if function is None:
        raise ValueError(f"expected {name} in the installed adv-lib, found none; it came with adv-lib 0.2.8")
    return function
