"""Victims that are small enough to be worked out by hand or by brute force."""

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor, nn


class LinearVictim(nn.Module):
    """Logits W x + b of the flattened input."""

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(weight.new_zeros(len(weight)) if bias is None else bias)

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs.flatten(1) @ self.weight.T + self.bias


class TinyConvolution(nn.Module):
    """A convolution with a batch norm, dropout, and a frozen batch norm, for inputs (batch, 1, 8, 8)."""

    def __init__(self, classes: int = 6, seed: int = 0, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.features = nn.Sequential(
                nn.Conv2d(1, 6, 3, padding=1),
                nn.BatchNorm2d(6),
                nn.ReLU(),
                nn.Conv2d(6, 8, 3, stride=2, padding=1),
                nn.BatchNorm2d(8),
                nn.Softplus(),
                nn.Dropout(0.5),
            )
            self.head = nn.Linear(8 * 16, classes)
            for module in self.features:
                if isinstance(module, nn.BatchNorm2d):
                    module.running_mean.copy_(0.1 * torch.randn(module.num_features))
                    module.running_var.copy_(0.5 + torch.rand(module.num_features))
            self.head.weight.data *= 4
        self.to(dtype)
        self.eval()

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(self.features(inputs).flatten(1))


class MaskedVictim(nn.Module):
    """A victim whose gradient is masked: its input is rounded, so the gradient is zero everywhere."""

    def __init__(self, victim: nn.Module) -> None:
        super().__init__()
        self.victim = victim

    def forward(self, inputs: Tensor) -> Tensor:
        # The product with zero keeps the graph, so that a gradient exists and is zero.
        return self.victim((inputs.detach() * 16).round() / 16 + 0 * inputs)


class FailingVictim(nn.Module):
    """A victim that raises at its n-th evaluation."""

    def __init__(self, victim: nn.Module, fails_at: int) -> None:
        super().__init__()
        self.victim = victim
        self.remaining = fails_at

    def forward(self, inputs: Tensor) -> Tensor:
        self.remaining -= 1
        if self.remaining <= 0:
            raise RuntimeError("the victim broke")
        return self.victim(inputs)


class WithoutParameters(nn.Module):
    """Sum of each column of the input: logits without a single parameter."""

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs.sum(dim=-2).flatten(1)


def maps(clips: int, *, seed: int = 0, zeros: float = 0.0, shape: tuple[int, ...] = (1, 8, 8), dtype=torch.float32):
    """Random inputs in [0, 1], a share of whose values is exactly 0."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.rand(clips, *shape, generator=generator, dtype=torch.float64)
    silent = torch.rand(clips, *shape, generator=generator, dtype=torch.float64) < zeros
    return values.masked_fill(silent, 0.0).to(dtype)


def linear_problem(
    classes: int, clips: int, *, seed: int = 0, zeros: float = 0.0, features: int = 256, dtype=torch.float32
):
    """A random linear victim, inputs, and its own predictions as labels."""
    generator = torch.Generator().manual_seed(1000 + seed)
    weight = torch.randn(classes, features, generator=generator, dtype=torch.float64) / features**0.5
    bias = 0.1 * torch.randn(classes, generator=generator, dtype=torch.float64)
    victim = LinearVictim(weight.to(dtype), bias.to(dtype))
    inputs = maps(clips, seed=seed, zeros=zeros, shape=(1, features), dtype=dtype)
    return victim, inputs, victim(inputs).argmax(dim=1).detach()


def exact_box_distance(victim: LinearVictim, inputs: Tensor, labels: Tensor, norm: str = "l2") -> Tensor:
    """Distance to the nearest other class of a linear victim inside [0, 1], by bisection on the multiplier (float64).

    For each class, min ||r|| subject to (w_k - w_label) . (x + r) + b_k - b_label >= 0 and 0 <= x + r <= 1 has the
    solution r = clip(x + m w) - x (l_2) or clip(x + m sign(w)) - x (l_inf) for the smallest m that is feasible.
    """
    weight, bias = victim.weight.detach().double(), victim.bias.detach().double()
    points = inputs.double().flatten(1)
    best = torch.full((len(points),), torch.inf, dtype=torch.float64)
    for rival in range(len(weight)):
        direction = weight[rival] - weight[labels]
        offset = bias[rival] - bias[labels]
        step = direction if norm == "l2" else direction.sign()

        def value(m: Tensor, direction=direction, offset=offset, step=step) -> Tensor:
            return (direction * (points + m[:, None] * step).clamp(0, 1)).sum(dim=1) + offset

        low, high = torch.zeros(len(points), dtype=torch.float64), torch.full((len(points),), 1e6, dtype=torch.float64)
        feasible = (value(high) >= 0) & (rival != labels)
        for _ in range(90):
            middle = (low + high) / 2
            inside = value(middle) >= 0
            high, low = torch.where(inside, middle, high), torch.where(inside, low, middle)
        change = (points + high[:, None] * step).clamp(0, 1) - points
        length = change.norm(dim=1) if norm == "l2" else change.abs().amax(dim=1)
        best = torch.where(feasible, torch.minimum(best, length), best)
    return best


def target_region_distance(victim: LinearVictim, inputs: Tensor, targets: Tensor) -> Tensor:
    """Distance to where the target of a linear victim wins inside [0, 1], a quadratic programme, by SLSQP (float64)."""
    weight, bias = victim.weight.detach().double().numpy(), victim.bias.detach().double().numpy()
    distances = []
    for clean, target in zip(inputs.flatten(1).double().numpy(), targets.tolist(), strict=True):
        matrix = np.delete(weight[target] - weight, target, axis=0)
        offset = np.delete(bias[target] - bias, target)
        constraint = {"type": "ineq", "fun": lambda z, a=matrix, b=offset: a @ z + b, "jac": lambda z, a=matrix: a}
        solved = minimize(
            lambda z, x=clean: np.sum((z - x) ** 2),
            clean,
            jac=lambda z, x=clean: 2 * (z - x),
            bounds=[(0, 1)] * len(clean),
            constraints=[constraint],
            method="SLSQP",
            options={"maxiter": 300, "ftol": 1e-12},
        )
        assert solved.success
        distances.append(np.sqrt(solved.fun))
    return torch.tensor(distances)
