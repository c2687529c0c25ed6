"""Claims about what settings do to accuracy: R5, R7, C1, C7 and the accuracy part of R12."""

import torch
from torch import Tensor

from metrics.intervals import SourceResampling, bca_interval
from reporting.accuracy import Accuracies
from reporting.claims import Claim, Finding
from reporting.estimates import Estimate
from reporting.paper_numbers import PaperSetting, Setting, paper_settings
from reporting.runs import Run
from reporting.selection import PAPER_CORPORA, Selection, corpora_of
from reporting.slices import slice_of
from reporting.studies import STUDIES, TABLES
from reporting.table import CORPUS_NAMES

POINTS = "accuracy, points"
R5 = Claim(
    "R5", "Training without augmented copies costs accuracy", f"{POINTS}: with pitch-shifted copies less without"
)
R7A = Claim("R7a", "13 coefficients are less accurate than 20 and more", f"{POINTS}: 20 and 40 less 13 coefficients")
R7B = Claim("R7b", "Without an orthonormal DCT accuracy falls", f"{POINTS}: ortho less no norm")
R7D = Claim("R7d", "Strong lifters cost accuracy", f"{POINTS}: d = 0 less d = 2.5")
R7E = Claim("R7e", "The best d is 0, 0.5, 0.3 on ESC-10, ESC-50, UrbanSound8K", f"{POINTS}: that d less the best other")
R12D = Claim("R12d", "AlexNet is less accurate than ResNet-18", f"{POINTS}: ResNet-18 less AlexNet")
R12E = Claim(
    "R12e", "GoogLeNet, ResNet-34 and ResNet-56 are as accurate as ResNet-18", f"{POINTS}: ResNet-18 less their mean"
)
C1A = Claim("C1a", "DWT is more accurate than STFT", f"{POINTS}: mean over settings, DWT less STFT")
C1B = Claim("C1b", "STFT is more accurate than MFCC", f"{POINTS}: mean over settings, STFT less MFCC")
C7 = Claim("C7", "Frames of 30 ms hurt accuracy", f"{POINTS}: 40 and 50 ms less 30 ms")

BEST_LIFTER = {"ESC10": 0.0, "ESC50": 0.5, "UrbanSound8K": 0.3}
AS_ACCURATE = 0.05
"""Accuracies that surely differ by less than this are called equal."""
PAIRS: dict[Claim, tuple[str, tuple[Setting, ...], tuple[Setting, ...]]] = {
    R5: ("section5b_augmentation", ("pitch_shift",), ("none",)),
    R7A: ("figure1_n_mfcc", (20, 40), (13,)),
    R7B: ("figure2_dct_norm", ("ortho",), (None,)),
    R7D: ("figure3_lifter", (0.0,), (2.5,)),
    R12D: ("section5a_classifiers", ("resnet18",), ("alexnet",)),
    R12E: ("section5a_classifiers", ("resnet18",), ("googlenet", "resnet34", "resnet56")),
    C7: ("figure5_dwt_frame", (40.0, 50.0), (30.0,)),
}
STATED = {
    R5: (0.040, "stated: 5.6, 3.6 and 2.9 % for MFCC, STFT and DWT (printed as 0.056 % and so on); no data"),
    R7A: (0.14, "stated in the text; no data"),
    R7B: (0.07, "stated in the text; no data"),
    R7D: (None, "stated: about 48 % accuracy above d = 2.5; no data"),
    R7E: (None, "stated in the text; no data"),
    R12D: (0.08, "stated in the text as 8 %; no data"),
    R12E: (None, "stated: very competitive; no data"),
    C7: (None, "stated in the text; no data"),
}


def accuracy_findings(selection: Selection, accuracies: Accuracies) -> list[Finding]:
    """Judge every claim about accuracy, on the paper's numbers and on each corpus of ours."""
    findings = [claim.stated(value, note, 100) for claim, (value, note) in STATED.items()]
    findings += [_paper_order(C1A, 3, 2, accuracies.seed), _paper_order(C1B, 2, 1, accuracies.seed)]
    for corpus in corpora_of(selection.runs) or [PAPER_CORPORA[0]]:
        ours = f"ours, {CORPUS_NAMES.get(corpus, corpus)}"
        for claim, (study, first, second) in PAIRS.items():
            found = _contrast(selection, accuracies, corpus, study, first, second)
            finding = claim.judge(ours, found, _clips(found), scale=100, missing=_command(selection, study, corpus))
            findings.append(_equivalent(finding) if claim is R12E else finding)
        findings.append(_best_lifter(selection, accuracies, corpus, ours))
        for claim, better, worse in ((C1A, 2, 1), (C1B, 1, 0)):
            sides = [_table_settings(selection, corpus, table) for table in (better, worse)]
            found = accuracies.difference(*sides)
            settings = f"{len(sides[0])} and {len(sides[1])} settings"
            missing = _command(selection, TABLES[better if sides[1] else worse], corpus)
            findings.append(claim.judge(ours, found, _clips(found), settings, scale=100, missing=missing))
    return findings


def _contrast(
    selection: Selection,
    accuracies: Accuracies,
    corpus: str,
    key: str,
    first: tuple[Setting, ...],
    second: tuple[Setting, ...],
) -> Estimate | None:
    """Mean accuracy at some values of a study less that at others, over the representations that have both."""
    sides: tuple[list[list[Run]], list[list[Run]]] = ([], [])
    slices = [slice_of(STUDIES[key], selection.runs, corpus, r).runs for r in STUDIES[key].representations]
    slices = [runs for runs in slices if any(v in runs for v in first) and any(v in runs for v in second)]
    # The same values in each representation, or a side would lean towards the one that has more of them.
    shared = set.intersection(*map(set, slices)) if slices else set()
    if not (shared & set(first) and shared & set(second)):
        slices = slices[:1]
        shared = {value for runs in slices for value in runs}
    for runs in slices:
        for side, values in zip(sides, (first, second), strict=True):
            side.extend(runs[value] for value in values if value in shared)
    return accuracies.difference(*sides)


def _best_lifter(selection: Selection, accuracies: Accuracies, corpus: str, ours: str) -> Finding:
    study = STUDIES["figure3_lifter"]
    if corpus not in BEST_LIFTER:
        return R7E.missing(ours, "the paper names no best d for this corpus")
    runs = slice_of(study, selection.runs, corpus, "MFCC").runs
    others = {value: accuracies.mean(some) for value, some in runs.items() if value != BEST_LIFTER[corpus]}
    found = None
    best = max((v for v in others if others[v]), key=lambda v: others[v].value, default=None)  # type: ignore[union-attr]
    if best is not None and BEST_LIFTER[corpus] in runs:
        found = accuracies.difference([runs[BEST_LIFTER[corpus]]], [runs[best]])
    note = f"d = {BEST_LIFTER[corpus]} against d = {best}, {len(runs)} of {len(study.values)} values"
    return R7E.judge(ours, found, _clips(found), note, scale=100, missing=_command(selection, study.key, corpus))


def _paper_order(claim: Claim, first: int, second: int, seed: int) -> Finding:
    """Mean over corpora of the difference of means over settings, settings resampled."""
    rows: list[tuple[PaperSetting, int]] = [(row, 1) for row in paper_settings(first)]
    rows += [(row, -1) for row in paper_settings(second)]
    values = torch.tensor([row.accuracy for row, _ in rows], dtype=torch.float64)
    members = [
        [torch.tensor([row.corpus == corpus and sign == side for row, sign in rows]) for side in (1, -1)]
        for corpus in PAPER_CORPORA
    ]

    def difference(weights: Tensor) -> Tensor:
        def mean(chosen: Tensor) -> Tensor:
            return (weights * values)[..., chosen].sum(-1) / weights[..., chosen].sum(-1)

        return torch.stack([mean(one) - mean(other) for one, other in members]).mean(dim=0)

    value = float(difference(torch.ones(len(rows), dtype=torch.float64)))
    interval = bca_interval(difference, SourceResampling([f"{place:03d}" for place in range(len(rows))], seed=seed))
    by_corpus = [
        f"{CORPUS_NAMES[corpus]} {100 * float(values[one].mean() - values[other].mean()):+.1f}"
        for corpus, (one, other) in zip(PAPER_CORPORA, members, strict=True)
    ]
    found = Estimate(value, interval.low, interval.high, None, len(rows), ())
    return claim.judge(
        "paper", found, f"{len(rows)} settings", f"settings resampled; {', '.join(by_corpus)}", scale=100
    )


def _equivalent(finding: Finding) -> Finding:
    """Judge a claim that two accuracies are the same."""
    if finding.low is None or finding.high is None:
        return finding
    inside = finding.low > -AS_ACCURATE and finding.high < AS_ACCURATE
    outside = finding.low > AS_ACCURATE or finding.high < -AS_ACCURATE
    verdict = "holds" if inside else "fails" if outside else "undecided"
    fields = {**vars(finding), "verdict": verdict, "note": f"holds if surely within {100 * AS_ACCURATE:.0f} points"}
    return Finding(**fields)


def _table_settings(selection: Selection, corpus: str, table: int) -> list[list[Run]]:
    study = STUDIES[TABLES[table]]
    return list(slice_of(study, selection.runs, corpus, study.representations[0]).runs.values())


def _command(selection: Selection, key: str, corpus: str) -> str:
    return selection.sweep_command(key, corpus) or ""


def _clips(found: Estimate | None) -> str:
    return f"{found.n} clips, {len(found.runs)} runs" if found else "0"
