import gc
import weakref

import pytest
import torch
from torch import nn

from attacks.gradient_counter import GradientCounter
from tests.victims import TinyConvolution, maps


class SlowOracle(nn.Module):
    """Counts by an autograd function of its own at the logits, an independent way of seeing every plain backward."""

    def __init__(self, victim: nn.Module) -> None:
        super().__init__()
        self.victim = victim
        self.forwards: list[int] = []
        self.backwards: list[int] = []

    def forward(self, inputs):
        oracle = self

        class Watched(torch.autograd.Function):
            @staticmethod
            def forward(ctx, logits):
                oracle.forwards.append(len(logits))
                return logits.clone()

            @staticmethod
            def backward(ctx, gradient):
                oracle.backwards.append(len(gradient))
                return gradient

        return Watched.apply(self.victim(inputs))


def setup(clips: int = 4) -> tuple[nn.Module, GradientCounter, torch.Tensor]:
    victim = TinyConvolution()
    return victim, GradientCounter(victim), maps(clips).requires_grad_()


def numbers(counts) -> tuple[int, ...]:
    return (counts.forward_calls, counts.forward_rows, counts.backward_calls, counts.backward_rows)


def test_plain_backward_and_a_loop_over_a_kept_graph():
    _, counter, inputs = setup()
    with counter.counting() as counts:
        counter(inputs).sum().backward()
        assert numbers(counts) == (1, 4, 1, 4)
        assert counts.full_jacobian_rows == 4
        logits = counter(inputs)
        for target in range(5):
            torch.autograd.grad(logits[:, target].sum(), inputs, retain_graph=True)
    assert numbers(counts) == (2, 8, 6, 24)
    assert counts.differentiated_calls == 2
    # The second point was differentiated five times, which a full Jacobian of six classes costs six rows a clip.
    assert counts.full_jacobian_rows == 4 + 24
    counts.reset()
    assert numbers(counts) == (0, 0, 0, 0)


def test_batched_vectors_of_legacy_vmap_are_counted_one_by_one():
    _, counter, inputs = setup()
    with counter.counting() as counts:
        logits = counter(inputs)
        vectors = torch.eye(6)[:, None].expand(6, 4, 6)
        torch.autograd.grad(logits, inputs, vectors, is_grads_batched=True)
    assert numbers(counts) == (1, 4, 6, 24)


@pytest.mark.parametrize("chunk", [None, 2])
def test_torch_func_transforms(chunk):
    victim, counter, inputs = setup()
    inputs = inputs.detach()
    with counter.counting() as counts:
        jacobian = torch.func.jacrev(lambda values: counter(values).sum(0), chunk_size=chunk)(inputs)
    assert numbers(counts) == (1, 4, 6, 24)
    torch.testing.assert_close(jacobian, torch.func.jacrev(lambda values: victim(values).sum(0))(inputs))
    with counter.counting() as counts:
        torch.func.grad(lambda values: counter(values).sum())(inputs)
    assert numbers(counts) == (1, 4, 1, 4)
    with counter.counting() as counts:
        torch.func.vmap(torch.func.jacrev(lambda value: counter(value[None])[0]))(inputs)
    assert counts.backward_rows == 24
    assert counts.forward_rows == 4
    with counter.counting() as counts:
        torch.func.vmap(torch.func.grad(lambda value: counter(value[None])[0, 0]))(inputs)
    assert (counts.forward_rows, counts.backward_rows) == (4, 4)


def test_in_place_operations_on_the_logits_do_no_harm():
    _, counter, inputs = setup()
    with counter.counting() as counts:
        logits = counter(inputs)
        logits.mul_(2)
        torch.autograd.grad(logits.sum(), inputs)
    assert numbers(counts) == (1, 4, 1, 4)


def test_bit_neutral_and_silent_outside_the_block():
    victim, counter, inputs = setup()
    expected_logits = victim(inputs)
    (expected,) = torch.autograd.grad(expected_logits.square().sum(), inputs)
    with counter.counting() as counts:
        logits = counter(inputs)
        (gradient,) = torch.autograd.grad(logits.square().sum(), inputs)
    assert torch.equal(logits, expected_logits)
    assert torch.equal(gradient, expected)
    before = numbers(counts)
    counter(inputs).sum().backward()
    assert numbers(counts) == before


def test_blocks_nest_and_forwards_without_graph_have_no_gradient():
    _, counter, inputs = setup()
    with counter.counting() as outer:
        with torch.no_grad():
            counter(inputs)
        with counter.counting() as inner:
            counter(inputs[:1]).sum().backward()
    assert numbers(outer) == (2, 5, 1, 1)
    assert numbers(inner) == (1, 1, 1, 1)


def test_the_block_closes_after_an_exception():
    _, counter, inputs = setup()
    with counter.counting() as counts:
        counter(inputs)
        with pytest.raises(RuntimeError, match="batched"), counter.counting() as inner:
            counter(inputs.flatten(1)[:, :5].reshape(4, 1, 1, 5, 1))
    counter(inputs)
    assert counts.forward_calls == 1
    assert inner.forward_calls == 0


def test_the_hook_does_not_keep_the_logits_alive():
    _, counter, inputs = setup()
    gc.disable()
    try:
        with counter.counting():
            logits = counter(inputs)
            alive = weakref.ref(logits)
            del logits
            assert alive() is None
    finally:
        gc.enable()


def test_tuple_outputs_and_modes():
    class Pair(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = TinyConvolution()

        def forward(self, inputs):
            return self.inner(inputs), "features"

    counter = GradientCounter(Pair().train())
    assert counter.training
    inputs = maps(3).requires_grad_()
    with counter.counting() as counts:
        counter.eval()(inputs)[0].sum().backward()
    assert numbers(counts) == (1, 3, 1, 3)
    assert not counter.victim.inner.training


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("PGD", {"steps": 3}),
        ("DeepFool", {"steps": 4}),
        ("CW", {"steps": 5}),
        ("FAB", {"steps": 3, "n_classes": 6}),
        ("APGD", {"steps": 3}),
        ("JSMA", {"gamma": 0.05}),
        ("Square", {"n_queries": 5}),
    ],
)
def test_attacks_of_torchattacks_are_counted_as_a_slow_oracle_counts(name, arguments):
    torchattacks = pytest.importorskip("torchattacks")
    inputs = maps(3)
    victim = TinyConvolution(classes=12 if name == "JSMA" else 6)
    labels = victim(inputs).argmax(dim=1)
    oracle = SlowOracle(victim)
    counter = GradientCounter(oracle)
    with counter.counting() as counts:
        getattr(torchattacks, name)(counter, **arguments)(inputs, labels)
    assert (counts.forward_calls, counts.forward_rows) == (len(oracle.forwards), sum(oracle.forwards))
    assert (counts.backward_calls, counts.backward_rows) == (len(oracle.backwards), sum(oracle.backwards))
    assert name == "Square" or counts.backward_rows > 0
    if name == "PGD":
        assert counts.backward_rows == 3 * 3


def test_attacks_of_foolbox_are_counted_as_a_slow_oracle_counts():
    foolbox = pytest.importorskip("foolbox")
    oracle = SlowOracle(TinyConvolution())
    counter = GradientCounter(oracle).eval()
    inputs = maps(4)
    labels = oracle.victim(inputs).argmax(dim=1)
    model = foolbox.PyTorchModel(counter, bounds=(0, 1))
    for attack in (
        foolbox.attacks.L2DeepFoolAttack(steps=4, candidates=None),
        foolbox.attacks.L2CarliniWagnerAttack(2, 7),
        foolbox.attacks.LinfPGD(steps=3),
    ):
        oracle.forwards.clear()
        oracle.backwards.clear()
        with counter.counting() as counts:
            attack(model, inputs, labels, epsilons=[0.1])
        assert numbers(counts) == (
            len(oracle.forwards),
            sum(oracle.forwards),
            len(oracle.backwards),
            sum(oracle.backwards),
        )
        assert counts.backward_rows > 0


def test_attacks_of_art_are_counted_as_a_slow_oracle_counts():
    evasion = pytest.importorskip("art.attacks.evasion")
    estimators = pytest.importorskip("art.estimators.classification")
    oracle = SlowOracle(TinyConvolution())
    counter = GradientCounter(oracle)
    classifier = estimators.PyTorchClassifier(
        counter, nn.CrossEntropyLoss(), (1, 8, 8), 6, clip_values=(0, 1), device_type="cpu"
    )
    inputs = maps(4).numpy()
    for attack in (
        evasion.DeepFool(classifier, max_iter=3, verbose=False),
        evasion.SaliencyMapMethod(classifier, verbose=False),
        evasion.CarliniL2Method(classifier, binary_search_steps=2, max_iter=3, verbose=False),
    ):
        oracle.forwards.clear()
        oracle.backwards.clear()
        with counter.counting() as counts:
            attack.generate(inputs)
        assert numbers(counts) == (
            len(oracle.forwards),
            sum(oracle.forwards),
            len(oracle.backwards),
            sum(oracle.backwards),
        )
        assert counts.backward_rows > 0
