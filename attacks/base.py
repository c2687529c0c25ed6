"""The base of every attack: inputs are checked, gradients are counted, and the victim's state is restored.

**To add an attack**, subclass :class:`Attack` (or :class:`attacks.iterative.StepwiseAttack`, if each step makes one
iterate from the last and a clip is finished as soon as it succeeds) and write

1. ``nested``, the name of the parameter whose smaller values are intermediate states of larger ones, so that one run
   serves all;
2. a constructor with keyword-only settings, each kept in an attribute of the same name, that calls
   ``super().__init__(name, model, bounds=..., seed=..., targeted=...)`` first and ``self.check_settings()`` last;
3. ``check_settings``, which raises ``ValueError`` for invalid settings (it also runs for settings given by a budget);
4. ``_perturb(problem, ledger)``, the attack itself.

``_perturb`` gets checked inputs, labels, targets (None when untargeted) and clip identities in ``problem``. Its own
settings are in ``self``, except the nested one: ``ledger.budgets`` holds the requested values in ascending order, and
the run goes up to the last. It evaluates the victim with :meth:`Attack.logits` or :meth:`Attack.evaluate` only,
differentiates with :func:`attacks.losses.input_gradient`, reports to ``ledger.spend`` what it spends on which clips,
calls ``ledger.clean`` once with the logits of the clean batch and then ``ledger.record`` (or ``ledger.settle``), so
that every clip is recorded for every budget with the logits of exactly the point that is returned. A clip for which
nothing is recorded keeps its clean input, its clean logits and counts of zero. Clips that the victim misclassifies
before the attack (:meth:`Attack.wrong_already`) get neither a gradient nor a perturbation. Rows must not influence each
other.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import io
import math
import numbers
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torchattacks.attack import Attack as TorchAttack

from attacks.batch_checks import check_inputs, check_logits, integers, require_numbers
from attacks.clip_random import identities, random_targets
from attacks.ledger import ActiveSet, Ledger, Problem
from attacks.losses import at_least_float32
from attacks.outcome import Outcome, outcome_of
from attacks.radii import snr_radii
from attacks.victim import device_of, frozen
from storage.untrusted import constructor_types


class Attack(TorchAttack):
    """An attack on a classifier: any module from an input ``(batch, ...)`` to logits ``(batch, classes)``.

    It is a torchattacks attack, so ``attack(inputs, labels)``, the targeted modes and ``torchattacks.MultiAttack`` work
    as usual. In addition, the mode of every module of the victim and every ``requires_grad`` are restored, also after
    an exception; parameters never get gradients; gradients are enabled during the attack; random targets are a function
    of (clip, seed); and :meth:`run` and :meth:`run_budgets` return an :class:`Outcome` with the cost per clip.

    Args:
        name: name of the attack.
        model: the victim; its output is logits.
        bounds: smallest and largest value of an input. Inputs outside are refused, not clamped.
        seed: seed of the random targets and of all other random numbers.
        targeted: start in the mode ``targeted(random)``: towards a random wrong label.

    Raises:
        ValueError: for bounds that are not ascending, a seed that is not a 64-bit integer, or ``targeted=False`` for an
            attack that always has a target.
    """

    nested: ClassVar[str]
    """Name of the parameter whose smaller values are intermediate states of larger ones, so that one run serves all."""

    norm: str = "l2"
    """The norm that the attack keeps small: ``"linf"``, ``"l2"`` or ``"l0"``."""

    snr_db: float | None = None
    """Signal-to-noise ratio in dB that bounds the perturbation instead of ``delta``, for attacks with a bound."""

    modes: ClassVar[tuple[str, ...]] = ("default", "targeted")
    """The supported modes: ``default`` is away from the label, ``targeted`` towards another one."""

    def __init__(
        self,
        name: str,
        model: nn.Module,
        *,
        bounds: tuple[float, float] = (0.0, 1.0),
        seed: int = 0,
        targeted: bool = False,
    ) -> None:
        # For a victim without parameters the parent prints that it found no device; the device of the inputs is used.
        with contextlib.redirect_stdout(io.StringIO()):
            super().__init__(name, model)
        lower, upper = bounds
        if not lower < upper:
            raise ValueError(f"expected bounds (lower, upper) with lower < upper, got ({lower}, {upper})")
        self.bounds = (float(lower), float(upper))
        self.seed = seed
        self.supported_mode = list(self.modes)
        self._classes: tuple[nn.Module, int] | None = None
        self._attacked: Problem | None = None
        if isinstance(seed, bool) or not isinstance(seed, numbers.Integral) or not -(2**63) <= seed < 2**63:
            raise ValueError(f"expected a seed that is a 64-bit integer, got {seed!r}")
        if targeted:
            self.set_mode_targeted_random(quiet=True)
        elif "default" not in self.modes:
            raise ValueError(f"expected targeted=True, because {name} always aims at a target, got targeted=False")

    def __setattr__(self, name: str, value: Any) -> None:
        # The parent searches assigned values for sub-attacks, which ours do not have, and fails on lists of tensors.
        object.__setattr__(self, name, value)

    # What a subclass writes.

    def nested_setting(self) -> str:
        """Name of the setting whose values share one run; ``nested``, unless an attack has several such settings."""
        return self.nested

    def check_settings(self) -> None:
        """Raise ``ValueError`` for invalid settings."""

    def _perturb(self, problem: Problem, ledger: Ledger) -> None:
        """Attack one batch at every budget of the ledger; see the module's docstring."""
        raise NotImplementedError

    # What a subclass uses.

    def logits(self, points: Tensor) -> Tensor:
        """Evaluate the victim, with its normalisation if the user set one.

        Args:
            points: ``(clips, ...)`` within the bounds.

        Returns:
            Logits ``(clips, classes)``.

        Raises:
            ValueError: if the victim does not return logits of at least two classes, or if a label or target is not one
                of its classes (checked once per attack).
        """
        logits = self.get_logits(points)
        check_logits(logits, points, self._attacked)
        self._attacked = None
        return logits

    def evaluate(self, active: ActiveSet, *, graph: bool) -> Tensor:
        """Logits of the running clips' points, at least float32, with or without a graph back to the points."""
        active.points = active.points.detach().requires_grad_(graph)
        return at_least_float32(self.logits(active.points))

    def clip_to_bounds(self, points: Tensor) -> Tensor:
        """Clamp every value to the bounds."""
        return points.clamp(*self.bounds)

    def radii(self, inputs: Tensor) -> Tensor:
        """Largest perturbation allowed per clip, in the attack's norm and the units of the inputs.

        Args:
            inputs: clean ``(clips, ...)``.

        Returns:
            float64 ``(clips,)``, from ``snr_db`` if it is set, otherwise ``delta``; infinite for an attack without a
            bound.
        """
        if self.snr_db is not None:
            return snr_radii(inputs, self.snr_db, self.norm)
        delta = float(getattr(self, "delta", math.inf))
        return torch.full((len(inputs),), delta, dtype=torch.float64, device=inputs.device)

    @staticmethod
    def wrong_already(logits: Tensor, labels: Tensor) -> Tensor:
        """Whether the victim misclassifies each clip before the attack, bool ``(clips,)``."""
        return logits.argmax(dim=1) != labels

    @staticmethod
    def reached(logits: Tensor, labels: Tensor, targets: Tensor | None) -> Tensor:
        """Whether each clip has reached the goal, another label or, if targeted, the target, bool ``(clips,)``."""
        predictions = logits.argmax(dim=1)
        return predictions != labels if targets is None else predictions == targets

    # What a user calls.

    def run(
        self, inputs: Tensor, labels: Tensor | None, *, targets: Tensor | None = None, ids: Tensor | None = None
    ) -> Outcome:
        """Attack one batch with the settings of this object.

        Args:
            inputs: ``(clips, ...)`` within the bounds, of any shape, floating point.
            labels: true labels ``(clips,)``. In the mode ``targeted(label)`` they are the targets, as in torchattacks,
                unless ``targets`` is given too. The clean predictions are then used as the true labels, and a clip that
                is already predicted as its target is returned unchanged, without spending a gradient: the target is
                hit, but ``success`` is False, because no prediction was changed.
            targets: labels to reach ``(clips,)``, in a targeted attack only; by default the attack's mode chooses them.
            ids: integer identity of each clip ``(clips,)``, from which its random numbers are drawn; by default a hash
                of the clip's content.

        Returns:
            One row per clip. A clip that is misclassified before the attack is returned unchanged, without spending a
            gradient.

        Raises:
            ValueError: for inputs outside the bounds, and for labels or targets that do not fit.
        """
        return self.run_budgets(inputs, labels, [{}], targets=targets, ids=ids)[0]

    def run_budgets(
        self,
        inputs: Tensor,
        labels: Tensor | None,
        budgets: Sequence[Mapping[str, Any]],
        *,
        targets: Tensor | None = None,
        ids: Tensor | None = None,
    ) -> list[Outcome]:
        """Attack one batch with several settings; settings that differ only in the nested parameter share one run.

        Args:
            inputs: as in :meth:`run`.
            labels: as in :meth:`run`.
            budgets: for each outcome the settings that differ from this object's, for example
                ``[{"steps": 10}, {"steps": 30}, {"delta": 0.1, "steps": 10}]``.
            targets: as in :meth:`run`.
            ids: as in :meth:`run`.

        Returns:
            One outcome per budget, in the same order, with the counts that a separate run would have.

        Raises:
            ValueError: as :meth:`run`, and for settings that the attack does not have.
        """
        attacks = [self.with_settings(**budget) for budget in budgets]
        with self._session():
            problem = self._problem(inputs, labels, targets, ids)
            return self._run_groups(problem, attacks)

    def shared_runs(self, budgets: Sequence[Mapping[str, Any]]) -> list[list[int]]:
        """Group the budgets that share one run of the attack.

        Args:
            budgets: as in :meth:`run_budgets`.

        Returns:
            Positions of the budgets of each run, in ascending order of the nested setting; the cost of a run is that of
            its last budget.
        """
        return self._shared([self.with_settings(**budget) for budget in budgets])

    def with_settings(self, **settings: Any) -> Attack:
        """Return a copy of the attack with some settings replaced.

        Raises:
            ValueError: for unknown or invalid settings.
        """
        known = {name for name in self.settings() if name not in ("bounds", "seed")}
        unknown = sorted(set(settings) - known)
        if unknown:
            raise ValueError(f"expected settings of {self.attack} among {sorted(known)}, got {unknown}")
        require_numbers(settings, self._types_of_settings())
        if {"delta", "snr_db"} <= settings.keys():
            raise ValueError(f"expected delta or snr_db in a budget of {self.attack}, got both")
        changed = copy.copy(self)
        if "delta" in settings and self.snr_db is not None:
            changed.snr_db = None
        for name, value in settings.items():
            setattr(changed, name, value)
        changed.check_settings()
        return changed

    @classmethod
    @functools.cache
    def _types_of_settings(cls) -> Mapping[str, Any]:
        """The annotations of the settings; a profile checks the same few classes at hundreds of budgets."""
        return constructor_types(cls)

    def settings(self) -> dict[str, Any]:
        """Return the settings of the attack by name, without mode and victim."""
        inherited = {"attack", "model", "model_name", "device", "attack_mode", "supported_mode", "targeted"}
        inherited.add("normalization_used")
        return {name: value for name, value in vars(self).items() if name[0] != "_" and name not in inherited}

    def forward(self, inputs: Tensor, labels: Tensor | None = None, *args: Any, **kwargs: Any) -> Tensor:
        """Return the adversarials alone, as torchattacks does."""
        return self.run(inputs, labels, *args, **kwargs).adversarial

    def __call__(self, inputs: Tensor, labels: Tensor | None = None, *args: Any, **kwargs: Any) -> Tensor:
        """Attack a batch and return the adversarials ``(clips, ...)``, as torchattacks does."""
        if self._normalization_applied is not True:
            return self.forward(inputs, labels, *args, **kwargs)
        restored = self.inverse_normalize(inputs)
        # Normalising and back is off by about 1e-8, which would put exact zeros outside the bounds.
        nearest = self.clip_to_bounds(restored)
        restored = torch.where((nearest - restored).abs() < 1e-6, nearest, restored)
        self._set_normalization_applied(False)
        try:
            return self.normalize(self.forward(restored, labels, *args, **kwargs))
        finally:
            self._set_normalization_applied(True)

    # Targets as functions of the clip, in place of the parent's loops over the global generator.

    def get_random_target_label(self, inputs: Tensor, labels: Tensor | None = None) -> Tensor:
        """Draw a wrong label for each clip, with a hash of its content as its identity, ``(clips,)``."""
        if labels is None:
            labels = self._predictions(inputs)
        return random_targets(identities(inputs), labels, self._class_count(inputs), self.seed)

    def get_least_likely_label(self, inputs: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return the wrong label with the k-th smallest logit for each clip, ``(clips,)``."""
        with torch.no_grad():
            logits = self.logits(inputs)
        if labels is None:
            labels = logits.argmax(dim=1)
        wrong = logits.scatter(1, labels[:, None], torch.inf)
        return wrong.kthvalue(self._kth_min, dim=1).indices

    # The frame around `_perturb`.

    @contextlib.contextmanager
    def _session(self) -> Iterator[None]:
        with frozen(self.model):
            if self._model_training:
                self._change_model_mode(self.model.training)
            yield

    def _run_groups(self, problem: Problem, attacks: Sequence[Attack]) -> list[Outcome]:
        """Run attacks that may differ in any setting, with one run for those that differ in the nested one only."""
        outcomes: dict[int, Outcome] = {}
        for members in self._shared(attacks):
            values = {index: getattr(attacks[index], attacks[index].nested_setting()) for index in members}
            ledger = Ledger(problem, sorted(set(values.values())))
            attack = attacks[members[0]]
            # Labels are checked against the number of classes at the first evaluation of the victim.
            attack._attacked = problem
            attack._perturb(problem, ledger)
            for index in members:
                outcomes[index] = outcome_of(problem, ledger, ledger.budgets.index(values[index]))
        return [outcomes[index] for index in range(len(attacks))]

    def _shared(self, attacks: Sequence[Attack]) -> list[list[int]]:
        groups: dict[str, list[int]] = {}
        for index, attack in enumerate(attacks):
            nested = attack.nested_setting()
            others = {name: value for name, value in attack.settings().items() if name != nested}
            groups.setdefault(repr(sorted(others.items())), []).append(index)
        return [
            sorted(members, key=lambda i: getattr(attacks[i], attacks[i].nested_setting()))
            for members in groups.values()
        ]

    def _problem(self, inputs: Tensor, labels: Tensor | None, targets: Tensor | None, ids: Tensor | None) -> Problem:
        """Check a batch and move it to the victim's device."""
        if self._normalization_applied is True:
            raise ValueError(
                "expected inputs within the bounds, got an attack with normalised inputs: "
                "put the normalisation into the victim, or call the attack itself"
            )
        check_inputs(inputs, self.bounds)
        # A clone, because a tensor created in inference mode cannot take part in autograd.
        inputs = inputs.detach().clone().to(device_of(self.model, inputs.device))
        ids = identities(inputs) if ids is None else integers("ids", ids, inputs).clone()
        if targets is not None and not self.targeted:
            raise ValueError(
                f"expected no targets for an untargeted {self.attack}, got some: "
                "build it with targeted=True or call set_mode_targeted_by_label()"
            )
        by_label = labels is not None and targets is None and self.attack_mode == "targeted(label)"
        if by_label:
            labels, targets = None, labels
        if labels is None and targets is None:
            raise ValueError(f"expected labels of shape ({len(inputs)},), got None")
        labels = self._predictions(inputs) if labels is None else integers("labels", labels, inputs).clone()
        if self.targeted:
            if targets is None:
                targets = self._chosen_targets(inputs, labels, ids)
            targets = integers("targets", targets, inputs).clone()
            arrived = targets == labels
            if by_label:
                # No attack touches rows that are misclassified before it; see Problem.arrived.
                elsewhere = (labels + 1) % self._class_count(inputs)
                return Problem(inputs, torch.where(arrived, elsewhere, labels), targets, ids, arrived)
            if bool(arrived.any()):
                raise ValueError("expected targets that differ from the labels, got some that are equal")
        return Problem(inputs, labels, targets, ids)

    def _chosen_targets(self, inputs: Tensor, labels: Tensor, ids: Tensor) -> Tensor:
        if self.attack_mode == "targeted(random)":
            return random_targets(ids, labels, self._class_count(inputs), self.seed)
        return self.get_target_label(inputs, labels)

    def _class_count(self, inputs: Tensor) -> int:
        """Number of classes, found with a forward pass of one clip the first time it is needed."""
        if self._classes is None or self._classes[0] is not self.model:
            with torch.no_grad():
                self._classes = (self.model, self.logits(inputs[:1]).shape[1])
        return self._classes[1]

    def _predictions(self, inputs: Tensor) -> Tensor:
        with torch.no_grad():
            return self.logits(inputs).argmax(dim=1)
