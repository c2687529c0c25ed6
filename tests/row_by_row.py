"""A victim for strict comparisons between batch sizes."""

from torch import Tensor, nn

from tests.victims import LinearVictim


class RowByRow(nn.Module):
    """A nonlinear victim whose arithmetic for a clip does not depend on the batch, unlike a matrix product's."""

    def __init__(self, victim: LinearVictim) -> None:
        super().__init__()
        self.victim = victim

    def forward(self, inputs: Tensor) -> Tensor:
        points = inputs.flatten(1).square() + inputs.flatten(1)
        return 5 * (points[:, None, :] * self.victim.weight).sum(dim=2) + self.victim.bias
