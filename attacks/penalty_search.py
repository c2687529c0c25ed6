"""Shared by the two penalty attacks: the search over c per clip, and the nearest adversarial found so far."""

from __future__ import annotations

import torch
from torch import Tensor

FACTOR = 10.0


class ConstantSearch:
    """Search per clip for the smallest weight c of the loss at which the attack succeeds.

    c starts at 1, grows tenfold after a failure and shrinks tenfold after a success until there has been one of each;
    from then on the interval between the largest failure and the smallest success is bisected in log c.

    Args:
        clips: number of clips.
        device: device of the constants.

    Attributes:
        constants: c of the next attempt, float64 ``(clips,)``.
    """

    def __init__(self, clips: int, device: torch.device) -> None:
        self.constants = torch.ones(clips, dtype=torch.float64, device=device)
        self._failed = torch.zeros_like(self.constants)
        self._succeeded = torch.full_like(self.constants, torch.inf)

    def advance(self, success: Tensor) -> None:
        """Choose the next constants from the success of the attempt with the current ones, bool ``(clips,)``."""
        self._succeeded = torch.where(success, torch.minimum(self._succeeded, self.constants), self._succeeded)
        self._failed = torch.where(success, self._failed, torch.maximum(self._failed, self.constants))
        between = (self._failed * self._succeeded).sqrt()
        smaller, larger = self._succeeded / FACTOR, self._failed * FACTOR
        self.constants = torch.where(self._failed == 0, smaller, torch.where(self._succeeded.isinf(), larger, between))


class Nearest:
    """The nearest adversarial of each clip among all points offered, or the last point if none reached the goal.

    Args:
        points: points before the first offer ``(clips, ...)``.
        logits: the victim's logits for them.
    """

    def __init__(self, points: Tensor, logits: Tensor) -> None:
        self.points = points.detach().clone()
        self.logits = logits.detach().clone()
        self.distances = torch.full((len(points),), torch.inf, dtype=torch.float64, device=points.device)

    def offer(self, rows: Tensor, points: Tensor, logits: Tensor, distances: Tensor, reached: Tensor) -> None:
        """Keep points that reach the goal nearer than before, and any point for clips that have not succeeded yet.

        Args:
            rows: distinct positions of the clips ``(rows,)``.
            points: their new points ``(rows, ...)``.
            logits: the victim's logits for exactly those points.
            distances: distance from the clean input or its square, float64 ``(rows,)``, of one kind in all offers.
            reached: bool ``(rows,)``, whether a point reaches the goal.
        """
        kept = self.distances[rows]
        taken = (reached & (distances < kept)) | kept.isinf()
        self.distances[rows] = torch.where(reached & taken, distances, kept)
        self.logits[rows] = torch.where(taken[:, None], logits.detach(), self.logits[rows])
        wide = taken.view(-1, *(1 for _ in points.shape[1:]))
        self.points[rows] = torch.where(wide, points.detach(), self.points[rows])
