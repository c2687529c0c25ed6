"""Profiles of budgets, plans of attacks, noise of equal norm, and the subset of clips."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from attacks import ATTACKS
from attacks.budgets import PROFILES, expand_grid, read_profile
from attacks.gradient_counter import GradientCounter
from attacks.noise import noise_of_equal_norm
from attacks.plan import AttackPlan, plan_attack
from commands.flags import SEVEN
from datamodules.metadata import ClipTable
from datamodules.splits import stratified_subset
from lightning_modules.attack_rows import attack_batch
from storage.space import MAP, SOUND
from tests.victims import TinyConvolution


@pytest.mark.parametrize("space", [MAP, SOUND])
@pytest.mark.parametrize("name", ["smoke", "reduced", "paper"])
def test_every_attack_accepts_every_profile(name, space):
    profile = read_profile(name, space)
    assert list(profile) == list(ATTACKS)
    for attack in ATTACKS:
        plan_attack(attack, profile)


def test_the_profiles_hold_the_budgets_of_the_paper_and_its_reductions():
    paper, reduced, smoke = (read_profile(name) for name in ("paper", "reduced", "smoke"))
    deltas = [0.001 * 2**k for k in range(10)] + [1.0]
    assert [budget["delta"] for budget in paper["fgsm"]] == pytest.approx(deltas)
    assert len(paper["bim_a"]) == 11 * 5
    assert [budget["iterations"] for budget in paper["deepfool"]] == list(range(100, 1001, 100))
    assert sorted(budget["iterations"] for budget in paper["jsma"]) == [
        round(128 * 128 * 1.5 / n) for n in (200, 160, 120, 80, 40)
    ]
    assert len(paper["cwa"]) == 4 * 5
    assert [budget["delta"] for budget in reduced["bim_b"]] == pytest.approx([0.001 * 2**k for k in (0, 2, 4, 6, 8)])
    assert reduced["cwa"] == [{"search_steps": s, "iterations": i} for s in (1, 3) for i in (25, 100)]
    assert [budget["delta"] for budget in smoke["fgsm"]] == pytest.approx([0.008, 0.064])
    for name in ("fgsm", "fgsm_l2", "bim_a", "bim_b", "bim_a_l2", "bim_b_l2"):
        ratios = [[budget["snr_db"] for budget in read_profile(size, SOUND)[name]] for size in ("reduced", "smoke")]
        assert ratios == [[70, 60, 50, 40, 30, 20, 10], [40, 20]]
    assert smoke["lbfgs"] == [{"search_steps": 1, "iterations": 20}]


@pytest.mark.parametrize("attack", SEVEN)
def test_nested_budgets_have_the_rows_of_runs_of_their_own(attack):
    """The whole smoke-sized grid at once, and each budget alone: the same counts and the same results."""
    victim = TinyConvolution(dtype=torch.float64)
    inputs = torch.rand(5, 1, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    labels = victim(inputs).argmax(dim=1)
    budgets = {
        "fgsm": ({"delta": 0.01}, {"delta": 0.2}),
        "bim_a": tuple({"delta": d, "steps": s} for d in (0.02, 0.2) for s in (3, 7)),
        "bim_b": tuple({"delta": d, "steps": s} for d in (0.02, 0.2) for s in (3, 7)),
        "deepfool": ({"iterations": 1}, {"iterations": 9}),
        "jsma": ({"iterations": 2}, {"iterations": 5}),
        "cwa": tuple({"search_steps": s, "iterations": i} for s in (1, 2) for i in (4, 11)),
        "lbfgs": ({"search_steps": 1, "iterations": 6}, {"search_steps": 2, "iterations": 6}),
    }[attack]
    clips = torch.arange(5)
    plan = AttackPlan(attack, ATTACKS[attack], budgets)
    together, maps = attack_batch(plan, GradientCounter(victim), inputs, labels, clips, seed=4)
    assert together["hook_agrees"].all()
    for index, budget in enumerate(budgets):
        single = AttackPlan(attack, ATTACKS[attack], (budget,))
        alone, map_alone = attack_batch(single, GradientCounter(victim), inputs, labels, clips, seed=4)
        assert alone["hook_agrees"].all()
        same = together[together["budget_index"] == index].reset_index(drop=True)
        counts = ["iterations", "gradients", "full_jacobian_gradients", "forward_rows", "prediction", "target_label"]
        assert same[counts].equals(alone[counts])
        torch.testing.assert_close(maps[index], map_alone[0], rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("fgsm: {delta: []}", "expected at least one value of delta for fgsm in .* got \\[\\]"),
        ("fgsm: {delta: [0.1, 0.1]}", "each only once"),
        ("fgsm: 3", "expected settings and their values for fgsm in .*, got 3"),
        ("- fgsm", "expected a mapping in .*, found list"),
        ("fgsm: {delta: [0.1", "expected YAML in"),
    ],
)
def test_a_bad_profile_is_refused(tmp_path, content, message):
    (tmp_path / "profile.yaml").write_text(content)
    with pytest.raises(ValueError, match=message):
        read_profile(tmp_path / "profile.yaml")


def test_a_profile_of_the_other_space_is_refused_and_one_without_sizes_serves_both(tmp_path):
    files = {name: tmp_path / f"{name}.yaml" for name in ("map", "sound", "neither")}
    files["map"].write_text("deepfool: {iterations: 5}\nbim_b: {delta: [0.1, 0.2], steps: 5}\n")
    files["sound"].write_text("deepfool: {iterations: 5}\ntorchattacks.PGD: {snr_db: 40}\n")
    files["neither"].write_text("deepfool: {iterations: [1, 5]}\n")
    sentence = (
        r"expected budgets of attacks on {}s in .*{}.yaml, with {} as their size, found {} for {}; .* --space {}$"
    )
    with pytest.raises(ValueError, match=sentence.format("sound", "map", "snr_db", "delta", "bim_b", "map")):
        read_profile(files["map"], SOUND)
    with pytest.raises(
        ValueError, match=sentence.format("map", "sound", "delta", "snr_db", "torchattacks.PGD", "sound")
    ):
        read_profile(files["sound"])
    for name, space in (("map", MAP), ("sound", SOUND), ("neither", MAP), ("neither", SOUND)):
        assert len(read_profile(files[name], space)["deepfool"]) == (2 if name == "neither" else 1)


@pytest.mark.parametrize(
    ("budgets", "message"),
    [
        ([{"delta": -0.1}], "fgsm: expected delta of at least 0, got -0.1"),
        ([{"steps": 3}], "fgsm: expected settings of FGSM among .*, got \\['steps'\\]"),
        ([{"delta": "large"}], "fgsm: "),
    ],
)
def test_a_budget_that_the_attack_refuses_is_found_before_any_work(budgets, message):
    with pytest.raises(ValueError, match=message):
        plan_attack("fgsm", {"fgsm": budgets})


def test_an_attack_without_budgets_is_named():
    with pytest.raises(ValueError, match="expected budgets for cwa, found a profile with fgsm only"):
        plan_attack("cwa", {"fgsm": [{}]})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("init_args: {steps: 2}", "expected class_path and some of .* found no class_path"),
        ("class_path: torchattacks.PGD\nsteps: 3", "found steps too"),
        ("class_path: torchattacks.Nothing", "expected the name of an attack of torchattacks"),
        ("class_path: torchattacks.PGD\ninit_args: {speed: 3}", "expected arguments of torchattacks.PGD among"),
        (
            "class_path: attacks.nowhere.Attack",
            "expected an Attack, one of FGSM, .*, got 'attacks.nowhere.Attack', which",
        ),
        ("class_path: torch.nn.Linear", "got 'torch.nn.Linear', which is not imported because a file names it"),
    ],
)
def test_a_bad_attack_file_is_refused(tmp_path, content, message):
    (tmp_path / "mine.yaml").write_text(content)
    with pytest.raises(ValueError, match=message):
        plan_attack(str(tmp_path / "mine.yaml"), {})


def test_an_attack_of_this_project_needs_no_leave(tmp_path):
    (tmp_path / "mine.yaml").write_text(
        "class_path: attacks.bim.BIM\ninit_args: {loss: margin}\ntargeted: true\n"
        "budgets: {delta: [0.1, 0.2], steps: 2}\n"
    )
    plan = plan_attack(str(tmp_path / "mine.yaml"), {})
    attack = plan.build(nn.Linear(2, 2), bounds=(0.0, 1.0), seed=1)
    assert (plan.name, attack.settings()["loss"], attack.targeted) == ("mine", "margin", True)
    assert plan.budgets == ({"delta": 0.1, "steps": 2}, {"delta": 0.2, "steps": 2})


def test_an_attack_of_ones_own_is_imported_only_from_a_package_that_is_allowed(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "attack_of_ones_own.py").write_text("from attacks import FGSM\nclass Mine(FGSM):\n    pass\n")
    (tmp_path / "mine.yaml").write_text("class_path: attack_of_ones_own.Mine\nbudgets: {delta: 0.1}\n")
    with pytest.raises(ValueError, match=r"mine: .* file names it; --allow-import attack_of_ones_own allows that"):
        plan_attack(str(tmp_path / "mine.yaml"), {}, ["attack_of_ones"])
    assert "attack_of_ones_own" not in sys.modules
    plan = plan_attack(str(tmp_path / "mine.yaml"), {}, ["attack_of_ones_own"])
    attack = plan.build(nn.Linear(2, 2), bounds=(0.0, 1.0), seed=1)
    assert (type(attack).__name__, plan.budgets) == ("Mine", ({"delta": 0.1},))
    monkeypatch.delitem(sys.modules, "attack_of_ones_own")


def test_the_configured_attack_is_one():
    plan_attack(str(PROFILES.parent / "attacks" / "pgd.yaml"), {})


@given(st.dictionaries(st.text(min_size=1), st.lists(st.integers(), min_size=1, max_size=3, unique=True), max_size=3))
def test_a_grid_has_every_combination_once(grid):
    budgets = expand_grid("somewhere", grid)
    assert len(budgets) == int(np.prod([len(values) for values in grid.values()]))
    assert len({repr(budget) for budget in budgets}) == len(budgets)
    assert all(budget[name] in grid[name] for budget in budgets for name in grid)


@pytest.mark.parametrize("norm", ["linf", "l2", "l0"])
def test_noise_is_as_large_as_the_perturbation_and_a_function_of_the_clip(norm):
    victim = TinyConvolution()
    inputs = 0.3 + 0.4 * torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    inputs[..., 0] = 0.5
    attack = ATTACKS["jsma"](victim, iterations=3) if norm == "l0" else ATTACKS["bim_b"](victim, delta=0.02, steps=3)
    outcome = attack.run(inputs, victim(inputs).argmax(dim=1))
    clips = torch.tensor([7, 1, 3, 9])
    noisy = noise_of_equal_norm(inputs, outcome, norm, ids=clips, seed=0)
    difference = (noisy - inputs).flatten(1)
    size = {
        "linf": difference.abs().amax(dim=1),
        "l2": difference.norm(dim=1),
        "l0": (difference != 0).sum(dim=1).double(),
    }[norm]
    torch.testing.assert_close(size.double(), getattr(outcome, norm).double(), rtol=1e-4, atol=1e-6)
    swapped = noise_of_equal_norm(
        inputs.flip(0), outcome.select(torch.tensor([3, 2, 1, 0])), norm, ids=clips.flip(0), seed=0
    )
    assert torch.equal(swapped.flip(0), noisy)
    assert not torch.equal(noise_of_equal_norm(inputs, outcome, norm, ids=clips, seed=1), noisy)


def test_noise_in_an_unknown_norm_is_refused():
    victim = TinyConvolution()
    inputs = torch.rand(1, 1, 8, 8)
    outcome = ATTACKS["fgsm_untargeted"](victim).run(inputs, victim(inputs).argmax(dim=1))
    with pytest.raises(ValueError, match="expected a norm among linf, l2 and l0, got 'l1'"):
        noise_of_equal_norm(inputs, outcome, "l1", ids=torch.tensor([0]), seed=0)


def table_of(labels):
    names = [f"clip{index}.wav" for index in range(len(labels))]
    return ClipTable(
        corpus="test",
        names=tuple(names),
        files=tuple(Path(name) for name in names),
        labels=np.array(labels),
        sources=np.array(names),
        folds=np.ones(len(labels), dtype=np.int64),
        class_names=("a", "b", "c"),
        clip_seconds=1.0,
        number_of_folds=1,
    )


@given(st.lists(st.integers(0, 2), min_size=1, max_size=30), st.integers(1, 30), st.randoms())
def test_a_subset_is_balanced_nested_and_independent_of_the_order(labels, count, random):
    table = table_of(labels)
    clips = np.arange(len(labels))
    chosen = stratified_subset(table, clips, count)
    assert len(chosen) == min(count, len(labels))
    assert (np.diff(chosen) > 0).all()
    shuffled = clips.tolist()
    random.shuffle(shuffled)
    assert (stratified_subset(table, np.array(shuffled), count) == chosen).all()
    assert set(chosen) <= set(stratified_subset(table, clips, count + 1))
    available = np.bincount(labels, minlength=3)
    taken = np.bincount(table.labels[chosen], minlength=3)
    # A class has fewer than another only if it has no more, or is one short in the last round.
    assert all(taken[a] >= taken[b] - 1 or taken[a] == available[a] for a in range(3) for b in range(3))


def test_a_subset_of_no_clip_is_refused():
    with pytest.raises(ValueError, match="expected at least 1 clip, got 0"):
        stratified_subset(table_of([0, 1]), np.arange(2), 0)
