import pytest
import torch
import torchattacks

from attacks.gradient_counter import GradientCounter
from attacks.torchattacks_adapter import TorchAttacksAttack, attack_classes
from tests.victims import TinyConvolution, WithoutParameters, maps


def problem(clips: int = 4):
    victim = TinyConvolution()
    inputs = maps(clips, zeros=0.2)
    return victim, inputs, victim(inputs).argmax(dim=1)


@pytest.mark.parametrize("batched", [False, True])
def test_the_same_adversarials_as_the_library_and_exact_counts(batched):
    victim, inputs, labels = problem()
    expected = torchattacks.BIM(victim, eps=0.05, alpha=0.01, steps=6)(inputs, labels)
    attack = TorchAttacksAttack(
        victim, class_path="torchattacks.BIM", init_args={"eps": 0.05, "alpha": 0.01, "steps": 6}, batched=batched
    )
    outcome = attack.run(inputs, labels)
    torch.testing.assert_close(outcome.adversarial, expected, atol=1e-6, rtol=0)
    assert outcome.gradients.tolist() == outcome.iterations.tolist() == [6] * 4
    assert outcome.forward_rows.tolist() == [8] * 4
    assert torch.equal(outcome.success, victim(expected).argmax(dim=1) != labels)


def test_budgets_are_arguments_of_the_class_and_each_is_a_run_of_its_own():
    victim, inputs, labels = problem()
    attack = TorchAttacksAttack(victim, "PGD", {"steps": 3})
    outcomes = attack.run_budgets(inputs, labels, [{"eps": 0.02, "alpha": 0.01}, {"eps": 0.2, "steps": 5}])
    assert (outcomes[0].linf <= 0.02 + 1e-6).all()
    assert [outcome.gradients.tolist() for outcome in outcomes] == [[3] * 4, [5] * 4]
    assert torch.equal(outcomes[1].adversarial, attack.with_settings(eps=0.2, steps=5).run(inputs, labels).adversarial)


@pytest.mark.parametrize("name", ["PGD", "CW", "DeepFool"])
def test_a_clip_does_not_depend_on_its_batch_mates_nor_on_the_global_generator(name):
    victim, inputs, labels = problem()
    attack = TorchAttacksAttack(victim, name, {"steps": 5}, seed=3)
    together = attack.run(inputs, labels)
    torch.manual_seed(11)
    state = torch.get_rng_state()
    alone = attack.run(inputs[2:3], labels[2:3])
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(alone.adversarial, together.adversarial[2:3])
    assert torch.equal(alone.gradients, together.gradients[2:3])


def test_counts_agree_with_an_outer_counter_and_wrong_clips_cost_nothing():
    victim, inputs, labels = problem()
    labels = labels.clone()
    labels[1] = (labels[1] + 1) % 6
    counter = GradientCounter(victim)
    with counter.counting() as counts:
        outcome = TorchAttacksAttack(counter, "DeepFool", {"steps": 4}).run(inputs, labels)
    assert counts.backward_rows == int(outcome.gradients.sum()) > 0
    assert counts.full_jacobian_rows == int(outcome.full_jacobian_gradients.sum())
    assert torch.equal(outcome.adversarial[1], inputs[1])
    assert outcome.gradients[1] == 0


def test_batched_counts_are_shares_rounded_up():
    victim, inputs, labels = problem()
    counter = GradientCounter(victim)
    with counter.counting() as counts:
        outcome = TorchAttacksAttack(counter, "DeepFool", {"steps": 4}, batched=True).run(inputs, labels)
    assert outcome.gradients.tolist() == [-(-counts.backward_rows // 4)] * 4


def test_targets_reach_the_attack():
    victim, inputs, labels = problem()
    targets = (labels + 2) % 6
    attack = TorchAttacksAttack(victim, "PGD", {"eps": 0.4, "alpha": 0.05, "steps": 30}, targeted=True)
    outcome = attack.run(inputs, labels, targets=targets)
    assert outcome.target_hit.any()
    assert torch.equal(outcome.targets, targets)
    with pytest.raises(ValueError, match="expected an attack that can aim at a target, got DeepFool"):
        TorchAttacksAttack(victim, "DeepFool", targeted=True).run(inputs, labels)


def test_the_number_of_classes_and_the_seed_are_the_victim_s_and_ours():
    victim, inputs, labels = problem(2)
    attack = TorchAttacksAttack(victim, "APGDT", {"steps": 2, "eps": 0.3}, seed=7)
    built = attack._build(victim, inputs)
    # torchattacks would attack 9 targets, as if every victim had ten classes.
    assert built.n_target_classes == 5
    assert built.seed == 7
    assert attack.run(inputs, labels).gradients.min() > 0


def test_the_victim_is_left_alone_and_may_have_no_parameters(capsys):
    victim, inputs, labels = problem()
    victim.train()
    TorchAttacksAttack(victim, "CW", {"steps": 2}).run(inputs, labels)
    assert all(module.training for module in victim.modules())
    assert all(parameter.grad is None for parameter in victim.parameters())
    with torch.no_grad():
        bare = TorchAttacksAttack(WithoutParameters(), "FGSM", {"eps": 0.1}).run(
            torch.tensor([[[0.5, 0.4], [0.5, 0.45]]]), torch.tensor([0])
        )
    torch.testing.assert_close(bare.adversarial, torch.tensor([[[0.4, 0.5], [0.4, 0.55]]]))
    assert capsys.readouterr().out == ""


def test_the_door():
    victim = TinyConvolution()
    with pytest.raises(ValueError, match=r"one of \['APGD'.*, got 'PGDD'"):
        TorchAttacksAttack(victim, "torchattacks.PGDD")
    with pytest.raises(ValueError, match=r"arguments of PGD among \['eps'.*got \['epsilon'\]"):
        TorchAttacksAttack(victim, "PGD", {"epsilon": 0.1})
    with pytest.raises(ValueError, match="bounds"):
        TorchAttacksAttack(victim, "PGD").run(maps(1) * 2, torch.tensor([0]))
    assert "MultiAttack" not in attack_classes()
