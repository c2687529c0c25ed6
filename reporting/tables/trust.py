"""Reasons to doubt a number: leakage, failed trust checks, and differences between the runs and the paper."""

from collections.abc import Sequence
from dataclasses import dataclass

from reporting.names import CORPUS_NAMES
from reporting.runs import Run
from reporting.selection import Selection
from reporting.tables.plain import PlainTable
from storage.errors import named
from storage.summaries import CheckRecord

DEVIATIONS = (
    (
        "AUC",
        "The paper does not define its AUC. Here the score is the loss on the true label, positives are adversarials, "
        "negatives the clean versions of other clips; 0.5 means no effect.",
    ),
    (
        "Clips",
        "Attacks are evaluated on test clips classified correctly when clean; the paper does not say on which.",
    ),
    (
        "Splits",
        "Augmented copies are made from training clips only, after the split. The paper draws its test clips at "
        "random, so that clips of one recording are in both training and test parts.",
    ),
    ("DWT", "The continuous wavelet transform, which is what the paper's tool computes."),
    ("Lifter", "As in librosa's code; Eq. 21 repeats a misprint of its old documentation."),
    ("Pictures", "One channel in [0, 1] instead of an 8-bit colour picture."),
    ("DeepFool", "Untargeted; the paper calls it targeted but names a library that has no such variant."),
    ("BIM", "Steps of delta / 10 from the current point; Eq. 5 steps by delta from the clean one."),
    ("JSMA", "The number of iterations assumes gamma on the scale of 0 to 255; as printed it would be below 3."),
    ("ResNet-56", "Exists in the CIFAR form only (0.85 M parameters), so the paper's ratio of sizes cannot hold."),
    ("Training", "Optimiser, schedule, epochs and regularisation are ours; the paper gives none."),
)
"""Interpretations that affect a number in every run."""

SHOWN_CHECKS = 200
"""Largest number of failed checks on the page; the CSV contains all of them."""


@dataclass(frozen=True)
class CheckSummary:
    """Trust checks of the attacks on one run's maps or sounds: how many hold, and the records of the others."""

    run: str
    space: str
    passed: int
    failed: list[CheckRecord]


def trust_checks(selection: Selection) -> list[CheckSummary]:
    """The checks of every attacked run, on maps and on sounds, those with a failed hard check first."""
    attacked = [(run.name, run.attacks) for run in selection.runs]
    # The tables of sounds have every run.
    attacked += [(run.name, run.sound_attacks) for run in selection.found]
    summaries = [CheckSummary(name, one.space, one.checks_passed, one.checks) for name, one in attacked if one]
    return sorted(summaries, key=lambda one: (-_hard(one), -len(one.failed), one.run, one.space))


def leakage(selection: Selection) -> list[tuple[str, str, float]]:
    """Corpus, split and share of test clips whose recording is also in training or validation, largest share first."""
    shares: dict[tuple[str, str], float] = {}
    for run in selection.runs:
        key = (run.corpus, run.split)
        shares[key] = max(shares.get(key, 0.0), run.summary["leakage"] or 0.0)
    return sorted(((*key, share) for key, share in shares.items()), key=lambda row: (-row[2], row))


def run_deviations(selection: Selection) -> list[tuple[str, str]]:
    """Topic and description of each way in which these runs differ from the paper, or from one another."""
    found: list[tuple[str, str]] = []
    if selection.split != "random":
        found.append(("Split", f"All runs use split={selection.split}; the paper's would be random."))
    if selection.profile not in (None, "paper"):
        found.append(("Budgets", f"Attacks use the profile {selection.profile}, not all budgets of the paper."))
    clips = sorted({run.attacks.clips for run in selection.runs if run.attacks and run.attacks.clips is not None})
    if clips:
        found.append(
            ("Subset", f"Attacks use a stratified subset of {' or '.join(map(str, clips))} test clips per fold.")
        )
    partial = [run for run in selection.runs if run.summary["folds_finished"] < run.summary["folds_in_all"]]
    if partial:
        found.append(("Folds", f"Not all folds are trained: {_named(partial)}."))
    normalised = [run for run in selection.runs if run.settings.get("instance_norm")]
    if normalised:
        found.append(
            ("Level", f"The classifier normalises each map to mean 0 and standard deviation 1: {_named(normalised)}.")
        )
    lengths: dict[int, list[Run]] = {}
    for run in selection.runs:
        if run.epochs and run.attacks:
            lengths.setdefault(run.epochs, []).append(run)
    if len(lengths) > 1:
        told = "; ".join(f"{epochs} epochs: {_named(runs)}" for epochs, runs in sorted(lengths.items()))
        found.append(("Epochs", f"The compared classifiers were trained for different numbers of epochs. {told}."))
    found += [("Left out", f"{name}: {why}.") for name, why in sorted(selection.left_out.items())]
    return found


def _named(runs: Sequence[Run]) -> str:
    return named([run.name for run in runs], 5)


def _hard(summary: CheckSummary) -> int:
    return sum(check["kind"] == "hard" for check in summary.failed)


def leakage_table(selection: Selection) -> PlainTable:
    """The table of the leakage of each corpus."""
    rows = [(CORPUS_NAMES.get(corpus, corpus), split, f"{share:.1%}") for corpus, split, share in leakage(selection)]
    return PlainTable(
        "leakage",
        "Leakage",
        "Share of test clips with a clip of the same recording in training or validation. With split=random it would "
        "be about 33 % on ESC-10 and ESC-50 and 95 % on UrbanSound8K.",
        ("corpus", "split", "test clips that leak"),
        tuple(rows),
        ("corpus", "split", "share of test clips that leak"),
        tuple((CORPUS_NAMES.get(corpus, corpus), split, share) for corpus, split, share in leakage(selection)),
    )


def trust_table(selection: Selection) -> PlainTable:
    """The table of trust checks: one row per failed check, and one per attacked run and space that passed all."""
    rows, plain = [], []
    for summary in trust_checks(selection):
        total = summary.passed + len(summary.failed)
        place = (summary.run, summary.space)
        found = [("all hold", "", "", "", "")] if not summary.failed else [_failure(check) for check in summary.failed]
        rows += [(*place, f"{summary.passed} of {total}", *one) for one in found]
        plain += [(*place, summary.passed, total, *one) for one in found]
    kinds = ("result", "kind", "check", "where", "what was found, and what to do")
    return PlainTable(
        "trust_checks",
        "Can the attacks be trusted?",
        "Hard checks must hold for every clip and any classifier; soft ones have a tolerance of 2 % or one clip.",
        ("run", "attacked", "checks that hold", *kinds),
        tuple(rows),
        ("run", "attacked", "checks that hold", "checks", *kinds),
        tuple(plain),
    )


def _failure(check: CheckRecord) -> tuple[str, str, str, str, str]:
    verdict = "not judged" if check["passed"] is None else "failed"
    place = f"fold {check['fold']}" + (f", {check['attack']}" if check["attack"] else "")
    return verdict, check["kind"], check["name"], place, f"{check['found']}; {check['remedy']}"


def deviations_table(selection: Selection) -> PlainTable:
    """The table of deviations: those of these runs, then those of every run."""
    rows = [(what, "these runs", text) for what, text in run_deviations(selection)]
    rows += [(what, "always", text) for what, text in DEVIATIONS]
    return PlainTable(
        "deviations",
        "Deviations from the paper",
        "Differences that affect a number.",
        ("what", "where", "how"),
        tuple(rows),
    )
