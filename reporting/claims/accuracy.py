"""Claims about the effect of settings on accuracy: R5, R7, C1, C7 and the accuracy part of R12."""

from dataclasses import replace

from reporting.accuracy import Accuracies
from reporting.claims.claim import DESCRIPTIVE, FOR_THESE_MODELS, Claim, Finding, beside, paper_contrast
from reporting.estimates import Estimate
from reporting.names import CORPUS_NAMES, NAMES
from reporting.paper_numbers import Setting
from reporting.runs import Run
from reporting.selection import PAPER_CORPORA, Selection, corpora_of
from reporting.studies import STUDIES, TABLES, slice_of
from reporting.verdicts import Verdict, both_interval, over_recordings

POINTS = "accuracy, points"
R5 = Claim(
    "R5", "Training without augmented copies costs accuracy", f"{POINTS}: with pitch-shifted copies minus without"
)
R7A = Claim("R7a", "13 coefficients are less accurate than 20 and more", f"{POINTS}: 20 and 40 minus 13 coefficients")
R7B = Claim("R7b", "Without an orthonormal DCT accuracy falls", f"{POINTS}: ortho minus no norm")
R7D = Claim("R7d", "Strong lifters cost accuracy", f"{POINTS}: d = 0 minus d = 2.5")
R7E = Claim(
    "R7e", "The best d is 0, 0.5, 0.3 on ESC-10, ESC-50, UrbanSound8K", f"{POINTS}: that d minus the best other"
)
R12D = Claim("R12d", "AlexNet is less accurate than ResNet-18", f"{POINTS}: ResNet-18 minus AlexNet")
R12E = Claim(
    "R12e",
    "GoogLeNet, ResNet-34 and ResNet-56 are as accurate as ResNet-18",
    f"{POINTS}: ResNet-18 minus the one that differs most",
)
C1A = Claim("C1a", "DWT is more accurate than STFT", f"{POINTS}: mean over settings, DWT minus STFT")
C1B = Claim("C1b", "STFT is more accurate than MFCC", f"{POINTS}: mean over settings, STFT minus MFCC")
C7 = Claim("C7", "Frames of 30 ms hurt accuracy", f"{POINTS}: 40 and 50 ms minus 30 ms")

BEST_LIFTER = {"ESC10": 0.0, "ESC50": 0.5, "UrbanSound8K": 0.3}
COMPETITIVE = ("googlenet", "resnet34", "resnet56")
AS_ACCURATE = 0.05
"""Equivalence margin: accuracies count as equal if the interval of their difference lies within it."""
PAIRS: dict[Claim, tuple[str, tuple[Setting, ...], tuple[Setting, ...]]] = {
    R5: ("section5b_augmentation", ("pitch_shift",), ("none",)),
    R7A: ("figure1_n_mfcc", (20, 40), (13,)),
    R7B: ("figure2_dct_norm", ("ortho",), (None,)),
    R7D: ("figure3_lifter", (0.0,), (2.5,)),
    R12D: ("section5a_classifiers", ("resnet18",), ("alexnet",)),
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
    """Judge every claim about accuracy, on the paper's numbers and on each of our corpora.

    Args:
        selection: runs that may be compared.
        accuracies: their accuracies.
    """
    findings = [claim.stated(value, note, 100) for claim, (value, note) in STATED.items()]
    findings += [_paper_order(C1A, 3, 2), _paper_order(C1B, 2, 1)]
    for corpus in corpora_of(selection.runs) or [PAPER_CORPORA[0]]:
        ours = f"ours, {CORPUS_NAMES.get(corpus, corpus)}"
        for claim, (study, first, second) in PAIRS.items():
            sides = _sides(selection, corpus, study, first, second)
            found = accuracies.difference(*sides)
            finding = claim.judge(ours, found, _clips(found), scale=100, missing=_command(selection, study, corpus))
            findings.append(beside(finding, sides, varied=STUDIES[study].varied))
        findings.append(_as_accurate(selection, accuracies, corpus, ours))
        findings.append(_best_lifter(selection, accuracies, corpus, ours))
        for claim, better, worse in ((C1A, 2, 1), (C1B, 1, 0)):
            tables = [_table_settings(selection, corpus, table) for table in (better, worse)]
            found = accuracies.difference(tables[0], tables[1])
            settings = f"{len(tables[0])} and {len(tables[1])} settings"
            missing = _command(selection, TABLES[better if tables[1] else worse], corpus)
            finding = claim.judge(ours, found, _clips(found), settings, scale=100, missing=missing)
            findings.append(beside(finding, tables))
    return findings


def _sides(
    selection: Selection, corpus: str, key: str, first: tuple[Setting, ...], second: tuple[Setting, ...]
) -> tuple[list[list[Run]], list[list[Run]]]:
    """Runs at two sets of values of a study, in the representations that have both."""
    sides: tuple[list[list[Run]], list[list[Run]]] = ([], [])
    slices = [slice_of(STUDIES[key], selection.runs, corpus, r).runs for r in STUDIES[key].representations]
    slices = [runs for runs in slices if any(v in runs for v in first) and any(v in runs for v in second)]
    # The same values are used in each representation; otherwise a side would be biased towards one that has more.
    shared = set.intersection(*map(set, slices)) if slices else set()
    if not (shared & set(first) and shared & set(second)):
        slices = slices[:1]
        shared = {value for runs in slices for value in runs}
    for runs in slices:
        for side, values in zip(sides, (first, second), strict=True):
            side.extend(runs[value] for value in values if value in shared)
    return sides


def _best_lifter(selection: Selection, accuracies: Accuracies, corpus: str, ours: str) -> Finding:
    """Compare the stated value with each other value; the best of several is optimistic, so intervals are corrected."""
    study = STUDIES["figure3_lifter"]
    if corpus not in BEST_LIFTER:
        return R7E.missing(ours, "the paper names no best d for this corpus")
    stated = BEST_LIFTER[corpus]
    runs = slice_of(study, selection.runs, corpus, "MFCC").runs
    rivals = {value: some for value, some in runs.items() if value != stated}
    found: dict[Setting, Estimate] = {}
    # Bonferroni over the rivals, so that one of several equal values rarely appears better than the stated one.
    confidence = 1 - 0.05 / max(len(rivals), 1)
    for value, some in rivals.items() if stated in runs else ():
        difference = accuracies.difference([runs[stated]], [some], confidence=confidence)
        if difference is not None:
            found[value] = difference
    if not found:
        return R7E.missing(ours, _command(selection, study.key, corpus))
    best = min(found, key=lambda value: found[value].value)
    whole = len(found) + 1 == len(study.values)
    judged = {value: R7E.judge(ours, one, "", confidence=confidence).verdict for value, one in found.items()}
    for_these = {value: over_recordings(one) for value, one in found.items()}
    verdict: Verdict = "undecided"
    if "fails" in judged.values() or (whole and set(judged.values()) == {"holds"}):
        verdict = "fails" if "fails" in judged.values() else "holds"
    elif any(ends is not None and ends[1] < 0 for ends in for_these.values()) or (
        whole and all(ends is not None and ends[0] > 0 for ends in for_these.values())
    ):
        verdict = "for these models only"
    note = (
        f"d = {stated} against d = {best}, {len(found) + 1} of {len(study.values)} values; "
        f"interval for {len(found)} comparisons (Bonferroni); holds if better than every other value"
    )
    worst = R7E.judge(ours, found[best], _clips(found[best]), note, scale=100, confidence=confidence)
    return beside(replace(worst, verdict=verdict), [[runs[stated]], [runs[best]]], varied=study.varied)


def _as_accurate(selection: Selection, accuracies: Accuracies, corpus: str, ours: str) -> Finding:
    """Compare each of the three nets with ResNet-18, without averaging, because the claim is about all of them."""
    key = "section5a_classifiers"
    sides = {net: _sides(selection, corpus, key, ("resnet18",), (net,)) for net in COMPETITIVE}
    # Bonferroni over the three, because a single one that differs refutes the claim.
    confidence = 1 - 0.05 / len(COMPETITIVE)
    pairs = {net: accuracies.difference(*some, confidence) for net, some in sides.items()}
    found = {net: estimate for net, estimate in pairs.items() if estimate is not None}
    if not found:
        return R12E.missing(ours, _command(selection, key, corpus))
    furthest = max(found, key=lambda net: abs(found[net].value))
    verdict = _equal([both_interval(one, confidence) for one in found.values()])
    if verdict == "undecided" and _equal([over_recordings(one) for one in found.values()]) != "undecided":
        verdict = "for these models only"
    note = (
        f"{NAMES[furthest]}; interval for three comparisons (Bonferroni); holds if those of all three lie within "
        f"{100 * AS_ACCURATE:.0f} points"
    )
    absent = [NAMES[net] for net in COMPETITIVE if net not in found]
    if absent:
        note += f"; missing: {', '.join(absent)}"
    finding = R12E.judge(ours, found[furthest], _clips(found[furthest]), note, scale=100, confidence=confidence)
    # Whether the difference is zero is a different question from equivalence.
    finding = replace(finding, verdict=verdict, note=finding.note.split(FOR_THESE_MODELS)[0])
    return beside(finding, sides[furthest], varied=STUDIES[key].varied)


def _equal(intervals: list[tuple[float, float] | None]) -> Verdict:
    """``holds`` if the intervals of all three nets lie within the margin, ``fails`` if one lies outside."""
    there = [ends for ends in intervals if ends is not None]
    if any(low > AS_ACCURATE or high < -AS_ACCURATE for low, high in there):
        return "fails"
    inside = all(low > -AS_ACCURATE and high < AS_ACCURATE for low, high in there)
    return "holds" if inside and len(there) == len(COMPETITIVE) else "undecided"


def _paper_order(claim: Claim, first: int, second: int) -> Finding:
    found, corpora = paper_contrast(first, second, lambda row: row.accuracy)
    by_corpus = ", ".join(f"{CORPUS_NAMES[corpus]} {100 * value:+.1f}" for corpus, value in corpora.items())
    return claim.described(found, f"{found.n} settings", f"{DESCRIPTIVE}; {by_corpus}", 100)


def _table_settings(selection: Selection, corpus: str, table: int) -> list[list[Run]]:
    study = STUDIES[TABLES[table]]
    return list(slice_of(study, selection.runs, corpus, study.representations[0]).runs.values())


def _command(selection: Selection, key: str, corpus: str) -> str:
    return selection.sweep_command(key, corpus) or ""


def _clips(found: Estimate | None) -> str:
    return f"{found.counted}, {len(found.runs)} runs" if found else "0"
