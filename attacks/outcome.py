"""The result of an attack at one budget: one row per clip, from which all later numbers are computed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from attacks.ledger import Ledger, Problem

L0_THRESHOLD = 1e-6
"""A feature counts as changed if it moved by more than this."""

NO_TARGET = -1
"""Target of a clip in an untargeted attack."""


@dataclass(frozen=True)
class Outcome:
    """The result of one attack at one budget, one row per clip in the order of the inputs.

    An attack that is averaged over target labels (``deepfool_targeted``) fills ``per_target`` with one ordinary outcome
    per wrong label. Its own ``success``, ``target_hit``, counts and distances are then float64 means over these, and
    its ``adversarial`` and ``logits_adversarial`` belong to the nearest target that was hit.

    Args:
        adversarial: the adversarial inputs, ``(clips, ...)``.
        logits_clean: the victim's logits for the inputs, ``(clips, classes)``.
        logits_adversarial: its logits for ``adversarial``, as the attack itself saw them, ``(clips, classes)``.
        labels: true labels ``(clips,)``.
        targets: labels to reach ``(clips,)``, ``NO_TARGET`` in an untargeted attack.
        success: bool ``(clips,)``, whether the argmax of ``logits_adversarial`` differs from the label.
        target_hit: bool ``(clips,)``, whether the argmax of ``logits_adversarial`` is the target.
        iterations: number of updates until the clip was finished; 0 for a clip misclassified before the attack.
        gradients: number of gradient rows spent on the clip, as run; it does not depend on the rest of the batch.
        full_jacobian_gradients: the same with one row per class for every Jacobian, as older libraries compute it.
        forward_rows: number of forward rows that the clip needs when it is attacked alone. When other clips leave the
            batch, the remaining ones are evaluated again so that no gradient is spent on finished clips; those rows are
            counted by the gradient counter only.
        zero_gradients: number of ``gradients`` that were exactly zero everywhere.
        l2: Euclidean norm of the perturbation, in the units of the inputs.
        linf: largest absolute value of the perturbation, in the units of the inputs.
        l0: number of features that moved by more than ``L0_THRESHOLD``.
        per_target: outcomes for the individual target labels; empty unless this is an average over them.
    """

    adversarial: Tensor
    logits_clean: Tensor
    logits_adversarial: Tensor
    labels: Tensor
    targets: Tensor
    success: Tensor
    target_hit: Tensor
    iterations: Tensor
    gradients: Tensor
    full_jacobian_gradients: Tensor
    forward_rows: Tensor
    zero_gradients: Tensor
    l2: Tensor
    linf: Tensor
    l0: Tensor
    per_target: tuple[Outcome, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device | str) -> Outcome:
        """Return the outcome with every tensor on ``device``."""
        moved = {name: getattr(self, name).to(device) for name in TENSOR_FIELDS}
        return Outcome(**moved, per_target=tuple(outcome.to(device) for outcome in self.per_target))

    def select(self, rows: Tensor) -> Outcome:
        """Return the outcome of some clips, given by positions or by a mask."""
        chosen = {name: getattr(self, name)[rows] for name in TENSOR_FIELDS}
        return Outcome(**chosen, per_target=tuple(outcome.select(rows) for outcome in self.per_target))


TENSOR_FIELDS = tuple(field.name for field in fields(Outcome) if field.name != "per_target")


def concatenate(outcomes: Sequence[Outcome]) -> Outcome:
    """Concatenate the outcomes of consecutive batches that were attacked in the same way."""
    if not outcomes:
        raise ValueError("expected at least one outcome to join, got none")
    joined = {name: torch.cat([getattr(outcome, name) for outcome in outcomes]) for name in TENSOR_FIELDS}
    per_target = tuple(concatenate(parts) for parts in zip(*(outcome.per_target for outcome in outcomes), strict=True))
    return Outcome(**joined, per_target=per_target)


def distances(adversarial: Tensor, inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Size of a perturbation in three norms.

    Args:
        adversarial: ``(clips, ...)``.
        inputs: the clean inputs, same shape.

    Returns:
        l_2, l_inf and l_0 norm of the difference, ``(clips,)`` each, computed in float64; l_0 is the number of features
        that moved by more than ``L0_THRESHOLD``.
    """
    difference = (adversarial.double() - inputs.double()).flatten(1)
    magnitude = difference.abs()
    return difference.norm(dim=1), magnitude.amax(dim=1), (magnitude > L0_THRESHOLD).sum(dim=1)


def average_over_targets(outcomes: Sequence[Outcome]) -> Outcome:
    """Average attacks on the same clips towards different targets, per clip.

    Args:
        outcomes: one per target label, all with the same clips in the same order.

    Returns:
        Means in float64; the distances are means over the targets that were hit (over all if none was). The
        adversarial, its logits and its target are those with the smallest l_2 norm among the hits, or of the first
        target if there is no hit.
    """
    hits = torch.stack([outcome.target_hit for outcome in outcomes])
    counted = torch.where(hits.any(dim=0), hits, True).double()

    def mean(name: str) -> Tensor:
        return torch.stack([getattr(outcome, name) for outcome in outcomes]).double().mean(dim=0)

    def mean_over_hits(name: str) -> Tensor:
        values = torch.stack([getattr(outcome, name) for outcome in outcomes]).double()
        return (values * counted).sum(dim=0) / counted.sum(dim=0)

    l2 = torch.stack([outcome.l2 for outcome in outcomes])
    nearest = torch.where(hits, l2, torch.inf).argmin(dim=0)
    clips = torch.arange(len(nearest), device=nearest.device)

    def kept(name: str) -> Tensor:
        return torch.stack([getattr(outcome, name) for outcome in outcomes])[nearest, clips]

    return Outcome(
        adversarial=kept("adversarial"),
        logits_clean=outcomes[0].logits_clean,
        logits_adversarial=kept("logits_adversarial"),
        labels=outcomes[0].labels,
        targets=kept("targets"),
        success=mean("success"),
        target_hit=mean("target_hit"),
        iterations=mean("iterations"),
        gradients=mean("gradients"),
        full_jacobian_gradients=mean("full_jacobian_gradients"),
        forward_rows=mean("forward_rows"),
        zero_gradients=mean("zero_gradients"),
        l2=mean_over_hits("l2"),
        linf=mean_over_hits("linf"),
        l0=mean_over_hits("l0"),
        per_target=tuple(outcomes),
    )


def outcome_of(problem: Problem, ledger: Ledger, budget: int) -> Outcome:
    """Build the outcome of one budget from the records of a ledger."""
    assert ledger.logits is not None, "an attack gives the clean logits to its ledger"
    assert ledger.logits_clean is not None
    adversarial, logits = ledger.adversarial[budget], ledger.logits[budget]
    predictions = logits.argmax(dim=1)
    labels = problem.true_labels
    targets = torch.full_like(problem.labels, NO_TARGET) if problem.targets is None else problem.targets
    l2, linf, l0 = distances(adversarial, problem.inputs)
    counts = ledger.recorded_counts
    return Outcome(
        adversarial=adversarial,
        logits_clean=ledger.logits_clean,
        logits_adversarial=logits,
        labels=labels,
        targets=targets,
        success=predictions != labels,
        target_hit=predictions == targets,
        l2=l2,
        linf=linf,
        l0=l0,
        iterations=counts["iterations"][budget],
        gradients=counts["gradients"][budget],
        full_jacobian_gradients=counts["full_jacobian_gradients"][budget],
        forward_rows=counts["forward_rows"][budget],
        zero_gradients=counts["zero_gradients"][budget],
    )
