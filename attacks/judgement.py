"""What an attack has recorded for one budget -> its outcome."""

from __future__ import annotations

import torch

from attacks.active_set import Ledger, Problem
from attacks.outcome import NO_TARGET, Outcome, distances


def outcome_of(problem: Problem, ledger: Ledger, budget: int) -> Outcome:
    """Judge what a ledger has recorded for one budget."""
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
