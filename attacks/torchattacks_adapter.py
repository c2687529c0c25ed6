"""Any attack of torchattacks by name, with the interface and the counts of our own."""

from __future__ import annotations

import contextlib
import inspect
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torchattacks
from torch import Tensor, nn

from attacks.active_set import ActiveSet, Ledger, Problem
from attacks.base import Attack
from attacks.gradient_counter import GradientCounter, GradientCounts
from attacks.judgement import outcome_of
from attacks.losses import at_least_float32
from attacks.outcome import Outcome
from attacks.targets import random_uniform


class TorchAttacksAttack(Attack):
    """An attack class of torchattacks, such as ``TorchAttacksAttack(victim, "torchattacks.PGD", {"eps": 0.03})``.

    By default every clip is attacked alone, with the global generators seeded by (clip, seed) and put back afterwards:
    what a clip gets then depends on nothing else, and its counts are exact. With ``batched=True`` the attack sees all
    clips at once, as its author meant it; a clip's counts are then the batch's rows divided by the clips, rounded up,
    and some attacks (CW, for one) give a clip another result beside other clips. A gradient row is one that the counter
    saw; iterations are the evaluations that were differentiated.

    Arguments that are not given keep the defaults of torchattacks, except ``n_classes``, which is the victim's, and
    ``seed``, which is this object's.

    Args:
        model: the victim.
        class_path: name of the class, with or without the leading ``torchattacks.``.
        init_args: its arguments beside the model.
        batched: attack all clips in one call.
        bounds: must be (0, 1), because these attacks clamp to it.
        seed: seed of the random targets and of the attack's random numbers.
        targeted: towards a random wrong label; else in the attack's default mode.

    Raises:
        ValueError: for other bounds, an unknown class or argument, or a target for an attack that has none.
    """

    def __init__(
        self,
        model: nn.Module,
        class_path: str,
        init_args: Mapping[str, Any] | None = None,
        *,
        batched: bool = False,
        bounds: tuple[float, float] = (0.0, 1.0),
        seed: int = 0,
        targeted: bool = False,
    ) -> None:
        name = class_path.removeprefix("torchattacks.")
        known = attack_classes()
        if name not in known:
            raise ValueError(f"expected the name of an attack of torchattacks, one of {sorted(known)}, got {name!r}")
        super().__init__(name, model, bounds=bounds, seed=seed, targeted=targeted)
        if self.bounds != (0.0, 1.0):
            raise ValueError(
                f"expected bounds (0, 1), because the attacks of torchattacks clamp to them, got {self.bounds}: "
                "scale the inputs to [0, 1] and back inside the victim"
            )
        self.class_path = class_path
        self.init_args = dict(init_args or {})
        self.batched = batched
        self._attack_class = known[name]
        self.check_settings()

    def check_settings(self) -> None:
        """Raise ``ValueError`` for arguments that the class does not have."""
        accepted = self._accepted()
        unknown = sorted(set(self.init_args) - set(accepted))
        if unknown:
            raise ValueError(f"expected arguments of {self.class_path} among {accepted}, got {unknown}")

    def with_settings(self, **settings: Any) -> TorchAttacksAttack:
        """Return a copy with some arguments of the class (or ``batched``) replaced."""
        batched = settings.pop("batched", self.batched)
        changed = TorchAttacksAttack(
            self.model,
            self.class_path,
            {**self.init_args, **settings},
            batched=batched,
            bounds=self.bounds,
            seed=self.seed,
        )
        changed.targeted, changed.attack_mode = self.targeted, self.attack_mode
        return changed

    def _shared(self, attacks: Sequence[Attack]) -> list[list[int]]:
        # Nothing is known about prefixes of somebody else's attack, so each budget is a run of its own.
        return [[index] for index in range(len(attacks))]

    def _run_groups(self, problem: Problem, attacks: Sequence[Attack]) -> list[Outcome]:
        outcomes = []
        for attack in attacks:
            ledger = Ledger(problem, (0,))
            attack._perturb(problem, ledger)
            outcomes.append(outcome_of(problem, ledger, 0))
        return outcomes

    def _perturb(self, problem: Problem, ledger: Ledger) -> None:
        active = ActiveSet.of(problem)
        with torch.no_grad():
            logits = at_least_float32(self.logits(problem.inputs))
        ledger.clean(logits)
        ledger.spend(active.rows, forward_rows=1)
        active.keep((~self.wrong_already(logits, active.labels)).nonzero().squeeze(1))
        ledger.record(0, torch.arange(len(problem), device=logits.device), problem.inputs, logits)
        groups = [active.rows] if self.batched else list(active.rows.split(1))
        for rows in groups:
            if len(rows):
                self._attack_together(problem, rows, ledger)

    def _attack_together(self, problem: Problem, rows: Tensor, ledger: Ledger) -> None:
        counter = GradientCounter(self.model)
        attack = self._build(counter, problem.inputs)
        aims = problem.labels if problem.targets is None else problem.targets
        seed = int(random_uniform(problem.clips[rows[:1]], self.seed, ()).item() * 2**53)
        devices = [problem.inputs.device] if problem.inputs.device.type == "cuda" else []
        # Some of the library's attacks draw from NumPy's global generator.
        state = np.random.get_state()  # noqa: NPY002
        try:
            with torch.random.fork_rng(devices=devices), counter.counting() as counts:
                torch.manual_seed(seed)
                np.random.seed(seed % 2**32)  # noqa: NPY002
                adversarial = attack(problem.inputs[rows].clone(), aims[rows].clone()).detach()
        finally:
            np.random.set_state(state)  # noqa: NPY002
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

    def _build(self, victim: nn.Module, inputs: Tensor) -> Any:
        arguments = dict(self.init_args)
        if "n_classes" in self._accepted():
            arguments.setdefault("n_classes", self._class_count(inputs))
        if "seed" in self._accepted():
            arguments.setdefault("seed", self.seed)
        # Without parameters to learn a device from, the parent prints; the device is set on the next line anyway.
        with contextlib.redirect_stdout(io.StringIO()):
            attack = self._attack_class(victim, **arguments)
        attack.set_device(inputs.device)
        if self.targeted:
            if "targeted" not in attack.supported_mode:
                raise ValueError(f"expected an attack that can aim at a target, got {self.class_path}, which cannot")
            attack.set_mode_targeted_by_label(quiet=True)
        return attack

    def _accepted(self) -> list[str]:
        return [name for name in inspect.signature(self._attack_class.__init__).parameters if name not in _NOT_GIVEN]


_NOT_GIVEN = ("self", "model", "args", "kwargs")


def attack_classes() -> dict[str, Any]:
    """Return the attacks of torchattacks by name; those that wrap other attacks are not among them."""
    return {
        name: value
        for name, value in vars(torchattacks).items()
        if inspect.isclass(value) and "model" in inspect.signature(value.__init__).parameters
    }
