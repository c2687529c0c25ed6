import copy

import pytest
import torch
import torchattacks
from torch import nn

from attacks import ATTACKS, Attack
from attacks.bim import BIM
from attacks.clip_random import identities, random_targets, random_uniform, scramble
from attacks.fgsm import FGSM
from attacks.gradient_counter import GradientCounter
from attacks.ledger import Ledger, Problem
from attacks.outcome import NO_TARGET, concatenate, distances
from tests.victims import FailingVictim, TinyConvolution, WithoutParameters, linear_problem, maps

OWN = ["fgsm", "fgsm_untargeted", "fgsm_l2", "bim_a", "bim_b", "deepfool", "deepfool_linf"]
NESTED = {
    "fgsm": [{"delta": delta} for delta in (0.3, 0.01, 0.1)],
    "fgsm_l2": [{"delta": delta} for delta in (0.3, 2.0)],
    "bim_a": [{"steps": 7, "delta": 0.1}, {"steps": 2, "delta": 0.1}, {"steps": 4, "delta": 0.03}],
    "bim_b": [{"steps": 3}, {"steps": 9}],
    "deepfool": [{"iterations": 1}, {"iterations": 2}, {"iterations": 30}],
    "deepfool_linf": [{"iterations": 2}, {"iterations": 5}],
    "deepfool_targeted": [{"iterations": 2}, {"iterations": 5}],
}
COUNTS = ("iterations", "gradients", "full_jacobian_gradients", "forward_rows", "zero_gradients")


def problem(clips: int = 12, dtype: torch.dtype = torch.float32) -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    victim = TinyConvolution(dtype=dtype)
    inputs = maps(clips, zeros=0.4, dtype=dtype)
    return victim, inputs, victim(inputs).argmax(dim=1).detach()


@pytest.mark.parametrize("name", OWN)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
def test_a_clip_gets_the_same_alone_in_a_batch_of_7_and_of_64(name, dtype, tolerance):
    victim, inputs, labels = problem(64, dtype)
    clips = torch.arange(100, 164)
    attack = ATTACKS[name](victim)
    together = attack.run(inputs, labels, ids=clips)
    for size in (1, 7):
        rows = range(0, 14, size)
        apart = concatenate(
            [attack.run(inputs[i : i + size], labels[i : i + size], ids=clips[i : i + size]) for i in rows]
        )
        same = together.select(torch.arange(14))
        assert (apart.adversarial - same.adversarial).abs().max() <= tolerance
        assert torch.equal(apart.targets, same.targets)
        for count in COUNTS:
            assert torch.equal(getattr(apart, count), getattr(same, count)), count


@pytest.mark.parametrize("name", NESTED)
def test_nested_budgets_equal_runs_of_their_own(name):
    victim, inputs, labels = problem()
    attack = ATTACKS[name](victim)
    shared = attack.run_budgets(inputs, labels, NESTED[name])
    for settings, outcome in zip(NESTED[name], shared, strict=True):
        alone = attack.with_settings(**settings).run(inputs, labels)
        for field in ("adversarial", "logits_adversarial", "logits_clean", "success", "target_hit", "l2", *COUNTS):
            assert torch.equal(getattr(alone, field), getattr(outcome, field)), (settings, field)


@pytest.mark.parametrize("name", [*OWN, "deepfool_targeted"])
def test_counts_agree_with_a_hook_on_the_logits(name):
    victim, inputs, labels = problem()
    counter = GradientCounter(victim)
    with counter.counting() as counts:
        outcome = ATTACKS[name](counter).run(inputs, labels)
    singles = outcome.per_target or (outcome,)
    assert counts.backward_rows == sum(int(single.gradients.sum()) for single in singles) > 0
    assert counts.full_jacobian_rows == sum(int(single.full_jacobian_gradients.sum()) for single in singles)


@pytest.mark.parametrize("name", [*OWN, "deepfool_targeted"])
def test_the_outcome_says_what_a_fresh_pass_says(name):
    victim, inputs, labels = problem()
    outcome = ATTACKS[name](victim).run(inputs, labels)
    logits = victim(outcome.adversarial).detach()
    torch.testing.assert_close(outcome.logits_adversarial, logits, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(outcome.logits_clean, victim(inputs).detach(), rtol=1e-4, atol=1e-4)
    assert outcome.adversarial.min() >= 0
    assert outcome.adversarial.max() <= 1
    if not outcome.per_target:
        assert torch.equal(outcome.success, logits.argmax(dim=1) != labels)
        for measured, stated in zip(
            distances(outcome.adversarial, inputs), (outcome.l2, outcome.linf, outcome.l0), strict=True
        ):
            assert torch.equal(measured, stated)


@pytest.mark.parametrize("name", OWN)
def test_clips_that_are_wrong_before_cost_nothing_and_stay(name):
    victim, inputs, labels = problem()
    labels = labels.clone()
    labels[3] = (labels[3] + 1) % 6
    counter = GradientCounter(victim)
    with counter.counting() as counts:
        outcome = ATTACKS[name](counter).run(inputs, labels)
    assert torch.equal(outcome.adversarial[3], inputs[3])
    assert outcome.gradients[3] == outcome.iterations[3] == outcome.l2[3] == 0
    assert outcome.forward_rows[3] == 1
    assert counts.backward_rows == int(outcome.gradients.sum())


def test_a_batch_of_nothing_but_wrong_clips_comes_back():
    victim, inputs, labels = problem()
    for name in OWN:
        outcome = ATTACKS[name](victim).run(inputs, (labels + 1) % 6)
        assert torch.equal(outcome.adversarial, inputs)
        assert int(outcome.gradients.sum()) == 0


@pytest.mark.parametrize("name", OWN)
def test_the_victim_keeps_modes_parameters_and_no_gradient(name):
    victim, inputs, labels = problem()
    victim.train()
    victim.features[1].eval()
    victim.head.bias.requires_grad_(False)
    modes = [module.training for module in victim.modules()]
    state = copy.deepcopy(victim.state_dict())
    wants = [parameter.requires_grad for parameter in victim.parameters()]
    ATTACKS[name](victim)(inputs, labels)
    with pytest.raises(RuntimeError, match="broke"):
        ATTACKS[name](FailingVictim(victim, fails_at=2)).run(inputs, labels)
    assert [module.training for module in victim.modules()] == modes
    assert [parameter.requires_grad for parameter in victim.parameters()] == wants
    assert all(parameter.grad is None for parameter in victim.parameters())
    assert all(torch.equal(value, state[key]) for key, value in victim.state_dict().items())


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_gradients_are_enabled_inside(context):
    victim, inputs, labels = problem()
    attack = ATTACKS["bim_a"](victim)
    expected = attack(inputs, labels)
    with context():
        made_here = inputs * 1
        torch.testing.assert_close(attack(made_here, labels), expected)


def test_the_caller_s_input_is_not_touched():
    victim, inputs, labels = problem()
    before = inputs.clone()
    for name in OWN:
        ATTACKS[name](victim)(inputs, labels)
    assert torch.equal(inputs, before)
    assert not inputs.requires_grad


def test_inputs_of_any_shape_and_victims_without_parameters():
    inputs = torch.tensor([[[0.5, 0.4], [0.5, 0.4]]])
    outcome = ATTACKS["deepfool"](WithoutParameters()).run(inputs, torch.tensor([0]))
    # The sums are 1.0 and 0.8; the nearest boundary lies 0.2 / 2 away, in four equal parts of 0.05.
    assert outcome.success.all()
    torch.testing.assert_close(outcome.l2, torch.tensor([0.102], dtype=torch.float64), rtol=1e-4, atol=0)
    waveform = torch.rand(2, 30)
    victim = nn.Linear(30, 3)
    labels = victim(waveform).argmax(dim=1)
    assert ATTACKS["deepfool"](victim, bounds=(-1.0, 1.0)).run(waveform * 2 - 1, labels).adversarial.shape == (2, 30)


def test_bounds_are_checked_and_respected():
    victim, inputs, labels = problem()
    shifted = inputs * 160 - 80
    with pytest.raises(ValueError, match=r"expected inputs within the bounds \[0.0, 1.0\], got values from -80"):
        ATTACKS["bim_a"](victim)(shifted, labels)
    labels = victim(shifted).argmax(dim=1)
    adversarial = ATTACKS["bim_b"](victim, bounds=(-80, 80), delta=30.0)(shifted, labels)
    assert adversarial.min() >= -80
    assert adversarial.max() <= 80
    with pytest.raises(ValueError, match="got values from nan"):
        ATTACKS["bim_a"](victim)(torch.full_like(inputs, torch.nan), labels)
    with pytest.raises(ValueError, match="lower < upper"):
        ATTACKS["bim_a"](victim, bounds=(1, 0))


def test_the_door_names_what_it_expected():
    victim, inputs, labels = problem(4)
    attack = ATTACKS["bim_a"](victim)
    with pytest.raises(ValueError, match=r"expected labels of shape \(4,\), got None"):
        attack.run(inputs, None)
    with pytest.raises(ValueError, match=r"expected integer labels of shape \(4,\)"):
        attack.run(inputs, labels[:3])
    with pytest.raises(ValueError, match="expected integer labels"):
        attack.run(inputs, labels.float())
    with pytest.raises(ValueError, match="at least one clip"):
        attack.run(inputs[:0], labels[:0])
    with pytest.raises(ValueError, match="expected no targets for an untargeted BIM"):
        attack.run(inputs, labels, targets=labels)
    with pytest.raises(ValueError, match="targets that differ from the labels"):
        ATTACKS["fgsm"](victim).run(inputs, labels, targets=labels)
    with pytest.raises(ValueError, match=r"expected settings of BIM among .*'steps'.*got \['epsilon'\]"):
        attack.run_budgets(inputs, labels, [{"epsilon": 1}])
    with pytest.raises(ValueError, match="steps to be a whole number of at least 1, got 0"):
        attack.run_budgets(inputs, labels, [{"steps": 0}])


def test_targeted_modes_work_as_in_torchattacks():
    victim, inputs, labels = problem()
    targets = (labels + 2) % 6
    expected = FGSM(victim, targeted=True, delta=0.2).run(inputs, labels, targets=targets)
    attack = FGSM(victim, delta=0.2)
    attack.set_mode_targeted_by_label(quiet=True)
    assert torch.equal(attack(inputs, targets), expected.adversarial)
    attack.set_mode_targeted_by_function(lambda _, given: (given + 2) % 6, quiet=True)
    assert torch.equal(attack(inputs, labels), expected.adversarial)
    attack.set_mode_targeted_least_likely(kth_min=1, quiet=True)
    assert torch.equal(attack.run(inputs, labels).targets, victim(inputs).argmin(dim=1))
    attack.set_mode_targeted_random(quiet=True)
    state = torch.get_rng_state()
    outcome = attack.run(inputs, labels)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(outcome.targets, attack.run(inputs.flip(0), labels.flip(0)).targets.flip(0))
    assert (outcome.targets != labels).all()
    attack.set_mode_default()
    assert (attack.run(inputs, labels).targets == NO_TARGET).all()


def test_multi_attack_takes_the_first_success():
    victim, inputs, labels = problem()
    weak, strong = BIM(victim, delta=0.001), BIM(victim, delta=0.3)
    both = torchattacks.MultiAttack([weak, strong])(inputs, labels)
    expected = inputs
    for outcome in (strong.run(inputs, labels), weak.run(inputs, labels)):
        expected = torch.where(outcome.success[:, None, None, None], outcome.adversarial, expected)
    torch.testing.assert_close(both, expected, atol=1e-6, rtol=0)


def test_normalised_inputs_of_torchattacks():
    victim, inputs, labels = problem()

    class Unnormalised(nn.Module):
        def forward(self, values):
            return victim(values * 0.5 + 0.25)

    plain = BIM(victim, delta=0.05)
    wrapped = BIM(Unnormalised(), delta=0.05)
    wrapped.set_normalization_used(mean=[0.25], std=[0.5])
    back = wrapped((inputs - 0.25) / 0.5, labels) * 0.5 + 0.25
    torch.testing.assert_close(back, plain(inputs, labels), atol=1e-6, rtol=0)
    with pytest.raises(ValueError, match="put the normalisation into the victim"):
        wrapped.run(inputs, labels)


def test_random_targets_are_uniform_over_wrong_labels():
    clips, labels = torch.arange(20000), torch.arange(20000) % 10
    targets = random_targets(clips, labels, 10, seed=3)
    assert (targets != labels).all()
    counts = torch.bincount((targets - labels) % 10, minlength=10)[1:].double()
    expected = 20000 / 9
    # Chi-squared with 8 degrees of freedom: 26.1 is passed by chance once in a thousand.
    assert float(((counts - expected) ** 2 / expected).sum()) < 26.1
    assert torch.equal(targets[7:8], random_targets(clips[7:8], labels[7:8], 10, seed=3))
    other = random_targets(clips, labels, 10, seed=4)
    assert 0.05 < float((other == targets).double().mean()) < 0.17
    assert torch.equal(random_targets(clips, labels % 2, 2, seed=1), 1 - labels % 2)
    with pytest.raises(ValueError, match="at least two classes"):
        random_targets(clips, labels, 1, seed=0)


def test_splitmix_follows_its_reference_sequence():
    # First outputs of SplitMix64 with seed 1234567, from the reference implementation in C by Vigna.
    expected = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    increment = 0x9E3779B97F4A7C15
    for index, value in enumerate(expected):
        state = (1234567 + index * increment) % 2**64
        signed = state - 2**64 if state >= 2**63 else state
        assert int(scramble(torch.tensor(signed))) % 2**64 == value


def test_random_numbers_of_a_clip_do_not_depend_on_the_batch():
    clips = torch.tensor([5, 9, 7])
    drawn = random_uniform(clips, 1, (4, 50))
    assert torch.equal(drawn[1:2], random_uniform(clips[1:2], 1, (4, 50)))
    assert not torch.equal(drawn, random_uniform(clips, 1, (4, 50), stream=1))
    many = random_uniform(torch.arange(50), 2, (400,))
    assert 0 <= float(many.min()) < 0.001
    assert 0.999 < float(many.max()) < 1
    assert abs(float(many.mean()) - 0.5) < 0.01
    assert abs(float(torch.corrcoef(many[:2])[0, 1])) < 0.2
    inputs = maps(5)
    assert torch.equal(identities(inputs)[2:3], identities(inputs[2:3]))
    assert len(set(identities(inputs).tolist())) == 5


def test_distances_by_hand():
    adversarial = torch.tensor([[[0.3, 0.0]], [[0.0, 1e-7]]])
    l2, linf, l0 = distances(adversarial, torch.tensor([[[0.0, 0.4]], [[0.0, 0.0]]]))
    torch.testing.assert_close(l2, torch.tensor([0.5, 1e-7], dtype=torch.float64))
    torch.testing.assert_close(linf, torch.tensor([0.4, 1e-7], dtype=torch.float64))
    assert l0.tolist() == [2, 0]


def test_a_new_attack_needs_one_method_and_rng_of_its_own():
    class Noise(Attack):
        nested = "delta"

        def __init__(self, model, *, delta=0.1, seed=0):
            super().__init__("Noise", model, seed=seed)
            self.delta = delta

        def _perturb(self, problem: Problem, ledger: Ledger) -> None:
            rows = torch.arange(len(problem))
            ledger.clean(self.logits(problem.inputs))
            noise = random_uniform(problem.ids, self.seed, tuple(problem.inputs.shape[1:])).to(problem.inputs) - 0.5
            for budget, delta in enumerate(ledger.budgets):
                ledger.spend(rows, forward_rows=1)
                adversarial = self.clip_to_bounds(problem.inputs + 2 * delta * noise)
                ledger.record(budget, rows, adversarial, self.logits(adversarial))

    victim, inputs, labels = problem()
    outcomes = Noise(victim, seed=5).run_budgets(inputs, labels, [{"delta": 0.2}, {"delta": 0.05}])
    assert (outcomes[0].linf <= 0.2 + 1e-6).all()
    assert (outcomes[1].linf <= 0.05 + 1e-6).all()
    assert torch.equal(Noise(victim, seed=5, delta=0.05)(inputs, labels), outcomes[1].adversarial)


def test_outcomes_select_join_and_move():
    victim, inputs, labels = linear_problem(4, 6, features=20)
    outcome = ATTACKS["deepfool_targeted"](victim).run(inputs, labels)
    halves = concatenate([outcome.select(torch.arange(3)), outcome.select(labels.new_tensor([3, 4, 5]))]).to("cpu")
    assert torch.equal(halves.adversarial, outcome.adversarial)
    assert torch.equal(halves.per_target[2].l2, outcome.per_target[2].l2)
    assert len(halves) == 6
    with pytest.raises(ValueError, match="got none"):
        concatenate([])


@pytest.mark.parametrize("name", list(ATTACKS))
@pytest.mark.parametrize("label", [6, 12, -1])
def test_a_label_that_is_none_of_the_victims_classes_is_refused(name, label):
    victim, inputs, labels = problem(3)
    labels[1] = label
    with pytest.raises(ValueError, match=rf"expected labels among the victim's 6 classes, 0 \.\. 5, got {label}"):
        ATTACKS[name](victim).run(inputs, labels)


@pytest.mark.parametrize("name", ["fgsm", "jsma", "cwa", "lbfgs"])
@pytest.mark.parametrize("target", [6, -2])
def test_a_target_that_is_none_of_the_victims_classes_is_refused(name, target):
    victim, inputs, labels = problem(3)
    targets = (labels + 1) % 6
    targets[2] = target
    with pytest.raises(ValueError, match=rf"expected targets among the victim's 6 classes, 0 \.\. 5, got {target}"):
        ATTACKS[name](victim).run(inputs, labels, targets=targets)


class Reshaped(nn.Module):
    def __init__(self, victim, columns):
        super().__init__()
        self.victim = victim
        self.columns = columns

    def forward(self, inputs):
        return self.victim(inputs)[:, self.columns]


@pytest.mark.parametrize("name", list(ATTACKS))
@pytest.mark.parametrize(("columns", "shape"), [(slice(0, 1), r"\(\d, 1\)"), (0, r"\(\d,\)")])
def test_a_victim_of_one_class_or_of_no_dimension_for_classes_is_refused(name, columns, shape):
    victim, inputs, _ = problem(3)
    with pytest.raises(ValueError, match=rf"of at least two classes, got an output of shape {shape}"):
        ATTACKS[name](Reshaped(victim, columns)).run(inputs, torch.zeros(3, dtype=torch.long))


@pytest.mark.parametrize("name", ["fgsm", "bim_a", "bim_b", "deepfool", "jsma", "cwa", "lbfgs"])
def test_a_clip_that_is_at_its_target_already_comes_back_unchanged_as_from_torchattacks(name):
    victim, inputs, predictions = problem(4)
    targets = (predictions + 1) % 6
    targets[2] = predictions[2]
    # A search of thousands of iterations finds nothing else out about the clip that is done before the first.
    few = {"cwa": {"search_steps": 2, "iterations": 20}, "lbfgs": {"search_steps": 2, "iterations": 20}}
    attack = ATTACKS[name](victim, **few.get(name, {}))
    attack.set_mode_targeted_by_label(quiet=True)
    outcome = attack.run(inputs, targets)
    assert torch.equal(outcome.adversarial[2], inputs[2])
    assert outcome.gradients[2] == outcome.iterations[2] == outcome.l2[2] == 0
    # The target is hit; that the attack has succeeded in changing a prediction is not claimed.
    assert (bool(outcome.target_hit[2]), bool(outcome.success[2])) == (True, False)
    assert torch.equal(outcome.labels, predictions)
    assert torch.equal(outcome.targets, targets)
    others = torch.tensor([0, 1, 3])
    assert torch.equal(attack.run(inputs[others], targets[others]).adversarial, outcome.adversarial[others])
    oracle = torchattacks.PGDL2(victim, eps=0.3)
    oracle.set_mode_targeted_by_label(quiet=True)
    assert victim(oracle(inputs, targets)).argmax(dim=1)[2] == targets[2]
