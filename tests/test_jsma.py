import itertools
from pathlib import Path

import pytest
import torch

from attacks import ATTACKS
from attacks.gradient_counter import GradientCounter
from attacks.jsma import JSMA
from attacks.outcome import concatenate
from tests.victims import LinearVictim, TinyConvolution, linear_problem, maps

COUNTS = ("iterations", "gradients", "full_jacobian_gradients", "forward_rows", "zero_gradients")


def papernot(weight, bias, clean, label, target, iterations, theta):
    """The algorithm as published, on a linear victim, with the full Jacobian and every pair of unsaturated pixels."""
    point, done = clean.clone(), 0
    sign = 1 if theta > 0 else -1
    others = weight.sum(dim=0) - weight[target]
    while done < iterations and int((weight @ point + bias).argmax()) != target:
        done += 1
        best, pair = 0.0, None
        movable = [p for p in range(len(point)) if (point[p] < 1 if theta > 0 else point[p] > 0)]
        for p, q in itertools.combinations(movable, 2):
            a, b = sign * float(weight[target, p] + weight[target, q]), sign * float(others[p] + others[q])
            if a > 0 and b < 0 and -a * b > best:
                best, pair = -a * b, [p, q]
        if pair is None:
            break
        point[pair] = (point[pair] + theta).clamp(0, 1)
    return point, done


@pytest.mark.parametrize("theta", [1.0, -1.0, 0.3])
def test_equal_to_the_algorithm_as_published(theta):
    victim, inputs, labels = linear_problem(5, 8, features=24, zeros=0.3, dtype=torch.float64)
    targets = (labels + 1 + torch.arange(8) % 4) % 5
    outcome = JSMA(victim, iterations=9, theta=theta, revisit=True).run(inputs, labels, targets=targets)
    for clip in range(8):
        point, done = papernot(
            victim.weight.detach(), victim.bias.detach(), inputs[clip, 0], labels[clip], targets[clip], 9, theta
        )
        torch.testing.assert_close(outcome.adversarial[clip, 0], point)
        assert outcome.iterations[clip] == done
    assert outcome.target_hit.any()


def test_each_pixel_once_unless_it_may_be_revisited():
    # Only the first two pixels serve the target; theta of 0.25 needs four visits to reach the bound.
    victim = LinearVictim(torch.tensor([[0.0, 0.0, 0.0, 0.0], [1.0, 1.0, -1.0, -1.0]]), torch.tensor([10.0, 0.0]))
    inputs, labels = torch.zeros(1, 4), torch.tensor([0])
    # beta of two classes is the gradient of the other logit, zero here: with it nothing is admissible.
    assert torch.equal(JSMA(victim)(inputs, labels), inputs)
    victim.weight.data[0] = -victim.weight.data[1]
    once = JSMA(victim, theta=0.25, iterations=9).run(inputs, labels)
    assert once.adversarial.tolist() == [[0.25, 0.25, 0, 0]]
    assert once.iterations.item() == 2  # the second finds no pair
    again = JSMA(victim, theta=0.25, iterations=9, revisit=True).run(inputs, labels)
    assert again.adversarial.tolist() == [[1, 1, 0, 0]]
    assert again.iterations.item() == 5
    single = ATTACKS["jsma_single"](victim, theta=1.0, iterations=1).run(inputs, labels)
    assert single.l0.item() == 1


def test_theta_is_a_share_of_the_bounds_and_a_negative_one_lowers():
    victim, inputs, labels = linear_problem(4, 6, features=30)
    wide = inputs * 4 - 1
    labels = victim(wide).argmax(dim=1)
    up = JSMA(victim, theta=0.5, bounds=(-1.0, 3.0), iterations=3).run(wide, labels)
    change = (up.adversarial - wide).flatten()
    assert change.min() == 0
    assert change.max() == pytest.approx(2.0)
    assert up.adversarial.max() <= 3
    down = JSMA(victim, theta=-1.0, bounds=(-1.0, 3.0), iterations=3).run(wide, labels)
    changed = down.adversarial != wide
    assert changed.any()
    assert (down.adversarial[changed] == -1).all()


@pytest.mark.parametrize("name", ["jsma", "jsma_single"])
def test_two_gradients_an_iteration_whatever_the_number_of_classes(name):
    for classes in (3, 12):
        victim, inputs, labels = linear_problem(classes, 7, features=40)
        counter = GradientCounter(victim)
        with counter.counting() as counts:
            outcome = ATTACKS[name](counter, iterations=6).run(inputs, labels)
        assert torch.equal(outcome.gradients, 2 * outcome.iterations)
        assert torch.equal(outcome.full_jacobian_gradients, classes * outcome.iterations)
        assert counts.backward_rows == int(outcome.gradients.sum()) > 0
        per_iteration = 2 if name == "jsma" else 1
        assert (outcome.l0 <= per_iteration * outcome.iterations).all()


@pytest.mark.parametrize("name", ["jsma", "jsma_single"])
def test_budgets_are_prefixes_and_batch_mates_do_not_matter(name):
    victim, inputs = TinyConvolution(dtype=torch.float64), maps(64, zeros=0.4, dtype=torch.float64)
    labels, clips = victim(inputs).argmax(dim=1), torch.arange(64)
    attack = ATTACKS[name](victim, iterations=8)
    budgets = [{"iterations": 8}, {"iterations": 2}, {"iterations": 5}]
    shared = attack.run_budgets(inputs[:12], labels[:12], budgets)
    for budget, outcome in zip(budgets, shared, strict=True):
        alone = attack.with_settings(**budget).run(inputs[:12], labels[:12])
        for field in ("adversarial", "success", "target_hit", *COUNTS):
            assert torch.equal(getattr(alone, field), getattr(outcome, field)), (budget, field)
    together = attack.run(inputs, labels, ids=clips)
    for size in (1, 7):
        parts = [attack.run(inputs[i : i + size], labels[i : i + size], ids=clips[i : i + size]) for i in (0, 7)]
        apart, same = concatenate(parts), together.select(torch.cat([torch.arange(i, i + size) for i in (0, 7)]))
        assert (apart.adversarial - same.adversarial).abs().max() <= 1e-12
        for count in COUNTS:
            assert torch.equal(getattr(apart, count), getattr(same, count)), count


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs the peak memory of Linux's /proc")
def test_a_batch_of_32_maps_of_128_x_128_needs_less_than_a_gigabyte():
    features = 128 * 128
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(10, features, generator=generator) / 128
    # Wide Pareto layers: what raises one logit raises the others' sum as well.
    weight[1:5] += weight[0]
    victim = LinearVictim(weight)
    inputs = maps(32, shape=(1, 128, 128))
    labels = victim(inputs).argmax(dim=1)

    def resident(field: str) -> float:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 2**20

    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    outcome = JSMA(victim, iterations=3).run(inputs, labels)
    assert outcome.gradients.max() == 6
    assert resident("VmHWM") - before < 1.0  # GiB; a single n x n map of one clip would be exactly that


def test_the_door():
    victim = LinearVictim(torch.eye(2))
    with pytest.raises(ValueError, match=r"expected theta in \[-1, 1\] and not 0, got 0"):
        JSMA(victim, theta=0.0)
    with pytest.raises(ValueError, match="iterations to be a whole number of at least 0, got -1"):
        JSMA(victim, iterations=-1)
    with pytest.raises(ValueError, match="expected targeted=True"):
        JSMA(victim, targeted=False)
