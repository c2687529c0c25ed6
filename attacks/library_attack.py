"""Adapter base for attacks of other libraries: one clip at a time, seeded, counted, and with our names of settings."""

from __future__ import annotations

import copy
import math
import numbers
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from attacks.base import Attack
from attacks.clip_random import random_uniform
from attacks.gradient_counter import GradientCounter, GradientCounts
from attacks.ledger import ActiveSet, Ledger, Problem
from attacks.losses import at_least_float32
from attacks.outcome import Outcome, outcome_of
from attacks.unit_inputs import UnitInputs

NORMS = {"linf": math.inf, "l0": 0, "l1": 1, "l2": 2}
"""Our words for norms, and the numbers by which libraries call them."""


class LibraryAttack(Attack):
    """An attack of another library, by name.

    By default every clip is attacked alone, with the global generators seeded by (clip, seed) and restored afterwards:
    the result of a clip then depends on nothing else, a clip stops when the library stops for it, and its counts are
    exact. With ``batched=True`` the attack gets all clips at once, and the counts of a clip are the rows of the batch
    divided by the number of clips, rounded up. Gradient rows are those that the counter saw at the victim's logits;
    iterations are the evaluations that were differentiated. The cost of a gradient-free attack is in ``forward_rows``.

    Results are clamped to the bounds (float32 sums may leave them by a rounding error), and a clip for which the
    library returns values that are not finite stays clean.

    Budgets are arguments of the library's attack. For arguments that mean the same in every attack, a word of ours may
    be used instead, and is used in results: ``delta`` for the largest change of a value (l_inf), ``snr_db`` for a
    bound in l_inf or l_2 given as a signal-to-noise ratio relative to each clip, ``steps`` for the number of steps, and
    ``iterations`` and ``search_steps`` for attacks with a search over a constant.

    A subclass sets ``defaults``, calls this constructor, and writes :meth:`_adversarials`.

    Args:
        model: the victim.
        class_path: name of the attack, as it is written in results and errors.
        init_args: its constructor arguments, apart from the model.
        bound: name of the argument that limits the perturbation in ``norm``; None if there is none.
        norm: the norm that the attack keeps small, ``"linf"``, ``"l2"``, ``"l1"`` or ``"l0"``.
        words: our words, and the arguments that they stand for.
        relative: arguments that are multiples of the bound unless they are given, for example ``{"alpha": 0.25}``.
        batched: attack all clips in one call.
        bounds: smallest and largest value of an input. The library gets inputs in [0, 1], see
            :class:`~attacks.unit_inputs.UnitInputs`: its bound is given in the units of the input, all its other
            arguments (a step length, for example) in those of [0, 1].
        seed: seed of the random targets and of the attack's random numbers.
        targeted: towards a random wrong label; otherwise away from the label.

    Raises:
        ValueError: for arguments that the attack does not have, or invalid values.
    """

    library: str
    """Import name of the library, the part of an attack's name before the dot."""

    distribution: str
    """Name under which the library is installed, for its version."""

    defaults: dict[str, Any]
    """The attack's arguments and their default values."""

    def __init__(
        self,
        model: nn.Module,
        class_path: str,
        init_args: Mapping[str, Any] | None = None,
        *,
        bound: str | None,
        norm: str,
        words: Mapping[str, str],
        relative: Mapping[str, float] | None = None,
        batched: bool = False,
        bounds: tuple[float, float] = (0.0, 1.0),
        seed: int = 0,
        targeted: bool = False,
    ) -> None:
        name = class_path.removeprefix(f"{self.library}.")
        super().__init__(name, model, bounds=bounds, seed=seed, targeted=targeted)
        self.class_path = class_path
        self.init_args = dict(init_args or {})
        self.bound = bound
        self.words = dict(words)
        self.relative = dict(relative or {})
        self.batched = batched
        self.snr_db: float | None = None
        self._take_norm(norm)
        self.check_settings()

    def _take_norm(self, norm: str) -> None:
        """Set the norm that the attack keeps small; in l_inf its bound gets the word ``delta``."""
        self.measure = norm
        # Noise of equal norm exists for linf, l2 and l0 only.
        self.norm = "l2" if norm == "l1" else norm
        self.words.pop("delta", None)
        if self.bound is not None and norm == "linf":
            self.words["delta"] = self.bound

    @property
    def delta(self) -> float:
        """Largest change of a value that the attack may make, infinite without a bound in l_inf."""
        return float(self.arguments[self.bound]) if self.bound and self.measure == "linf" else math.inf

    @property
    def arguments(self) -> dict[str, Any]:
        """All arguments as the library gets them: given, a multiple of the bound, or the library's default."""
        arguments = {**self.defaults, **self.init_args}
        for name, factor in self.relative.items():
            if self.bound is not None and name not in self.init_args:
                arguments[name] = factor * arguments[self.bound]
        return arguments

    def check_settings(self) -> None:
        """Raise ``ValueError`` for arguments that the attack does not have, or invalid values."""
        unknown = sorted(set(self.init_args) - set(self.defaults))
        if unknown:
            raise ValueError(f"expected arguments of {self.class_path} among {list(self.defaults)}, got {unknown}")
        for name, value in self.init_args.items():
            default = self.defaults[name]
            if isinstance(default, bool) and not isinstance(value, bool):
                raise ValueError(f"expected {name} of {self.class_path} to be true or false, got {value!r}")
            if isinstance(default, int | float) and not isinstance(default, bool):
                self._check_number(name, value)
        for word in ("steps", "iterations", "search_steps"):
            argument = self.words.get(word)
            value = None if argument is None else self.init_args.get(argument)
            if value is not None and (isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < 1):
                raise ValueError(f"expected {argument} of {self.class_path} to be a whole number from 1, got {value!r}")
        if self.bound in self.init_args:
            self._check_number(self.bound, self.init_args[self.bound], least=0.0)
        if self.snr_db is not None:
            self._check_snr()

    def _check_snr(self) -> None:
        assert self.snr_db is not None
        self._check_number("snr_db", self.snr_db)
        if self.bound is None or self.measure not in ("linf", "l2"):
            raise ValueError(f"expected snr_db for an attack with a bound in l_inf or l_2, got {self.class_path}")
        if self.batched:
            raise ValueError(
                f"expected batched=False with snr_db, because each clip has its own bound and {self.class_path} "
                "takes one for all clips"
            )

    def _check_number(self, name: str, value: Any, least: float = -math.inf) -> None:
        number = isinstance(value, numbers.Real) and not isinstance(value, bool) and not math.isnan(value)
        if not number or value < least:
            limit = "" if least == -math.inf else f" of at least {least:g}"
            raise ValueError(f"expected {name} of {self.class_path} to be a number{limit}, got {value!r}")

    def with_settings(self, **settings: Any) -> LibraryAttack:
        """Return a copy with some arguments, named by our word or the library's, or ``batched`` replaced."""
        changed = copy.copy(self)
        changed.batched = settings.pop("batched", self.batched)
        snr_db, given = settings.pop("snr_db", None), {}
        for name, value in settings.items():
            argument = self.words.get(name, self._argument(name))
            if argument in given:
                raise ValueError(f"expected {argument} of {self.class_path} once, got it twice in {sorted(settings)}")
            given[argument] = value
        if snr_db is not None or self.bound in given:
            if self.bound in given and snr_db is not None:
                raise ValueError(f"expected {self.bound} or snr_db in a budget of {self.class_path}, got both")
            changed.snr_db = snr_db
        changed.init_args = {**self.init_args, **given}
        changed.words = dict(self.words)
        changed._take_norm(changed._norm())
        changed.check_settings()
        return changed

    def in_our_words(self, budget: Mapping[str, Any]) -> dict[str, Any]:
        """Return a budget as results name it, with our words for the arguments that have one."""
        words = {argument: word for word, argument in self.words.items()}
        names = {name: name if name in self.words else self._argument(name) for name in budget}
        return {words.get(names[name], names[name]): value for name, value in budget.items()}

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Raise ``ValueError`` for a shape of one input, ``(channels, ...)``, that the attack cannot take."""

    # What a subclass writes.

    def _argument(self, name: str) -> str:
        """The library's name of an argument, from the name that a user may write."""
        return name

    def _norm(self) -> str:
        """The norm that the attack keeps small with its current arguments."""
        return self.measure

    def _adversarials(self, victim: nn.Module, inputs: Tensor, aims: Tensor, seed: int) -> Tensor:
        """Call the library.

        Args:
            victim: the victim inside a counter.
            inputs: clean inputs ``(clips, ...)``, which may be modified.
            aims: labels, or targets in a targeted attack, ``(clips,)``.
            seed: a number derived from (clip, seed) of the first clip, with which the global generators are seeded.

        Returns:
            The adversarials ``(clips, ...)``.
        """
        raise NotImplementedError

    # The frame around the library.

    def _shared(self, attacks: Sequence[Attack]) -> list[list[int]]:
        # Whether smaller budgets are intermediate states of larger ones is unknown here, so each budget is run alone.
        return [[index] for index in range(len(attacks))]

    def _run_groups(self, problem: Problem, attacks: Sequence[Attack]) -> list[Outcome]:
        outcomes = []
        for attack in attacks:
            ledger = Ledger(problem, (0,))
            attack._attacked = problem
            attack._perturb(problem, ledger)
            outcomes.append(outcome_of(problem, ledger, 0))
        return outcomes

    def _perturb(self, problem: Problem, ledger: Ledger) -> None:
        self.check_shape(tuple(problem.inputs.shape[1:]))
        active = ActiveSet.of(problem)
        with torch.no_grad():
            logits = at_least_float32(self.logits(problem.inputs))
        ledger.clean(logits)
        ledger.spend(active.rows, forward_rows=1)
        active.keep((~self.wrong_already(logits, active.labels)).nonzero().squeeze(1))
        ledger.record(0, torch.arange(len(problem), device=logits.device), problem.inputs, logits)
        self._class_count(problem.inputs)
        groups = [active.rows] if self.batched else list(active.rows.split(1))
        for rows in groups:
            if len(rows):
                self._attack_together(problem, rows, ledger)

    def _in_unit_inputs(self, clean: Tensor) -> LibraryAttack:
        """The attack with its bound in the units of [0, 1]; with ``snr_db``, the bound of this clip."""
        width = self.bounds[1] - self.bounds[0]
        if self.bound is None or (width == 1.0 and self.snr_db is None):
            return self
        bound = self.arguments[self.bound] if self.snr_db is None else self.radii(clean).item()
        scaled = copy.copy(self)
        scaled.init_args = {**self.init_args, self.bound: bound / (1.0 if self.measure == "l0" else width)}
        return scaled

    def _attack_together(self, problem: Problem, rows: Tensor, ledger: Ledger) -> None:
        aims = problem.labels if problem.targets is None else problem.targets
        seed = int(random_uniform(problem.ids[rows[:1]], self.seed, ()).item() * 2**53)
        devices = [problem.inputs.device] if problem.inputs.device.type == "cuda" else []
        clean = problem.inputs[rows]
        unit = UnitInputs(self.model, self.bounds, clean.shape[1:])
        # The model itself if no conversion is needed, so that the library gets the user's class.
        counter = GradientCounter(self.model if unit.is_identity else unit)
        attack, pictures = self._in_unit_inputs(clean), unit.pictures(clean)
        # Some attacks draw from NumPy's global generator.
        state = np.random.get_state()  # noqa: NPY002
        try:
            with torch.random.fork_rng(devices=devices), counter.counting() as counts:
                torch.manual_seed(seed)
                np.random.seed(seed % 2**32)  # noqa: NPY002
                found = attack._adversarials(counter, pictures.clone(), aims[rows].clone(), seed)
        finally:
            np.random.set_state(state)  # noqa: NPY002
        found = found.detach().to(clean.dtype)
        if not unit.is_identity:
            # Unchanged values keep their exact original value.
            found = torch.where((found == pictures).view_as(clean), clean, unit.inputs(found))
        found = self.clip_to_bounds(found)
        finite = found.flatten(1).isfinite().all(dim=1)
        adversarial = torch.where(finite.view(-1, *(1 for _ in clean.shape[1:])), found, clean)
        with torch.no_grad():
            logits = at_least_float32(self.logits(adversarial))
        self._spend_shares(ledger, rows, counts)
        ledger.record(0, rows, adversarial, logits)

    @staticmethod
    def _spend_shares(ledger: Ledger, rows: Tensor, counts: GradientCounts) -> None:
        clips = len(rows)
        ledger.spend(
            rows,
            iterations=counts.differentiated_calls,
            gradients=-(-counts.backward_rows // clips),
            full_jacobian_gradients=-(-counts.full_jacobian_rows // clips),
            forward_rows=-(-counts.forward_rows // clips) + 1,
        )


def meant(name: str, known: Sequence[str]) -> str:
    """Suggest known names close to a wrong one, as the end of an error message; empty if none is close."""
    bare = {one.rpartition(".")[2].lower(): one for one in reversed(known)}
    near = [bare[found] for found in get_close_matches(name.rpartition(".")[2].lower(), list(bare), n=3)]
    return f"; did you mean {' or '.join(near)}?" if near else ""


def require_classes(class_path: str, least: int, classes: int) -> None:
    """Raise ``ValueError`` if a loss compares more logits than the victim has."""
    if classes < least:
        raise ValueError(
            f"expected a victim of at least {least} classes for {class_path}, whose loss compares that many logits, "
            f"got {classes}"
        )
