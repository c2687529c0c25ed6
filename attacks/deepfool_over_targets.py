"""Targeted DeepFool towards every wrong label in turn, averaged over them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from attacks.active_set import Problem
from attacks.base import Attack
from attacks.deepfool import DeepFool
from attacks.outcome import Outcome, average_over_targets


class DeepFoolOverTargets(DeepFool):
    """Targeted DeepFool towards every wrong label in turn, averaged over them.

    The outcome's success, target hit, counts and distances are means over the K - 1 wrong labels of a clip; its
    adversarial is the nearest that hit its target, and ``per_target`` holds the single outcomes, where entry j of a
    clip has the target (label + 1 + j) mod K.

    Args:
        model: the victim.
        settings: those of :class:`DeepFool` but ``targeted``.
    """

    modes = ("targeted",)

    def __init__(self, model: nn.Module, **settings: Any) -> None:
        super().__init__(model, targeted=True, **settings)

    def run_budgets(
        self,
        inputs: Tensor,
        labels: Tensor | None,
        budgets: Sequence[Mapping[str, Any]],
        *,
        targets: Tensor | None = None,
        clips: Tensor | None = None,
    ) -> list[Outcome]:
        """Attack one batch towards every wrong label; see :meth:`Attack.run_budgets`.

        Raises:
            ValueError: as there, and for given targets, because all are used.
        """
        if targets is not None:
            raise ValueError("expected no targets, because every wrong label is one, got some")
        attacks: list[Attack] = [self.with_settings(**budget) for budget in budgets]
        with self._session():
            problem = self._problem(inputs, labels, None, clips)
            classes = self._class_count(problem.inputs)
            labels = problem.true_labels
            runs = []
            for offset in range(classes - 1):
                aimed = Problem(problem.inputs, labels, (labels + 1 + offset) % classes, problem.clips)
                runs.append(self._run_groups(aimed, attacks))
        return [average_over_targets([run[index] for run in runs]) for index in range(len(attacks))]
