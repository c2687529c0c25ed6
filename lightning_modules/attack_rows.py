"""One attack on one batch -> one row per clip and budget, with everything that later numbers and checks need."""

import json
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from attacks import Attack, Outcome
from attacks.gradient_counter import GradientCounter
from attacks.library_attack import LibraryAttack
from attacks.noise import noise_of_equal_norm
from attacks.plan import AttackPlan
from attacks.radii import is_within
from metrics.distances import snr_db
from metrics.success import confident_success, round_to_8bit, round_to_16bit, success
from storage.space import MAP, Space

COUNTS = ("iterations", "forward_rows", "gradients", "full_jacobian_gradients", "zero_gradients")
DISTANCES = ("l2", "linf", "l0")


def attack_batch(
    plan: AttackPlan,
    victim: GradientCounter,
    inputs: Tensor,
    labels: Tensor,
    clips: Tensor,
    *,
    seed: int,
    space: Space = MAP,
) -> tuple[pd.DataFrame, Tensor]:
    """Attack the clips of a batch at every budget of a plan and evaluate the outcomes.

    Args:
        plan: the attack and its budgets.
        victim: the classifier inside a counter, in eval mode.
        inputs: maps ``(clips, 1, rows, columns)`` in [0, 1], or waveforms ``(clips, 1, time)`` in [-1, 1], classified
            correctly.
        labels: true classes ``(clips,)``.
        clips: rows of the corpus table ``(clips,)``; a clip's targets and noise depend only on its row and the seed.
        seed: seed of the run.
        space: what the inputs are.

    Returns:
        One row per clip and budget, and the adversarials ``(budgets, clips, ...)``, shaped as the inputs, on the CPU.
    """
    attack = plan.build(victim, bounds=space.bounds, seed=seed)
    started = time.perf_counter()
    with victim.counting() as counts:
        outcomes = attack.run_budgets(inputs, labels, plan.budgets, ids=clips)
        # Reading a result waits for the device, so that the time includes all of its work.
        outcomes[-1].success.sum().item()
    seconds = (time.perf_counter() - started) / (len(clips) * len(outcomes))
    agrees = hook_agrees(attack, plan, outcomes, counts.backward_rows)
    frames = []
    for index, (budget, outcome) in enumerate(zip(plan.budgets, outcomes, strict=True)):
        frame = outcome_rows(outcome, inputs, clips)
        frame |= evaluated_again(attack.with_settings(**budget), victim.victim, outcome, inputs, clips, seed, space)
        frame |= {"attack": plan.name, "budget_index": index, "budget": json.dumps(budget, sort_keys=True)}
        frame |= {"seed": seed, "seconds": seconds, "hook_agrees": agrees}
        # Measured columns override settings of the budget of the same name: both have ``iterations``.
        frames.append(pd.DataFrame({**budget, **frame}))
    return pd.concat(frames, ignore_index=True), torch.stack([outcome.adversarial.cpu() for outcome in outcomes])


def outcome_rows(outcome: Outcome, inputs: Tensor, clips: Tensor) -> dict[str, Any]:
    """Columns, by name, that an outcome contains or that follow from its logits, one value per clip."""
    logits = outcome.logits_adversarial.float().cpu()
    columns: dict[str, Any] = {"clip": clips.cpu().numpy()}
    columns |= {"label": outcome.labels.cpu().numpy(), "target_label": outcome.targets.cpu().numpy()}
    columns["prediction"] = logits.argmax(dim=1).numpy()
    columns["logits_clean"] = list(outcome.logits_clean.float().cpu().numpy())
    columns["logits_adversarial"] = list(logits.numpy())
    # Floats, because an average over target labels is a fraction.
    columns["success"] = numbers(outcome.success)
    columns["success_65"] = mean_confident_success(outcome)
    columns["target_hit"] = numbers(outcome.target_hit)
    columns |= {name: numbers(getattr(outcome, name)) for name in (*COUNTS, *DISTANCES)}
    columns["snr_db"] = mean_snr_db(outcome, inputs)
    return columns


def mean_snr_db(outcome: Outcome, inputs: Tensor) -> np.ndarray:
    """SNR per clip in dB ``(clips,)``; averaged over the targets that are hit (all if none is), like the distances."""
    singles = outcome.per_target or (outcome,)
    ratios = torch.stack([snr_db(inputs, one.adversarial) for one in singles])
    hits = torch.stack([one.target_hit.cpu() for one in singles])
    counted = torch.where(hits.any(dim=0), hits, True)
    return (torch.where(counted, ratios, 0).sum(dim=0) / counted.sum(dim=0)).numpy()


def mean_confident_success(outcome: Outcome) -> np.ndarray:
    """``success_65`` per clip ``(clips,)``, averaged over target labels if the outcome is."""
    singles = outcome.per_target or (outcome,)
    return np.mean([numbers(confident_success(one.logits_adversarial, one.labels)) for one in singles], axis=0)


@torch.no_grad()
def evaluated_again(
    attack: Attack,
    victim: nn.Module,
    outcome: Outcome,
    inputs: Tensor,
    clips: Tensor,
    seed: int,
    space: Space = MAP,
) -> dict[str, Any]:
    """Evaluate the adversarials again: one by one, rounded to 8 or 16 bits, and against noise of the same norm.

    Returns:
        The columns ``success_8bit`` (of sounds ``success_16bit``), ``noise_success``, ``confirmed`` and ``in_bounds``,
        one value per clip.
    """
    lower, upper = attack.bounds
    adversarial = outcome.adversarial
    alone = torch.cat([victim(one[None]).argmax(dim=1) for one in adversarial])
    inside = ((adversarial >= lower) & (adversarial <= upper)).flatten(1).all(dim=1)
    inside &= is_within(getattr(outcome, attack.norm), attack.radii(inputs), inputs, attack.norm)
    noisy = noise_of_equal_norm(inputs, outcome, attack.norm, ids=clips, seed=seed, bounds=attack.bounds)
    singles = outcome.per_target or (outcome,)

    def rounded(adversarials: Tensor) -> Tensor:
        return round_to_8bit(adversarials, attack.bounds) if space == MAP else round_to_16bit(adversarials)

    # Still fooled: an input that only rounding pushes over the boundary is not a success of the attack.
    kept = [one.success & success(victim(rounded(one.adversarial)), one.labels) for one in singles]
    return {
        space.rounded: np.mean([numbers(one) for one in kept], axis=0),
        "noise_success": numbers(success(victim(noisy), outcome.labels)),
        "confirmed": (alone == outcome.logits_adversarial.argmax(dim=1)).cpu().numpy(),
        "in_bounds": inside.cpu().numpy(),
    }


def hook_agrees(attack: Attack, plan: AttackPlan, outcomes: Sequence[Outcome], counted: int) -> bool:
    """Whether the gradient rows that the clips report add up to those counted at the victim's logits.

    An attack of another library that handles all clips at once reports equal shares rounded up, which may exceed the
    count by less than one row per clip and budget.
    """
    reported = 0
    for run in attack.shared_runs(plan.budgets):
        last = outcomes[run[-1]]
        reported += sum(int(one.gradients.sum()) for one in (last.per_target or (last,)))
    slack = len(outcomes) * len(outcomes[0]) if isinstance(attack, LibraryAttack) and attack.batched else 0
    return counted <= reported <= counted + slack


def numbers(values: Tensor) -> np.ndarray:
    """A tensor of any type as a float64 array on the CPU."""
    return values.detach().cpu().double().numpy()
