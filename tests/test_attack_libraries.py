"""Attacks of other libraries by name alone: their budgets, what is said of them, and wrong names."""

import pytest
import torch
import torchattacks
from torch import nn

import attacks
from attacks import ATTACKS
from attacks.attack_libraries import named_attack
from attacks.budgets import PROFILES, read_profile
from attacks.gradient_counter import GradientCounter
from attacks.plan import plan_attack
from attacks.torchattacks_adapter import TorchAttacksAttack, attack_classes
from commands.attack_cli import say_what_was_chosen
from lightning_modules.attack_rows import attack_batch
from tests.victims import TinyConvolution, maps

REDUCED = [0.001, 0.004, 0.016, 0.064, 0.256]
FEW = {"steps": 2, "iterations": 10, "search_steps": 1}
QUICK = {
    "Square": {"n_queries": 10},
    "AutoAttack": {"version": "rand"},
    "Pixle": {"restarts": 1, "max_iterations": 2, "x_dimensions": (2, 4), "y_dimensions": (2, 4)},
    "SPSA": {"nb_sample": 2},
    "OnePixel": {"popsize": 3},
    "PGDRS": {"noise_batch_size": 2},
    "PGDRSL2": {"noise_batch_size": 2},
    "JSMA": {"gamma": 0.03},
}


def test_a_name_alone_gets_the_profile_s_deltas_and_steps_that_grow_with_them(capsys):
    plan = plan_attack("torchattacks.PGD", read_profile("reduced"))
    assert plan.budgets == tuple({"delta": delta, "steps": 10} for delta in REDUCED)
    victim, inputs = TinyConvolution(), maps(3)
    labels = victim(inputs).argmax(dim=1)
    attack = plan.build(victim, bounds=(0.0, 1.0), seed=0).with_settings(delta=0.2, random_start=False)
    library = torchattacks.PGD(victim, eps=0.2, alpha=0.05, steps=10, random_start=False)
    torch.testing.assert_close(attack.run(inputs, labels).adversarial, library(inputs, labels), atol=1e-6, rtol=0)
    say_what_was_chosen([plan, plan_attack("fgsm", read_profile("reduced"))])
    assert capsys.readouterr().out == (
        "torchattacks.PGD: 5 budgets: delta 0.001, 0.004, 0.016, 0.064, 0.256; steps 10; alpha 0.25 x delta; "
        "random_start=True as in torchattacks 3.5.1\n"
    )


@pytest.mark.parametrize(
    ("name", "budgets"),
    [
        # A bound in l_2 is no share of the range of a map, and is not drawn over delta.
        ("torchattacks.PGDL2", [{"eps": delta, "steps": 10} for delta in REDUCED]),
        ("torchattacks.Square", [{"delta": delta} for delta in REDUCED]),
        ("torchattacks.CW", [{"steps": 50}]),
        ("torchattacks.EADEN", [{"iterations": 100, "search_steps": 9}]),
        ("torchattacks.VANILA", [{}]),
    ],
)
def test_default_budgets(name, budgets):
    assert list(named_attack(name, read_profile("reduced")).budgets) == budgets


def test_a_profile_may_hold_budgets_of_a_named_attack():
    profile = {"torchattacks.PGD": [{"eps": 0.03, "alpha": 0.01}], "fgsm": [{"delta": 0.5}]}
    plan = plan_attack("torchattacks.PGD", profile)
    assert plan.budgets == ({"delta": 0.03, "alpha": 0.01},)
    attack = plan.build(nn.Identity()).with_settings(**plan.budgets[0])
    assert attack.arguments == {"eps": 0.03, "alpha": 0.01, "steps": 10, "random_start": True}
    with pytest.raises(
        ValueError, match=r"a profile without a delta or an snr_db: add torchattacks.PGD: \{eps: \[0.01, 0.1\]\}"
    ):
        plan_attack("torchattacks.PGD", {"jsma": [{"iterations": 3}]})


def test_budgets_of_a_file_have_the_words_of_all_attacks(tmp_path):
    (tmp_path / "mine.yaml").write_text("class_path: torchattacks.PIFGSM\nbudgets: {max_epsilon: 0.1}\n")
    with pytest.raises(ValueError, match=r"expected inputs of three channels for torchattacks.PIFGSM, .* got \(1, 128"):
        plan_attack(str(tmp_path / "mine.yaml"), {})
    (tmp_path / "mine.yaml").write_text("class_path: torchattacks.FAB\nbudgets: {eps: [0.1, 0.2], steps: 3}\n")
    plan = plan_attack(str(tmp_path / "mine.yaml"), {})
    assert plan.budgets == ({"delta": 0.1, "steps": 3}, {"delta": 0.2, "steps": 3})
    (tmp_path / "mine.yaml").write_text("class_path: torchattacks.FAB\ninit_args: {norm: L2}\nbudgets: {eps: 0.1}\n")
    assert plan_attack(str(tmp_path / "mine.yaml"), {}).budgets == ({"eps": 0.1},)
    (tmp_path / "mine.yaml").write_text("class_path: torchattacks.PGD\nbudgets: {eps: 0.1, delta: 0.1}\n")
    with pytest.raises(ValueError, match=r"expected eps of torchattacks.PGD once, got it twice"):
        plan_attack(str(tmp_path / "mine.yaml"), {})


@pytest.mark.parametrize("name", [name for name in attack_classes() if name not in ("TIFGSM", "PIFGSM", "PIFGSMPP")])
def test_every_class_runs_is_counted_and_leaves_batch_mates_alone(name):
    victim = TinyConvolution()
    inputs = maps(3, zeros=0.2)
    labels = victim(inputs).argmax(dim=1)
    counter = GradientCounter(victim)
    attack = TorchAttacksAttack(counter, name, QUICK.get(name), seed=3)
    few = {word: number for word, number in FEW.items() if word in attack.words}
    attack = attack.with_settings(**few, **({"delta": 0.1} if "delta" in attack.words else {}))
    with counter.counting() as counts:
        outcome = attack.run(inputs, labels, ids=torch.arange(3))
    assert counts.backward_rows == int(outcome.gradients.sum())
    assert ((outcome.adversarial >= 0) & (outcome.adversarial <= 1)).all()
    assert (outcome.linf <= attack.delta + 1e-6).all()
    alone = attack.run(inputs[2:], labels[2:], ids=torch.tensor([2]))
    assert torch.equal(alone.adversarial, outcome.adversarial[2:])
    assert alone.forward_rows[0] == outcome.forward_rows[2] > 1


def test_a_query_attack_costs_forward_rows_and_no_gradient():
    victim = TinyConvolution()
    inputs = maps(3)
    labels = victim(inputs).argmax(dim=1)
    seen = []
    handle = victim.register_forward_hook(lambda module, given, output: seen.append(len(output)))
    outcome = TorchAttacksAttack(victim, "Square", {"n_queries": 20, "eps": 1e-4}).run(inputs, labels)
    handle.remove()
    assert not outcome.success.any()
    assert outcome.gradients.tolist() == [0] * 3
    # All that went through the victim but one row, with which the number of its classes is learnt.
    assert int(outcome.forward_rows.sum()) == sum(seen) - 1
    assert outcome.forward_rows.min() >= 20


@pytest.mark.parametrize("file", ["apgd", "square", "autoattack"])
def test_the_configured_attacks_run(file):
    plan = plan_attack(str(PROFILES.parent / "attacks" / f"{file}.yaml"), {})
    assert all(set(budget) == {"delta"} for budget in plan.budgets)
    victim = TinyConvolution()
    # At a bound as wide as the range each of them has to get there.
    inputs = maps(1)
    label = victim(inputs).argmax(dim=1)
    attack = plan.build(victim, bounds=(0.0, 1.0), seed=1).with_settings(delta=0.9)
    outcome = attack.run(inputs, label)
    assert outcome.success.all()
    assert (outcome.linf <= 0.9 + 1e-6).all()


def test_rows_carry_delta():
    victim = TinyConvolution()
    inputs = maps(2)
    plan = plan_attack("torchattacks.FGSM", {"fgsm": [{"delta": 0.01}, {"delta": 0.1}]})
    labels = victim(inputs).argmax(dim=1)
    rows, _ = attack_batch(plan, GradientCounter(victim), inputs, labels, torch.arange(2), seed=0)
    assert rows["delta"].tolist() == [0.01, 0.01, 0.1, 0.1]
    assert rows["budget"].tolist() == ['{"delta": 0.01}'] * 2 + ['{"delta": 0.1}'] * 2
    assert rows["in_bounds"].all()
    assert rows["hook_agrees"].all()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("PGD", r"expected an attack among fgsm, .* got 'PGD'; did you mean torchattacks.PGD or"),
        ("fmn", r"or adv_lib.NAME, or a YAML file of one, got 'fmn'; did you mean adv_lib.fmn\?"),
        ("deepfol", r"got 'deepfol'; did you mean deepfool or"),
        ("torchattacks.PDG", r"one of \['APGD'.* got 'PDG'; did you mean .*PGD"),
        ("torchattacks.LGV", r"expected the name of an attack of torchattacks, .* got 'LGV'"),
        ("torchattacks.TIFGSM", r"expected inputs of three channels for torchattacks.TIFGSM"),
        ("torchattacks.attack", "expected the name of an attack of torchattacks"),
        ("os.system", "expected an attack among fgsm"),
        ("zzzz", r"got 'zzzz'$"),
    ],
)
def test_a_wrong_name_is_met_with_the_nearest(name, message):
    with pytest.raises(ValueError, match=message):
        plan_attack(name, read_profile("smoke"))


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("PGD", {"steps": "ten"}, "expected steps of PGD to be a number, got 'ten'"),
        ("PGD", {"steps": 2.5}, "expected steps of PGD to be a whole number from 1, got 2.5"),
        ("PGD", {"steps": 0}, "to be a whole number from 1, got 0"),
        ("PGD", {"eps": -0.1}, "expected eps of PGD to be a number of at least 0, got -0.1"),
        ("PGD", {"random_start": "no"}, "expected random_start of PGD to be true or false, got 'no'"),
        ("APGD", {"norm": "L7"}, "expected norm of APGD to be Linf, L2 or L1, got 'L7'"),
        ("EADEN", {"max_iterations": 5}, "expected max_iterations of EADEN of at least 10, or abort_early=False"),
    ],
)
def test_arguments_that_cannot_be_meant(name, arguments, message):
    with pytest.raises(ValueError, match=message):
        TorchAttacksAttack(nn.Identity(), name, arguments)


def test_a_loss_that_compares_more_logits_than_there_are_is_refused():
    victim = TinyConvolution(classes=3)
    inputs = maps(1)
    with pytest.raises(ValueError, match=r"expected a victim of at least 4 classes for APGDT, .* got 3"):
        TorchAttacksAttack(victim, "APGDT").run(inputs, victim(inputs).argmax(dim=1))


def test_what_is_public_is_listed():
    public = {name for name in vars(attacks) if name[0].isupper() and name not in ("Callable",)}
    assert set(attacks.__all__) == public
    classes = {getattr(one, "func", one) for one in ATTACKS.values()}
    assert classes <= {getattr(attacks, name) for name in attacks.__all__ if name != "ATTACKS"}
