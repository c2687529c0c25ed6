"""Claims of the report that need more than a difference of accuracies: R5b and C4, on numbers made by hand."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t

from metrics.attack_summary import THE_SIX
from metrics.transfer_summary import summarise_transfer
from reporting.accuracy import Accuracies
from reporting.association import associate, paper_points
from reporting.claims.all_claims import all_findings
from reporting.claims.augmentation import augmentation_findings, equal_rate_logs
from reporting.claims.raw_audio import raw_audio_findings
from reporting.claims.transfer import transfer_findings
from reporting.runs import AttackResults, Run, read_run
from reporting.selection import Selection
from storage import DataError
from storage.rows import write_rows
from storage.space import MAP, SOUND
from tests.report_fixtures import STFT, write_attacked_sounds, write_run

NETS = ("resnet18", "googlenet")
WAVEFORM = {"class": "Waveform", "sample_rate": 8000}
# Recordings of one to three clips; a clip is fooled by its own and others' adversarials together.
CLIPS = np.repeat([f"r{number:02d}" for number in range(14)], [1, 2, 3, 1, 1, 2, 1, 3, 1, 2, 1, 1, 2, 3])


def selected(*runs):
    return Selection(tuple(runs), "official", "smoke", {}, {})


def ours(findings, claim):
    return next(f for f in findings if f.claim == claim and f.numbers == "ours, ESC-10")


def judgements(representation, source, target, folds):
    """Rows of one pair: six attacks of two budgets, in which each recording has adversarials that fool the source."""
    share = {"MFCC": 0.35, "STFT": 0.6, "DWT": 0.4}[representation] - (target == "random_forest") * 0.3
    frames = []
    for fold, attack, budget in itertools.product(folds, THE_SIX, (0, 1)):
        seed = [ord(letter) for letter in f"{representation}{source}{target}{attack}{budget}{fold}"]
        generator = np.random.default_rng(seed)
        easy = {name: generator.random() for name in sorted(set(CLIPS))}
        fools = generator.random(len(CLIPS)) < 0.8
        # The first clip of a recording always counts, so that no draw of recordings is without a denominator.
        fools[np.unique(CLIPS, return_index=True)[1]] = True
        carried = np.array([easy[name] for name in CLIPS]) < share + 0.2 * generator.random(len(CLIPS))
        frames.append(
            pd.DataFrame({"recording": [f"{fold}{name}" for name in CLIPS], "clip": 100 * fold + np.arange(len(CLIPS))})
            .assign(
                fold=fold,
                attack=attack,
                budget_index=budget,
                label=0,
                target_label=1,
                target_run=f"{representation}-{target}",
            )
            .assign(target_architecture=target, clean_correct_source=True, clean_correct_target=True)
            .assign(
                source_success=fools,
                target_success=carried,
                source_reached_target_label=False,
                target_reached_target_label=False,
            )
            .assign(target_logits_clean=None, target_logits_adversarial=None)
        )
    return pd.concat(frames, ignore_index=True)


def transferred(tmp_path, representation, folds=(1, 2), judges=()):
    """Runs of two nets that judge one another, and are judged by others too, and their rows by pair."""
    runs, rows = [], {}
    for source, target in [*itertools.permutations(NETS), *itertools.product(NETS, judges)]:
        path = tmp_path / (f"{representation}-{source}" if target in NETS else f"{representation}-{source}-{target}")
        rows[source, target] = judgements(representation, source, target, folds)
        file = path / "transfer" / "pairs" / "rows.parquet"
        file.parent.mkdir(parents=True)
        rows[source, target].to_parquet(file)
        common = {"profile": "smoke", "source_run": path.name, "source_architecture": source, "file": file}
        cells = [cell | common for cell in summarise_transfer(rows[source, target])]
        settings = {"representation": representation, "architecture": source, "augmentation": "pitch_shift"}
        runs.append(Run(path.name, path, "ESC10", "official", settings, 0, {"leakage": 0.0}, None, cells))
    return runs, rows


def difference_of(first, second, names):
    """The mean over pairs of the mean over attacks of one ratio less the other, of how often each recording counts."""

    def ratio_of(rows):
        fooled = rows[rows["source_success"]].groupby(["attack", "recording"])["target_success"]
        both, fools = (counts.unstack("recording")[names].to_numpy() for counts in (fooled.sum(), fooled.size()))
        return lambda weights: np.mean(
            [(weights @ one) / (weights @ all_) for one, all_ in zip(both, fools, strict=True)]
        )

    sides = [[ratio_of(some[pair]) for pair in first] for some in (first, second)]
    return lambda weights: np.mean([one(weights) - other(weights) for one, other in zip(*sides, strict=True)])


def test_what_transfers_least_has_the_interval_of_a_difference_over_recordings(tmp_path):
    mfcc, stft = transferred(tmp_path, "MFCC"), transferred(tmp_path, "STFT")
    findings = transfer_findings(selected(*mfcc[0], *stft[0]))
    found = ours(findings, "C4a")
    names = sorted(mfcc[1][NETS]["recording"].unique())

    difference = difference_of(stft[1], mfcc[1], names)

    # The variance over recordings by finite differences, the ends as Bonett and Price have them.
    value, steps = difference(np.ones(len(names))), 1e-4 * np.eye(len(names))
    variance = sum(((difference(1 + step) - difference(1 - step)) / 2e-4) ** 2 for step in steps)
    fools = [
        rows[rows["source_success"] & (rows["attack"] == attack)].groupby("recording").size()
        for side in (mfcc, stft)
        for rows in side[1].values()
        for attack in THE_SIX
    ]
    m = min(counts.sum() ** 2 / (counts**2).sum() for counts in fools)
    centre = m * value / (m + 2)
    spread = (m**2 * variance + m * (value - centre) ** 2 + 2 * (1 + centre**2)) / (m + 2) ** 2
    half = t.ppf(0.975, m - 1) * spread**0.5
    assert found.value == pytest.approx(value)
    assert (found.low, found.high) == pytest.approx((centre - half, centre + half), rel=1e-5)
    # Both were attacked at equal deltas, which are other sizes of change in each representation.
    assert found.verdict == "undecided: units differ"
    assert "equal decibels of sound" in found.note
    # Two folds say too little of how models vary, and what recordings alone say is withdrawn with the verdict.
    assert "fewer than 5 folds (2)" in found.note
    assert "for these models" not in found.note
    assert found.n == f"{2 * len(CLIPS)} clips of 28 recordings, 2 pairs"
    assert set(found.runs) == {f"{name}-{net}" for name in ("MFCC", "STFT") for net in NETS}
    assert ours(findings, "C4b").verdict == "missing"
    assert ours(findings, "C4b").note.startswith("python sweep.py configs/sweeps/table5_transfer.yaml")


def test_what_a_forest_makes_of_adversarials_is_no_part_of_the_papers_claim(tmp_path):
    nets, forest = (
        [transferred(tmp_path / name, representation, judges=judges)[0] for representation in ("MFCC", "STFT")]
        for name, judges in (("nets", ()), ("forest", ("random_forest",)))
    )
    without, with_forest = (ours(transfer_findings(selected(*a, *b)), "C4a") for a, b in (nets, forest))
    assert (with_forest.value, with_forest.low, with_forest.high) == (without.value, without.low, without.high)
    assert with_forest.n == without.n


def test_a_pair_is_compared_on_the_folds_that_both_have(tmp_path):
    mfcc, dwt = transferred(tmp_path, "MFCC", folds=(1, 2)), transferred(tmp_path, "DWT", folds=(2, 3))
    found = ours(transfer_findings(selected(*mfcc[0], *dwt[0])), "C4b")
    second = [{pair: rows[rows["fold"] == 2] for pair, rows in some.items()} for _, some in (dwt, mfcc)]
    names = second[0][NETS]["recording"].unique()
    assert found.value == pytest.approx(difference_of(*second, names)(np.ones(len(names))))
    assert found.n.startswith(f"{len(CLIPS)} clips of 14 recordings")
    apart = transferred(tmp_path / "apart", "STFT", folds=(3,))
    assert ours(transfer_findings(selected(*mfcc[0], *apart[0])), "C4a").verdict == "missing"


@pytest.mark.parametrize("lacking", ["rows of a fold", "fooled clips"])
def test_attacks_that_only_one_side_was_judged_on_do_not_count(tmp_path, lacking):
    mfcc, stft = transferred(tmp_path, "MFCC"), transferred(tmp_path, "STFT")
    # CWA was not judged on fold 2 of one pair of one representation, or fools no clip of its source.
    file = tmp_path / "STFT-resnet18" / "transfer" / "pairs" / "rows.parquet"
    rows = pd.read_parquet(file)
    if lacking == "fooled clips":
        rows.assign(source_success=rows["source_success"] & (rows["attack"] != "cwa")).to_parquet(file)
    else:
        rows[(rows["attack"] != "cwa") | (rows["fold"] == 1)].to_parquet(file)
    found = ours(transfer_findings(selected(*mfcc[0], *stft[0])), "C4a")
    others = [{pair: rows[rows["attack"] != "cwa"] for pair, rows in some.items()} for _, some in (stft, mfcc)]
    names = others[0][NETS]["recording"].unique()
    assert found.value == pytest.approx(difference_of(*others, names)(np.ones(len(names))))
    assert "mean of 5 of the six attacks" in found.note


def test_judgements_that_are_gone_are_named(tmp_path):
    mfcc, stft = transferred(tmp_path, "MFCC"), transferred(tmp_path, "STFT")
    (tmp_path / "STFT-resnet18" / "transfer" / "pairs" / "rows.parquet").unlink()
    gone = r"expected rows in .*STFT-resnet18.*rows.parquet, found .*; run transfer.py again"
    with pytest.raises(DataError, match=gone):
        transfer_findings(selected(*mfcc[0], *stft[0]))


def attacked(tmp_path, augmentation, curves, folds=(1, 2, 3, 4, 5), seed=0):
    """A run whose attacks have these (fooling rate, batch gradients) on every fold, dearer by the fold's number."""
    rows = [
        {
            "fold": fold,
            "attack": attack,
            "budget_index": budget,
            "fooling_rate": rate,
            "batch_gradients": cost * (9 + fold),
        }
        for fold in folds
        for attack, points in curves.items()
        for budget, (rate, cost) in enumerate(points)
    ]
    attacks = AttackResults("smoke", None, 10, 12, {}, None, [], [], [], 0, budgets=rows)
    settings = {"representation": "STFT", "architecture": "resnet18", "augmentation": augmentation}
    name = f"{augmentation}{seed}"
    return Run(name, tmp_path / name, "ESC10", "official", settings, seed, {}, attacks, [])


def test_costs_are_compared_at_the_highest_rate_that_both_reach(tmp_path):
    copies = attacked(tmp_path, "pitch_shift", {"jsma": [(0.4, 50), (0.9, 100)], "cwa": [(0.5, 200), (1.0, 400)]})
    without = attacked(tmp_path, "none", {"jsma": [(0.6, 40), (0.8, 60)], "cwa": [(1.0, 100), (1.0, 300)]})
    # JSMA fools 80 % with 100 and with 60, CWA all with 400 and with 100.
    logs = {attack: equal_rate_logs([copies], [without], attack) for attack in ("jsma", "cwa", "fgsm")}
    assert logs == {
        "jsma": dict.fromkeys((1, 2, 3, 4, 5), pytest.approx(math.log(100 / 60))),
        "cwa": dict.fromkeys((1, 2, 3, 4, 5), pytest.approx(math.log(4))),
        "fgsm": {},
    }
    findings = augmentation_findings(selected(copies, without))
    found = ours(findings, "R5b")
    assert (found.verdict, found.value) == ("undecided", pytest.approx(math.sqrt(400 / 60)))
    assert found.n == "5 folds, range 2.58 to 2.58"
    assert "the same on every fold, as where budgets stop every attack" in found.note
    budgets = [{**row, "batch_gradients": row["batch_gradients"] * (1 + (row["fold"] == 2) / 50)}
               for row in copies.attacks.budgets]  # fmt: skip
    uneven = replace(copies, attacks=replace(copies.attacks, budgets=budgets))
    assert ours(augmentation_findings(selected(uneven, without)), "R5b").verdict == "holds"
    assert found.runs == ("pitch_shift0", "none0")
    assert ours(augmentation_findings(selected(without, copies)), "R5b").value == found.value
    stated = next(finding for finding in findings if finding.numbers == "paper")
    assert (stated.claim, stated.verdict, stated.value) == ("R5b", "stated only", None)


def test_what_fools_nobody_or_too_few_folds_decide_nothing(tmp_path):
    cheap = attacked(tmp_path, "none", {"jsma": [(0.0, 40)], "cwa": [(1.0, 100)]}, folds=(1, 2, 3, 4))
    dear = attacked(tmp_path, "pitch_shift", {"jsma": [(0.5, 80)], "cwa": [(1.0, 200)]}, folds=(2, 3, 4, 5))
    found = ours(augmentation_findings(selected(cheap, dear)), "R5b")
    assert (found.verdict, found.value, found.n) == ("undecided", pytest.approx(2), "3 folds, range 2.00 to 2.00")
    assert "fewer than 5 folds (3)" in found.note
    assert "JSMA" not in found.note
    again = attacked(tmp_path, "none", {"cwa": [(1.0, 25)]}, folds=(2, 3), seed=1)
    # Two seeds cost 100 and 25, in the geometric mean 50; fold 4 has the first alone.
    expected = {2: math.log(4), 3: math.log(4), 4: math.log(2)}
    assert equal_rate_logs([dear], [cheap, again], "cwa") == pytest.approx(expected)
    missing = ours(augmentation_findings(selected(dear)), "R5b")
    assert missing.verdict == "missing"
    assert missing.note.startswith("python sweep.py configs/sweeps/section5b_augmentation.yaml")


def test_the_seed_of_the_report_reaches_everything_that_is_drawn(tmp_path):
    mfcc, stft = transferred(tmp_path, "MFCC"), transferred(tmp_path, "STFT")
    for run in (*mfcc[0], *stft[0]):
        run.summary["accuracy_mean"] = None
        run.summary["folds"] = []
    selection, points = selected(*mfcc[0], *stft[0]), paper_points()
    first, other = (
        {(f.claim, f.numbers): f for f in all_findings(selection, Accuracies(), points, [], seed)} for seed in (0, 7)
    )
    # The correlation has a test with drawn permutations, and no interval.
    relation = associate(points, "auc", seed=7)
    assert f"p = {relation.p:.2g}" in other["C3a", "paper"].note
    assert other["C3a", "paper"].low is other["C3a", "paper"].high is None
    # What transfers has an interval without draws.
    assert first["C4a", "ours, ESC-10"].low == other["C4a", "ours, ESC-10"].low
    for key in (("C1a", "paper"), ("C5a", "paper")):
        assert first[key] == other[key]


def budgets_then_attacks(rows, name):
    """For each fold and clip the plain mean over attacks of plain means over budgets."""
    table = rows.pivot_table(name, index=["fold", "clip"], columns=["attack", "budget_index"], aggfunc="mean")
    return pd.concat([table[attack].mean(axis=1) for attack in table.columns.levels[0]], axis=1).mean(axis=1)


def test_end_to_end_nets_are_judged_by_what_their_sounds_lose_and_what_a_scalar_restores(tmp_path):
    assert ours(raw_audio_findings(selected()), "R19b").verdict == "missing"
    generator = np.random.default_rng(0)
    runs, shares = [], {}
    for name, settings, space, given in (("net", WAVEFORM, SOUND, "sound"), ("maps", STFT, MAP, "map")):
        path = write_run(tmp_path, name, settings)
        outcomes = pd.read_parquet(path / "attacks" / "outcomes.parquet")
        if space is SOUND:
            outcomes = outcomes.assign(success_16bit=outcomes["success"])
            clips = pd.read_parquet(path / "attacks" / "clips.parquet").assign(silent=False)
            assert outcomes.groupby("attack")["budget_index"].nunique().nunique() > 1
            lost = budgets_then_attacks(outcomes, "success").sum() / len(clips)
            assert lost != pytest.approx(
                outcomes.groupby(["fold", "clip"])["success"].mean().sum() / len(clips), rel=0.01
            )
            # Neither a silent clip nor an attack that was stopped counts.
            silence = clips[clips["clean_correct"]].tail(1).assign(clip=9999, name="silence.wav", silent=True)
            begun = outcomes[outcomes["attack"] == "fgsm"].head(3).assign(attack="pgd", success=1.0)
            rows, tested = (pd.concat(parts) for parts in ((outcomes, begun), (clips, silence)))
            write_attacked_sounds(path, rows.reset_index(drop=True), tested.reset_index(drop=True))
        drawn = outcomes.loc[outcomes.index.repeat(4), ["fold", "clip", "name", "recording", "attack", "budget_index"]]
        drawn = drawn.reset_index(drop=True)
        drawn = drawn.assign(input=given, kind="draw", fools=generator.random(len(drawn)) < 0.7)
        drawn["restored"] = generator.random(len(drawn)) < (0.9 if space is SOUND else 0.2)
        drawn["clean_correct"] = drawn["restored"] | (generator.random(len(drawn)) < 0.6)
        # Neither a fixed gain counts, nor what did not fool, nor a scalar at which the clean clip is wrong.
        more = drawn.assign(kind="gain", restored=False)
        (path / space.beside("scalar-test")).mkdir()
        write_rows(path / space.beside("scalar-test") / "rows.parquet", pd.concat([drawn, more], ignore_index=True))
        counted = drawn[drawn["fools"] & drawn["clean_correct"]]
        shares[name] = budgets_then_attacks(counted, "restored").mean()
        assert shares[name] != pytest.approx(counted.groupby(["fold", "clip"])["restored"].mean().mean(), rel=1e-3)
        runs.append(read_run(path))
    findings = raw_audio_findings(Selection((), "official", "smoke", {}, {}, found=tuple(runs)))
    assert ours(findings, "R19a").value == pytest.approx(lost)
    assert ours(findings, "R19a").verdict == "undecided"
    restored = ours(findings, "R19b")
    assert restored.value == pytest.approx(shares["net"])
    assert 0.5 < restored.low < restored.value
    # The folds of one run are fewer than five.
    assert restored.verdict == "for these models only"
    assert ours(findings, "R19c").value == pytest.approx(shares["net"] - shares["maps"])
    # A fold whose attacks were all stopped says nothing, not even by the clips that are wrong when clean.
    first, others = (rows[(rows["fold"] == 1) == whole] for whole in (True, False))
    stopped = pd.concat([first, others.groupby(["fold", "attack"]).head(1)], ignore_index=True)
    write_rows(tmp_path / "net" / SOUND.folder / "outcomes.parquet", stopped)
    lost = budgets_then_attacks(first[first["attack"] != "pgd"], "success").sum() / (clips["fold"] == 1).sum()
    findings = raw_audio_findings(Selection((), "official", "smoke", {}, {}, found=(read_run(tmp_path / "net"),)))
    assert ours(findings, "R19a").value == pytest.approx(lost)
