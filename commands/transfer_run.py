"""Evaluation of every target on the adversarials of one source: one row per clip, budget and target."""

from __future__ import annotations

import functools
import itertools
import warnings
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
import torch

from commands.attack_run import AttackRun
from commands.stored_adversarials import COPIED
from commands.transfer_targets import CPU, StoredMaps, StoredSounds, Target, load_target, recipe_of
from datamodules.progress import progress_bar
from lightning_modules.recorded_split import refuse_learned_clips, split_of_model
from metrics.attack_summary import CHECK
from storage.errors import named
from storage.rows import with_label_names
from storage.space import MAP
from storage.trained_run import TrainedRun


def refuse_trained_targets(sources: Mapping[str, AttackRun], targets: Sequence[TrainedRun]) -> None:
    """Look, before any attack, whether every target was kept from the clips that it is to classify.

    Args:
        sources: attacks on each source, by the name of its run.
        targets: runs that are evaluated on what fools them.

    Raises:
        DataError: if a target was trained or validated on a source's test clip, or recorded nothing of its clips.
    """
    for run in targets:
        for fold in {fold for source in sources.values() for fold in source.data}:
            if fold not in run.checkpoints:
                continue
            split = split_of_model(run.checkpoints[fold])
            for name, source in sources.items():
                if name != run.name and fold in source.trained:
                    refuse_learned_clips(source.trained[fold].split, name, split, run.name)


def transfer_rows(
    attack: AttackRun,
    source: TrainedRun,
    targets: Sequence[TrainedRun],
    allowed: Sequence[str] = (),
    *,
    device: torch.device = CPU,
) -> pd.DataFrame:
    """Evaluate every target on the stored adversarials of a source.

    Args:
        attack: the finished attacks on the source, with stored adversarials.
        source: the source's run.
        targets: runs that are evaluated, the source's own among them or not.
        allowed: packages that their checkpoints may name classes of, beside the project's own.
        device: where ConvNets classify.

    Returns:
        One row per fold, attack, budget, clip and target; clips missing in a target's record are left out for it, with
        a warning. Whether a map fools the source is what its attack recorded. A sound is kept with 16 bits, so its
        source classifies the file as every target does.

    Raises:
        DataError: if a target was trained or validated on a clip that it is to classify.
    """
    outcomes = attack.store.outcomes()
    outcomes = outcomes[~outcomes["attack"].str.startswith(CHECK) & outcomes["fold"].isin(list(attack.data))]
    outcomes = outcomes[outcomes["attack"].isin({plan.name for plan in attack.plans})]
    files = len(outcomes.drop_duplicates(["fold", "attack", "clip"]))
    load = functools.partial(load_target, allowed=allowed, device=device)
    frames = []
    with progress_bar(f"adversarials of {source.name}", files * len(targets)) as advance:
        for fold, rows in outcomes.groupby("fold"):
            of_fold = rows.sort_values(["attack", "clip", "budget_index"], ignore_index=True)
            frames += _of_fold(attack, int(str(fold)), of_fold, source, targets, load, advance)
    architecture = recipe_of(source)["model"]["architecture"]
    return pd.concat(frames, ignore_index=True).assign(source_run=source.name, source_architecture=architecture)


def _of_fold(
    attack: AttackRun,
    fold: int,
    outcomes: pd.DataFrame,
    source: TrainedRun,
    targets: Sequence[TrainedRun],
    load: Callable[[TrainedRun, int], Target],
    advance: Callable[[], None],
) -> list[pd.DataFrame]:
    """The rows of one fold, a table for each target."""
    inputs: StoredMaps | StoredSounds
    own: pd.DataFrame | None = None
    if attack.space == MAP:
        inputs = StoredMaps(attack, fold, outcomes["clip"].unique().tolist())
    else:
        inputs = StoredSounds(attack.store, fold)
        own = _evaluated(inputs, outcomes, load(source, fold), lambda: None)
    answers_of_source = _answers_of_source(outcomes, own)
    frames = []
    for run in targets:
        target = load(run, fold)
        kept = outcomes["name"].isin(_shared_test_clips(attack, fold, source, target))
        if not kept.any():
            continue
        if own is not None and run.name == source.name:
            evaluated = own
        else:
            evaluated = _evaluated(inputs, outcomes[kept].reset_index(drop=True), target, advance)
        evaluated = evaluated.assign(**answers_of_source[kept].reset_index(drop=True))
        if own is not None:
            evaluated["target_representation"] = type(target.representation).__name__
            evaluated["target_sample_rate"] = target.representation.sample_rate
        frames.append(evaluated)
    return frames


def _shared_test_clips(attack: AttackRun, fold: int, source: TrainedRun, target: Target) -> list[str]:
    """Names of the source's test clips that lie in the target's test part too."""
    kept, unknown = refuse_learned_clips(attack.trained[fold].split, source.name, target.split, target.run)
    if unknown:
        warnings.warn(
            f"{target.run} does not know {len(unknown)} test clips of {source.name} ({named(unknown)}); they are left "
            "out of what it classifies",
            stacklevel=3,
        )
    return sorted(kept)


def _answers_of_source(outcomes: pd.DataFrame, evaluated: pd.DataFrame | None) -> pd.DataFrame:
    """Whether the source is right, fooled and at the target label: predicted for sounds, else as recorded."""
    if evaluated is None:
        # Of the adversarial that is kept; the attack's own share is over all of its targets.
        recorded = {
            "success": outcomes["prediction"] != outcomes["label"],
            "reached_target_label": outcomes["prediction"] == outcomes["target_label"],
        }
        right = pd.Series(True, index=outcomes.index)
    else:
        recorded = {name: evaluated[f"target_{name}"] for name in ("success", "reached_target_label")}
        right = evaluated["clean_correct_target"]
    return pd.DataFrame({"clean_correct_source": right, **{f"source_{name}": one for name, one in recorded.items()}})


def _evaluated(
    inputs: StoredMaps | StoredSounds, outcomes: pd.DataFrame, target: Target, advance: Callable[[], None]
) -> pd.DataFrame:
    """One row per outcome: what a target model answers for the clean clip and for its adversarial.

    Args:
        inputs: the stored adversarials and clean clips of the fold.
        outcomes: outcomes of the source on one fold, sorted by attack, clip and budget.
        target: the model that classifies them.
        advance: called for every attack and clip.
    """
    names: Mapping[int, str] = dict(zip(outcomes["clip"].tolist(), outcomes["name"].tolist(), strict=True))
    clips, place = np.unique(outcomes["clip"].to_numpy(), return_inverse=True)
    answers, clean_logits = inputs.classify_clean(target, {clip: names[clip] for clip in clips.tolist()})
    budgets = outcomes["budget_index"].tolist()
    predictions = np.empty(len(outcomes), dtype=np.int64)
    # Columns of vectors, or of nothing.
    of_clean, of_adversarial = (np.full(len(outcomes), None, dtype=object) for _ in range(2))
    # The rows of an attack on a clip lie together.
    starts = np.flatnonzero(~outcomes.duplicated(["attack", "clip"]))
    for start, end in itertools.pairwise([*starts.tolist(), len(outcomes)]):
        clip = int(clips[place[start]])
        attack = str(outcomes["attack"].iloc[start])
        predictions[start:end], logits = inputs.classify(target, attack, clip, names[clip], budgets[start:end])
        if logits is not None and clean_logits is not None:
            for row, one in enumerate(logits.numpy(), start):
                of_clean[row], of_adversarial[row] = clean_logits[place[start]].numpy(), one
        advance()
    labels, target_labels = outcomes["label"].to_numpy(), outcomes["target_label"].to_numpy()
    rows = outcomes[COPIED].assign(
        target_run=target.run,
        target_architecture=target.architecture,
        target_checkpoint=target.checkpoint,
        clean_correct_target=answers[place] == labels,
        target_success=predictions != labels,
        target_reached_target_label=predictions == target_labels,
        target_prediction=predictions,
        target_logits_clean=of_clean,
        target_logits_adversarial=of_adversarial,
    )
    return with_label_names(rows, target.split.class_names)
