"""A wrapper around a victim that counts forward passes and gradients at the logits, whatever code computes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn


@dataclass
class GradientCounts:
    """Forward and backward passes of a victim while counting was on.

    Args:
        forward_calls: number of evaluations of the victim.
        forward_rows: number of clips in them.
        differentiated_calls: number of evaluations that were differentiated at least once.
        backward_calls: number of backward passes through the logits ("batch gradients"); a batched pass of k vectors
            counts as k.
        backward_rows: number of clips in them, that is of clip gradients, the measure of cost.
        full_jacobian_rows: as ``backward_rows``, but an evaluation that is differentiated more than once counts once
            per class. A counter cannot know which classes an attack leaves out on purpose.
    """

    forward_calls: int = 0
    forward_rows: int = 0
    differentiated_calls: int = 0
    backward_calls: int = 0
    backward_rows: int = 0
    full_jacobian_rows: int = 0

    def reset(self) -> None:
        """Set all counts to zero."""
        for counted in fields(self):
            setattr(self, counted.name, 0)


class GradientCounter(nn.Module):
    """A bit-identical wrapper of a victim that counts inside :meth:`counting` and costs nothing outside.

    A hook on the logits sees every kind of differentiation: ``backward``, ``autograd.grad`` with a retained graph or
    with ``is_grads_batched``, and the transforms of ``torch.func``. Module hooks do not (they fail under ``torch.func``
    and under in-place operations on logits). Counts are Python integers taken from shapes, so the device is not
    synchronised. Forward-mode derivatives are not gradients and are not counted; a second derivative counts twice.

    Args:
        victim: any module that returns logits ``(batch, classes)``, alone or as the first element of a tuple.

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
        # The wrapper starts in the victim's mode, because a caller may not set it.
        self.training = victim.training

    @contextmanager
    def counting(self) -> Iterator[GradientCounts]:
        """Count inside the block; blocks may be nested, each with its own counts."""
        counts = GradientCounts()
        self._open.append(counts)
        try:
            yield counts
        finally:
            # By identity, because two dataclasses with equal numbers compare equal.
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
            # The hook must not reference the logits, or hook and tensor would keep each other alive.
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
    """Number of passes of an implementation that computes all classes once it needs more than one gradient."""
    return passes if passes < 2 else max(passes, classes)


def _multiplicity(tensor: Tensor) -> int:
    """Number of tensors that a tensor of ``torch.func`` or of ``is_grads_batched`` stands for.

    Under ``vmap`` a hook runs once for a whole batch of gradients, and PyTorch has no public function that returns
    their number. Without it such gradients would silently count as one; a test checks that the private names used here
    still work.
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
