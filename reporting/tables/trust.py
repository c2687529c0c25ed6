"""What speaks against a number: leakage, failed trust checks, and how the runs differ from the paper."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from reporting.names import CORPUS_NAMES
from reporting.runs import Run
from reporting.selection import Selection
from reporting.tables.plain import PlainTable

DEVIATIONS = (
    (
        "AUC",
        "The paper never defines its AUC. Here the score is the loss on the true label, positives are adversarials, "
        "negatives the same clips clean: 0.5 is no effect.",
    ),
    (
        "Clips",
        "Attacks are judged on test clips that are classified correctly when clean; the paper does not say which.",
    ),
    (
        "Splits",
        "Copies are made from training clips only, after the split. The paper draws its test clips at random, so "
        "that clips of one recording stand on both sides.",
    ),
    ("DWT", "It is the continuous wavelet transform that the paper's tool computes."),
    ("Lifter", "librosa's code is followed; Eq. 21 copies a misprint of its old documentation."),
    ("Pictures", "One channel in [0, 1] instead of an 8-bit colour picture."),
    ("DeepFool", "Untargeted; the paper calls it targeted and names a library that has no such variant."),
    ("BIM", "Steps of delta / 10 from the current point; Eq. 5 steps by delta from the clean one."),
    ("JSMA", "Its number of iterations is read with gamma on the scale of 0 to 255; as printed it would be below 3."),
    ("ResNet-56", "Exists in the CIFAR form only (0.85 M parameters), so the paper's ratio of sizes cannot hold."),
    ("Training", "Optimiser, schedule, epochs and regularisation are ours; the paper names none."),
)
"""Readings that change a number, whatever was run."""

SHOWN_CHECKS = 200
"""Failed checks shown on the page; the CSV holds all of them."""


@dataclass(frozen=True)
class CheckSummary:
    """Trust checks of one run: how many hold, and those that do not."""

    run: str
    passed: int
    failed: list[dict[str, Any]]


def trust_checks(selection: Selection) -> list[CheckSummary]:
    """The checks of every attacked run, those with a failed hard check first."""
    summaries = [
        CheckSummary(run.name, run.attacks.checks_passed, run.attacks.checks) for run in selection.runs if run.attacks
    ]
    return sorted(summaries, key=lambda summary: (-_hard(summary), -len(summary.failed), summary.run))


def leakage(selection: Selection) -> list[tuple[str, str, float]]:
    """Corpus, split and share of test clips that share a recording with training or validation, the highest first."""
    shares: dict[tuple[str, str], float] = {}
    for run in selection.runs:
        key = (run.corpus, run.split)
        shares[key] = max(shares.get(key, 0.0), float(run.summary["leakage"]))
    return sorted(((*key, share) for key, share in shares.items()), key=lambda row: (-row[2], row))


def run_deviations(selection: Selection) -> list[tuple[str, str]]:
    """What these runs do differently from the paper, or from one another."""
    found: list[tuple[str, str]] = []
    if selection.split != "random":
        found.append(("Split", f"All runs use split={selection.split}; the paper's would be random."))
    if selection.profile not in (None, "paper"):
        found.append(("Budgets", f"Attacks use the profile {selection.profile}, not all budgets of the paper."))
    clips = sorted({run.attacks.clips for run in selection.runs if run.attacks and run.attacks.clips is not None})
    if clips:
        found.append(
            ("Subset", f"Attacks see a stratified subset of {' or '.join(map(str, clips))} test clips a fold.")
        )
    partial = [run for run in selection.runs if run.summary["folds_finished"] < run.summary["folds_in_all"]]
    if partial:
        found.append(("Folds", f"Not all folds are trained: {_named(partial)}."))
    normalised = [run for run in selection.runs if run.settings.get("instance_norm")]
    if normalised:
        found.append(("Level", f"The classifier first gives each map mean 0 and deviation 1: {_named(normalised)}."))
    lengths: dict[int, list[Run]] = {}
    for run in selection.runs:
        if run.epochs and run.attacks:
            lengths.setdefault(run.epochs, []).append(run)
    if len(lengths) > 1:
        named = "; ".join(f"{epochs} epochs: {_named(runs)}" for epochs, runs in sorted(lengths.items()))
        found.append(("Epochs", f"The classifiers that are compared were not all trained for as long. {named}."))
    found += [("Left out", f"{name}: {why}.") for name, why in sorted(selection.left_out.items())]
    return found


def _named(runs: Sequence[Run]) -> str:
    names = [run.name for run in runs]
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _hard(summary: CheckSummary) -> int:
    return sum(check["kind"] == "hard" for check in summary.failed)


def leakage_table(selection: Selection) -> PlainTable:
    """Leakage of each corpus."""
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
    """Checks of every attacked run; a line for each that failed, and one for each run that passed all."""
    rows = []
    for summary in trust_checks(selection):
        total = f"{summary.passed} of {summary.passed + len(summary.failed)}"
        if not summary.failed:
            rows.append((summary.run, total, "all hold", "", "", "", ""))
        for check in summary.failed:
            verdict = "not judged" if check["passed"] is None else "failed"
            place = f"fold {check['fold']}" + (f", {check['attack']}" if check["attack"] else "")
            rows.append(
                (
                    summary.run,
                    total,
                    verdict,
                    check["kind"],
                    check["name"],
                    place,
                    f"{check['found']}; {check['remedy']}",
                )
            )
    totals = {one.run: (one.passed, one.passed + len(one.failed)) for one in trust_checks(selection)}
    return PlainTable(
        "trust_checks",
        "Can the attacks be trusted?",
        "Hard checks hold clip by clip for any classifier; soft ones may miss by 2 % or one clip.",
        ("run", "checks that hold", "result", "kind", "check", "where", "what was found, and what to do"),
        tuple(rows),
        ("run", "checks that hold", "checks", "result", "kind", "check", "where", "what was found, and what to do"),
        tuple((row[0], *totals[row[0]], *row[2:]) for row in rows),
    )


def deviations_table(selection: Selection) -> PlainTable:
    """Deviations of these runs, then those of every run."""
    rows = [(what, "these runs", text) for what, text in run_deviations(selection)]
    rows += [(what, "always", text) for what, text in DEVIATIONS]
    return PlainTable(
        "deviations", "Deviations from the paper", "What changes a number.", ("what", "where", "how"), tuple(rows)
    )
