"""A wrapper around a victim that counts forwards and gradients at the logits, whoever computes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn


@dataclass
class GradientCounts:
    """What went through a victim while counting was on.

    Args:
        forward_calls: evaluations of the victim.
        forward_rows: clips in them, added up.
        differentiated_calls: evaluations that were differentiated at least once.
        backward_calls: passes back through the logits ("batch gradients"); a batched pass of k vectors is k calls.
        backward_rows: clips in them, added up: the number of clip gradients, and the measure of cost.
        full_jacobian_rows: the same where an evaluation that is differentiated more than once counts with all of its
            classes. A counter cannot know which classes an attack leaves out on purpose.
    """

    forward_calls: int = 0
    forward_rows: int = 0
    differentiated_calls: int = 0
    backward_calls: int = 0
    backward_rows: int = 0
    full_jacobian_rows: int = 0

    def reset(self) -> None:
        """Start again from zero."""
        for counted in fields(self):
            setattr(self, counted.name, 0)


class GradientCounter(nn.Module):
    """The victim itself, bit for bit, that counts inside :meth:`counting` and costs nothing outside.

    A hook on the logits sees every way of differentiating: ``backward``, ``autograd.grad`` with a kept graph or with
    ``is_grads_batched``, and the transforms of ``torch.func``. Module hooks do not (they fail under ``torch.func`` and
    under in-place operations on logits). Counts are Python integers taken from shapes, so no device is waited for.
    Forward-mode derivatives are no gradients and are not counted; a second derivative counts twice.

    Args:
        victim: any module that returns logits ``(batch, classes)``, alone or first in a tuple.

    Example:
        >>> counter = GradientCounter(nn.Linear(3, 2))
        >>> inputs = torch.zeros(4, 3, requires_grad=True)
        >>> with counter.counting() as counts:
        ...     _ = torch.autograd.grad(counter(inputs).sum(), inputs)
        >>> counts.backward_calls, counts.backward_rows
        (1, 4)
    """

    def __init__(self, victim: nn.Module) -> None:
        super().__init__()
        self.victim = victim
        self._open: list[GradientCounts] = []
        # A tool may leave the mode of the wrapper alone at first, so it starts in the victim's.
        self.training = victim.training

    @contextmanager
    def counting(self) -> Iterator[GradientCounts]:
        """Count inside the block; blocks may be nested, and each has its own counts."""
        counts = GradientCounts()
        self._open.append(counts)
        try:
            yield counts
        finally:
            # By identity: two counts with equal numbers are equal.
            self._open = [kept for kept in self._open if kept is not counts]

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Evaluate the victim, and count if counting is on."""
        output = self.victim(*args, **kwargs)
        if self._open:
            self._watch(output if isinstance(output, Tensor) else output[0])
        return output

    def _watch(self, logits: Tensor) -> None:
        rows, classes = logits.shape[0], logits.shape[-1]
        forward_rows = rows * _multiplicity(logits)
        for counts in self._open:
            counts.forward_calls += 1
            counts.forward_rows += forward_rows
        if logits.requires_grad:
            # The hook must not hold the logits: hook and tensor would keep each other alive.
            logits.register_hook(self._hook(rows, classes))

    def _hook(self, rows: int, classes: int) -> Callable[[Tensor], None]:
        passes = 0

        def count(gradient: Tensor) -> None:
            nonlocal passes
            multiplicity = _multiplicity(gradient)
            jacobian_before = _jacobian(passes, classes)
            first = passes == 0
            passes += multiplicity
            for counts in self._open:
                counts.differentiated_calls += first
                counts.backward_calls += multiplicity
                counts.backward_rows += rows * multiplicity
                counts.full_jacobian_rows += rows * (_jacobian(passes, classes) - jacobian_before)

        return count


def _jacobian(passes: int, classes: int) -> int:
    """Passes of an implementation that computes all classes as soon as it computes more than one gradient."""
    return passes if passes < 2 else max(passes, classes)


def _multiplicity(tensor: Tensor) -> int:
    """How many tensors of the visible shape stand behind a tensor of ``torch.func`` or of ``is_grads_batched``.

    Under ``vmap`` a hook runs once for a whole batch of gradients, and PyTorch offers no public way to learn how many
    they are. Without it such gradients would be counted as one, silently; a test holds these names to what they do.
    """
    functorch = torch._C._functorch
    hidden = 1
    while True:
        if functorch.is_batchedtensor(tensor):
            dimension = functorch.maybe_get_bdim(tensor)
            tensor = functorch.get_unwrapped(tensor)
            hidden *= tensor.shape[dimension]
        elif functorch.is_gradtrackingtensor(tensor):
            tensor = functorch.get_unwrapped(tensor)
        elif functorch.is_legacy_batchedtensor(tensor):
            tensor = torch._remove_batch_dim(tensor, 1, 1, 0)
            hidden *= tensor.shape[0]
        else:
            return hidden
