"""The paper's claims about end-to-end nets on waveforms (section V-C): R19."""

from collections.abc import Sequence

import pandas as pd
import torch

from metrics.intervals import Recordings, rate_interval
from reporting.claims.claim import Claim, Finding
from reporting.claims.cost_ratio import shares_recordings
from reporting.controls import WAVEFORM
from reporting.estimates import Estimate
from reporting.names import CORPUS_NAMES
from reporting.runs import REMEDY, Run
from reporting.selection import PAPER_CORPORA, Selection, corpora_of
from reporting.sounds import sound_clips, sound_outcomes
from storage.rows import read_rows
from storage.space import MAP, SOUND, Space

R19A = Claim(
    "R19a",
    "Attacks cost end-to-end nets 30 points of accuracy on average",
    "accuracy lost, points: mean over budgets, then over attacks",
    False,
)
R19B = Claim(
    "R19b",
    "Multiplying an adversarial waveform by a small random scalar restores its label",
    "labels restored by scalars drawn from (0, 1) at which the clean clip keeps its label, %: mean over budgets, "
    "attacks and clips, in this order",
    False,
)
R19C = Claim(
    "R19c",
    "Adversarial spectrograms withstand such a change",
    "labels restored, points: adversarial waveforms minus adversarial maps, each as in R19b",
)
LOST, OFTEN = 0.30, 0.5
ATTACK = "python attack.py --space sound --checkpoints RUN"
UNNAMED = "the paper names neither attacks nor budgets, and every loss follows from them"


def raw_audio_findings(selection: Selection) -> list[Finding]:
    """Judge R19 on all runs of the report's split that were read; the paper gives no data.

    Args:
        selection: the report's runs.
    """
    findings = [R19A.stated(LOST, "stated: 30 % on average; no data", 100)]
    findings += [claim.stated(None, "stated in the text; no data") for claim in (R19B, R19C)]
    found = [run for run in selection.found if run.split == selection.split]
    for corpus in corpora_of(found) or [PAPER_CORPORA[0]]:
        ours = f"ours, {CORPUS_NAMES.get(corpus, corpus)}"
        runs = [run for run in found if run.corpus == corpus]
        nets = [run for run in runs if run.representation == WAVEFORM]
        findings += [_lost(ours, nets), *_restored(ours, nets, runs)]
    return findings


def _lost(ours: str, nets: Sequence[Run]) -> Finding:
    parts = []
    for run in nets:
        outcomes = sound_outcomes(run)
        if len(outcomes):
            # A fold without a whole attack says nothing.
            clips = sound_clips(run)
            clips = clips[clips["fold"].isin(outcomes["fold"])]
            fooled = _over_attacks(outcomes, ["fold", "clip"], "success")
            lost = clips.join(fooled, on=["fold", "clip"])
            # A clip that is wrong when clean has nothing to lose.
            lost.loc[~lost["clean_correct"], "share"] = 0.0
            parts.append(lost[lost["share"].notna()].assign(run=run.name))
    if not parts:
        return R19A.missing(ours, f"{ATTACK}, of a run with --data.representation {WAVEFORM}")
    found = _mean(pd.concat(parts, ignore_index=True), nets)
    return R19A.judge(ours, found, found.counted, null=LOST, scale=100).withdrawn(UNNAMED)


def _restored(ours: str, nets: Sequence[Run], runs: Sequence[Run]) -> list[Finding]:
    waveforms = _draws(nets, SOUND, "sound")
    if not len(waveforms):
        command = f"python scalar_test.py --space sound --checkpoints RUN, after {ATTACK} --save-adversarials"
        return [claim.missing(ours, command) for claim in (R19B, R19C)]
    sounds = _mean(waveforms, nets)
    note = "null value: half of the labels that the clean clips keep"
    findings = [R19B.judge(ours, sounds, sounds.counted, note, null=OFTEN, scale=100)]
    maps = _draws([run for run in runs if run.representation != WAVEFORM], MAP, "map")
    if not len(maps):
        command = "python scalar_test.py --checkpoints RUN, after attack.py --save-adversarials"
        return [*findings, R19C.missing(ours, command)]
    others = _mean(maps, runs)
    note = f"restored: {100 * sounds.value:.1f} and {100 * others.value:.1f} %, of different models and attacks"
    ends = (sounds.value - others.value, None, None)
    clips = f"{sounds.counted} and {others.counted}"
    findings.append(R19C.finding(ours, ends, clips, "undecided", note, sounds.runs + others.runs, 100))
    return findings


def _draws(runs: Sequence[Run], space: Space, given: str) -> pd.DataFrame:
    """For each fold, clip and run, the share of draws that restore the label, averaged over what fools the clip.

    Draws at which the clean clip itself loses its label can restore nothing, and are left out.
    """
    parts = []
    for run in runs:
        file = run.path / space.beside("scalar-test") / "rows.parquet"
        if file.is_file():
            columns = ("fold", "clip", "name", "recording", "attack", "budget_index")
            rows = read_rows(file, REMEDY, (*columns, "input", "kind", "restored", "fools", "clean_correct"))
            counted = rows["fools"] & rows["clean_correct"]
            drawn = rows[(rows["kind"] == "draw") & (rows["input"] == given) & counted]
            keys = ["fold", "clip", "name", "recording"]
            parts.append(_over_attacks(drawn, keys, "restored").reset_index().assign(run=run.name))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _over_attacks(rows: pd.DataFrame, keys: list[str], name: str) -> pd.Series:
    """Mean of a column for each value of the keys: over the budgets of each attack, then over attacks."""
    # An attack with a long grid of budgets must not outweigh one that finds its own size.
    of_budgets = rows.groupby([*keys, "attack", "budget_index"])[name].mean()
    return of_budgets.groupby(level=[*keys, "attack"]).mean().groupby(level=keys).mean().rename("share")


def _mean(clips: pd.DataFrame, runs: Sequence[Run]) -> Estimate:
    """Mean over clips of a share, with its interval over recordings and its values by fold."""
    shares = torch.tensor(clips["share"].tolist(), dtype=torch.float64)
    recordings = clips["recording"].astype(str)
    ends = rate_interval(shares, Recordings(recordings.tolist()))
    by_fold = tuple(clips.groupby("fold")["share"].mean().tolist())
    low, high = (None if end != end else end for end in (ends.low, ends.high))
    names = tuple(dict.fromkeys(clips["run"]))
    return Estimate(
        float(shares.mean()),
        low,
        high,
        None,
        int(clips["name"].nunique()),
        names,
        by_fold=by_fold,
        same_recordings=shares_recordings([runs]),
        recordings=int(recordings.nunique()),
        bounds=(0.0, 1.0),
    )
