"""Attacks of adv-lib: the library's own results, counts as its own model hooks see them, and what is refused."""

import sys

import pytest
import torch
from torch import nn

from attacks.advlib_adapter import FUNCTIONS, AdvLibAttack, latin
from attacks.attack_libraries import named_attack
from attacks.budgets import PROFILES, read_profile
from attacks.gradient_counter import GradientCounter
from attacks.plan import plan_attack
from tests.victims import TinyConvolution, maps

FEW = {"steps": 4, "iterations": 10, "search_steps": 2}
CHEAP = {"carlini_wagner_linf": {"largest_const": 1e-4}, "sdf": {"df_steps": 3, "search_iter": 3}}


@pytest.fixture
def adv_lib():
    return pytest.importorskip("adv_lib.attacks")


def problem(clips: int = 4, dtype: torch.dtype = torch.float32):
    victim = TinyConvolution(dtype=dtype)
    inputs = maps(clips, zeros=0.2, dtype=dtype)
    return victim, inputs, victim(inputs).argmax(dim=1)


class Hooked(nn.Module):
    """Counts as adv-lib's own hooks do, of modules and not of logits."""

    def __init__(self, victim: nn.Module) -> None:
        super().__init__()
        self.victim = victim
        self.forward_rows = self.backward_rows = 0
        self.register_forward_hook(self._forward)
        self.register_full_backward_hook(self._backward)

    def _forward(self, module, given, output):
        self.forward_rows += len(output)

    def _backward(self, module, into, out):
        self.backward_rows += len(out[0])

    def forward(self, inputs):
        return self.victim(inputs)


@pytest.mark.parametrize("norm", ["l0", "l1", "l2", "linf"])
@pytest.mark.parametrize("batched", [False, True])
def test_fmn_is_that_of_adv_lib_and_costs_what_its_own_hooks_count(adv_lib, norm, batched):
    victim, inputs, labels = problem()
    hooked = Hooked(victim)
    number = {"l0": 0, "l1": 1, "l2": 2, "linf": float("inf")}[norm]
    expected = adv_lib.fmn(hooked, inputs, labels, norm=number, steps=30)
    attack = AdvLibAttack(victim, "adv_lib.fmn", {"norm": norm, "steps": 30}, batched=batched)
    outcome = attack.run(inputs, labels)
    torch.testing.assert_close(outcome.adversarial, expected.clamp(0, 1), atol=1e-5, rtol=0)
    assert outcome.success.any()
    assert torch.equal(outcome.success, victim(expected).argmax(dim=1) != labels)
    assert hooked.backward_rows == int(outcome.gradients.sum()) == 30 * 4
    # Ours are one more for the clean clip, and one for what came back.
    assert hooked.forward_rows == int(outcome.forward_rows.sum()) - 2 * 4
    assert outcome.iterations.tolist() == [30] * 4


def test_the_library_s_own_counters_agree(adv_lib):
    from adv_lib.utils.utils import BackwardCounter, ForwardCounter

    victim, inputs, labels = problem()
    forward, backward = ForwardCounter(), BackwardCounter()
    handles = [victim.register_forward_pre_hook(forward), victim.register_full_backward_hook(backward)]
    adv_lib.sdf(victim, inputs[:1], labels[:1], steps=3, df_steps=4)
    for handle in handles:
        handle.remove()
    outcome = AdvLibAttack(victim, "adv_lib.sdf", {"steps": 3, "df_steps": 4}).run(inputs[:1], labels[:1])
    assert int(outcome.gradients[0]) == backward.num_samples_called > 5
    assert int(outcome.forward_rows[0]) == forward.num_samples_called + 2


def cases():
    for name, about in FUNCTIONS.items():
        for norm in about.norms or ("",):
            for targeted in (False, True)[: 1 + about.targeted]:
                yield pytest.param(name, norm, targeted, id=f"{name}-{norm}-{'targeted' if targeted else 'untargeted'}")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["single", "double"])
@pytest.mark.parametrize(("name", "norm", "targeted"), cases())
def test_every_function_runs_is_counted_and_leaves_batch_mates_alone(adv_lib, name, norm, targeted, dtype):
    victim, inputs, labels = problem(3, dtype)
    about = FUNCTIONS[name]
    arguments = {**CHEAP.get(name, {}), **({about.norm: norm} if norm else {})}
    counter = GradientCounter(victim)
    attack = AdvLibAttack(counter, name, arguments, targeted=targeted, seed=3)
    attack = attack.with_settings(**{word: number for word, number in FEW.items() if word in attack.words})
    if attack.bound:
        attack = attack.with_settings(eps=0.1)
    torch.manual_seed(5)
    state = torch.get_rng_state()
    with counter.counting() as counts:
        outcome = attack.run(inputs, labels, ids=torch.arange(3))
    assert torch.equal(torch.get_rng_state(), state)
    assert counts.backward_rows == int(outcome.gradients.sum()) > 0
    assert outcome.adversarial.dtype == dtype
    assert ((outcome.adversarial >= 0) & (outcome.adversarial <= 1)).all()
    if attack.bound:
        # What is small in l_1 is so in l_2.
        assert (getattr(outcome, attack.norm) <= 0.1 + 1e-6).all()
    alone = attack.run(inputs[2:], labels[2:], ids=torch.tensor([2]))
    assert torch.equal(alone.adversarial, outcome.adversarial[2:])
    assert alone.gradients[0] == outcome.gradients[2]


@pytest.mark.parametrize("name", [name for name, about in FUNCTIONS.items() if about.alike])
def test_clips_that_leave_each_other_alone_may_share_a_batch(adv_lib, name):
    victim, inputs, labels = problem(4, torch.float64)
    attack = AdvLibAttack(victim, name).with_settings(steps=25)
    apart, together = (attack.with_settings(batched=batched).run(inputs, labels) for batched in (False, True))
    assert apart.success.any()
    # Steps are of float32, whose sums depend on how many clips are convolved at once.
    torch.testing.assert_close(together.adversarial, apart.adversarial, atol=1e-3, rtol=0)
    assert together.gradients.tolist() == apart.gradients.tolist() == [25] * 4


def test_budgets_in_our_words_and_in_greek(adv_lib):
    assert named_attack("adv_lib.apgd", read_profile("smoke")).budgets == (
        {"delta": 0.008, "steps": 100},
        {"delta": 0.064, "steps": 100},
    )
    assert named_attack("adv_lib.fmn", read_profile("smoke")).budgets == ({"steps": 10},)
    # Of FAB it is no bound, and of `tr` the length of a step.
    assert named_attack("adv_lib.fab", read_profile("smoke")).budgets == ({"steps": 100},)
    assert named_attack("adv_lib.tr", read_profile("smoke")).budgets == ({"steps": 100},)
    attack = AdvLibAttack(nn.Identity(), "pgd_linf", {"ε": 0.02})
    assert attack.delta == attack.with_settings(eps=0.02).delta == attack.with_settings(delta=0.02).delta == 0.02
    assert attack.in_our_words({"ε": 0.02, "steps": 3}) == {"delta": 0.02, "steps": 3}
    assert latin("\N{GREEK SMALL LETTER GAMMA}_init") == "gamma_init"
    plan = plan_attack(str(PROFILES.parent / "attacks" / "fmn.yaml"), {})
    assert plan.budgets == ({"steps": 10}, {"steps": 30}, {"steps": 100})


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("fmm", {}, r"one of \['alma', .* got 'fmm'; did you mean fmn"),
        ("perc_al", {}, "got perc_al, which measures differences of colours"),
        ("str_attack", {}, "got str_attack, which mixes the clips of a batch"),
        ("fmn", {"speed": 3}, r"expected arguments of fmn among \['norm', 'steps', 'alpha_init'"),
        ("fmn", {"norm": "l3"}, "expected norm of fmn among l2, linf, l1, l0, got 'l3'"),
        ("alma", {"distance": "lpips"}, "expected distance of alma among l2, l1, got 'lpips'"),
        ("fab", {"targeted": True}, r"expected arguments of fab among .* got \['targeted'\]"),
        ("carlini_wagner_l2", {"max_iterations": 5}, "expected max_iterations of carlini_wagner_l2 of at least 10"),
        ("pdgd", {"num_steps": 1}, "expected num_steps of pdgd of at least 2, because it divides by one less, got 1"),
        ("apgd", {"best_loss": True}, "expected best_loss=False for apgd, because n_iter has no effect"),
        ("ddn", {"steps": 1.5}, "expected steps of ddn to be a whole number from 1, got 1.5"),
    ],
)
def test_what_is_refused(adv_lib, name, arguments, message):
    with pytest.raises(ValueError, match=message):
        AdvLibAttack(nn.Identity(), name, arguments)


def test_targets_batches_and_classes_that_an_attack_cannot_have(adv_lib):
    # adv-lib would warn and return the inputs.
    with pytest.raises(ValueError, match="expected an attack that can aim at a target, got sdf, which cannot"):
        AdvLibAttack(nn.Identity(), "sdf", targeted=True)
    with pytest.raises(ValueError, match="expected batched=False for ddn: its clips influence each other"):
        AdvLibAttack(nn.Identity(), "ddn", batched=True)
    with pytest.raises(ValueError, match="expected batched=False for pdgd"):
        AdvLibAttack(nn.Identity(), "pdgd", {"random_init": 0.1}, batched=True)
    victim, inputs = TinyConvolution(classes=2), maps(1)
    with pytest.raises(ValueError, match=r"expected a victim of at least 3 classes for apgd, .* got 2"):
        AdvLibAttack(victim, "apgd").run(inputs, victim(inputs).argmax(dim=1))


def test_a_missing_extra_is_named_with_the_way_to_install_it(monkeypatch):
    for module in [name for name in sys.modules if name.partition(".")[0] == "adv_lib"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "adv_lib", None)
    with pytest.raises(ValueError, match=r"expected adv-lib for adv_lib.fmn, found: .*install the extra adv-lib"):
        plan_attack("adv_lib.fmn", read_profile("smoke"))
