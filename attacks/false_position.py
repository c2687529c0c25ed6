"""Moves adversarials closer to their inputs, along the line between the two, by false position on the margin."""

import torch
from torch import Tensor

from attacks.base import Attack
from attacks.ledger import Ledger, Problem
from attacks.losses import at_least_float32, margin


@torch.no_grad()
def draw_nearer(attack: Attack, problem: Problem, ledger: Ledger, steps: int) -> None:
    """Move adversarials towards their inputs as far as the goal remains reached.

    The interval is divided where the margin would be zero if it were linear between the ends (false position, with the
    Illinois rule against an end that does not move), at least a sixteenth away from both ends. On a nearly linear
    margin, two or three steps are as accurate as eight bisections.

    A clip that has reached its goal at one budget has the same adversarial at every larger one, so the search runs for
    the last budget and its result is copied to the others.

    Args:
        attack: the attack that made the adversarials.
        problem: its batch.
        ledger: its records; adversarials, logits and forward rows are replaced in place.
        steps: number of divisions; each costs one forward row per clip.
    """
    assert ledger.logits is not None
    assert ledger.logits_clean is not None
    last = len(ledger.budgets) - 1
    goals = attack.reached(ledger.logits[last], problem.labels, problem.targets)
    goals &= ledger.recorded_counts["iterations"][last] > 0
    rows = goals.nonzero().squeeze(1)
    if not len(rows):
        return
    reached_before = [
        attack.reached(logits, problem.labels, problem.targets) & goals for logits in ledger.logits[:last]
    ]
    inputs, labels = problem.inputs[rows], problem.labels[rows]
    targets = None if problem.targets is None else problem.targets[rows]
    adversarial, best_logits = ledger.adversarial[last, rows], ledger.logits[last, rows]
    direction = adversarial - inputs
    shape = (-1, *(1 for _ in inputs.shape[1:]))
    low = inputs.new_zeros(len(rows))
    high = torch.ones_like(low)
    excess_low = _excess(ledger.logits_clean[rows], labels, targets)
    excess_high = _excess(best_logits, labels, targets)
    # At a margin of exactly zero rounding decides, and the prediction would depend on the rest of the batch.
    floor = torch.minimum(1e-3 * excess_low.abs(), excess_high / 4)
    excess_low, excess_high = excess_low - floor, excess_high - floor
    before = None
    for _ in range(steps):
        share = (excess_low / (excess_low - excess_high)).nan_to_num(0.5).clamp(1 / 16, 15 / 16)
        middle = low + (high - low) * share.to(low.dtype)
        candidate = attack.clip_to_bounds(inputs + middle.view(shape) * direction)
        logits = at_least_float32(attack.logits(candidate))
        excess = _excess(logits, labels, targets) - floor
        inside = attack.reached(logits, labels, targets) & (excess >= 0)
        high, low = torch.where(inside, middle, high), torch.where(inside, low, middle)
        again = torch.zeros_like(inside) if before is None else inside == before
        excess_high = torch.where(inside, excess, torch.where(again, excess_high / 2, excess_high))
        excess_low = torch.where(inside, torch.where(again, excess_low / 2, excess_low), excess)
        before = inside
        adversarial = torch.where(inside.view(shape), candidate, adversarial)
        best_logits = torch.where(inside[:, None], logits, best_logits)
    ledger.adversarial[last, rows] = adversarial
    ledger.logits[last, rows] = best_logits
    ledger.recorded_counts["forward_rows"][last, rows] += steps
    for budget, reached in enumerate(reached_before):
        ledger.adversarial[budget, reached] = ledger.adversarial[last, reached]
        ledger.logits[budget, reached] = ledger.logits[last, reached]
        ledger.recorded_counts["forward_rows"][budget, reached] += steps


def _excess(logits: Tensor, labels: Tensor, targets: Tensor | None) -> Tensor:
    """Margin in logits by which the goal is reached ``(clips,)``, negative where it is not."""
    return -margin(logits, labels) if targets is None else margin(logits, targets)
