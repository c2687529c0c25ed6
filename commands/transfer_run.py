"""Evaluation of every target on the adversarials of one source: one row per clip, budget and target."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from classifiers.baselines import Baseline, load_baseline
from commands.attack_run import AttackRun
from commands.stored_adversarials import COPIED
from datamodules.split_record import SplitRecord, named
from lightning_modules.recorded_split import refuse_learned_clips, split_of_model
from lightning_modules.sound_classifier import SoundClassifier
from lightning_modules.trained_classifier import check_recipe_form, load_classifier, read_checkpoint
from metrics.attack_summary import CHECK
from storage import DataError, read_json
from storage.rows import with_label_names
from storage.trained_run import TrainedRun, sha256

"""Columns of the source's outcomes that stand in the rows of a transfer too."""


@dataclass(frozen=True)
class Target:
    """A classifier that is evaluated on the adversarials of another.

    Args:
        run: name of its run.
        architecture: name of its architecture.
        checkpoint: SHA-256 digest of its file.
        classifier: a ConvNet, or a baseline.
        split: which clips it was trained, validated and tested on.
    """

    run: str
    architecture: str
    checkpoint: str
    classifier: SoundClassifier | Baseline
    split: SplitRecord

    @torch.no_grad()
    def judge(self, maps: Tensor) -> tuple[NDArray[np.int64], Tensor | None]:
        """Classes ``(clips,)`` of maps ``(clips, 1, rows, columns)``, and logits where there are any."""
        maps = maps.float()
        if isinstance(self.classifier, Baseline):
            return self.classifier.predict(maps.numpy()), None
        device = next(self.classifier.parameters()).device
        logits = torch.cat([self.classifier(part.to(device)).float().cpu() for part in maps.split(32)])
        return logits.argmax(dim=1).numpy(), logits


def load_target(run: TrainedRun, fold: int, allowed: Sequence[str] = ()) -> Target:
    """Load what a run has trained on a fold; ``allowed`` as in :func:`load_classifier`.

    Raises:
        DataError: if the file is missing or broken, or the run has no such fold.
    """
    if fold not in run.checkpoints:
        raise DataError(f"expected fold {fold} in {run.path}, found the folds {sorted(run.checkpoints)}")
    path = run.checkpoints[fold]
    if path.suffix == ".skops":
        baseline = load_baseline(path)
        return Target(run.name, baseline.name, sha256(path), baseline, split_of_model(path))
    trained = load_classifier(path, allowed)
    architecture = str(trained.model.hparams["architecture"])
    return Target(run.name, architecture, sha256(path), trained.model, trained.split)


def refuse_trained_judges(sources: Mapping[str, AttackRun], targets: Sequence[TrainedRun]) -> None:
    """Look, before any attack, whether every target was kept from the clips that it is to judge.

    Args:
        sources: attacks on each source, by the name of its run.
        targets: runs of the judges.

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


def recipe_of(run: TrainedRun) -> dict[str, Any]:
    """Settings that a run was trained with.

    Raises:
        DataError: if neither the run's summary nor a checkpoint tells.
    """
    summary = run.path / "summary.json"
    if summary.is_file():
        recipe: Any = read_json(summary, "train the run again").get("recipe")
        try:
            check_recipe_form(recipe)
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"expected the recipe of a run in {summary}, found another: {error}") from error
        return recipe
    return read_checkpoint(next(iter(run.checkpoints.values())))["recipe"]


def differing_settings(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    """Names of the settings by which the test maps of two runs could differ: corpus, split, seed, representation."""
    one, two = (_map_settings(recipe["data"]) for recipe in (first, second))
    return sorted(name for name in one.keys() | two.keys() if one.get(name) != two.get(name))


def _map_settings(data: Mapping[str, Any]) -> dict[str, Any]:
    # What happens to training clips only, and how fast, does not change a test map.
    other = {"root", "fold", "num_workers", "cache_dir", "cache_maps", "download", "augmentation", "batch_size"}
    settings = {name: value for name, value in data["init_args"].items() if name not in other}
    representation = settings.pop("representation", None) or {"class_path": "STFT", "init_args": {}}
    settings["representation"] = representation["class_path"].rpartition(".")[2]
    settings |= {f"representation.{name}": value for name, value in (representation.get("init_args") or {}).items()}
    return {"corpus": data["class_path"].rpartition(".")[2], **settings}


def transfer_rows(
    attack: AttackRun, source: TrainedRun, targets: Sequence[TrainedRun], allowed: Sequence[str] = ()
) -> pd.DataFrame:
    """Evaluate every target on the stored adversarials of a source.

    Args:
        attack: the finished attacks on the source, with stored adversarials.
        source: the source's run.
        targets: runs of the judges, the source's own among them or not.
        allowed: packages that their checkpoints may name classes of, beside the project's own.

    Returns:
        One row per fold, attack, budget, clip and target; clips missing in a target's record are left out for it, with
        a warning.

    Raises:
        DataError: if a target was trained or validated on a clip that it is to judge.
    """
    outcomes = attack.store.outcomes()
    outcomes = outcomes[~outcomes["attack"].str.startswith(CHECK) & outcomes["fold"].isin(list(attack.data))]
    chosen = {plan.name for plan in attack.plans}
    frames = []
    for fold in sorted(attack.data):
        of_fold = outcomes[(outcomes["fold"] == fold) & outcomes["attack"].isin(chosen)]
        if not len(of_fold):
            continue
        clean = _clean_maps(attack, fold, of_fold["clip"].unique())
        for run in targets:
            target = load_target(run, fold, allowed)
            rows = of_fold[of_fold["name"].isin(_judgeable(attack, fold, source, target))]
            if len(rows):
                frames.append(_judged(attack.store.adversarials_file, rows, clean, target))
    architecture = recipe_of(source)["model"]["architecture"]
    return pd.concat(frames, ignore_index=True).assign(source_run=source.name, source_architecture=architecture)


def _judgeable(attack: AttackRun, fold: int, source: TrainedRun, target: Target) -> list[str]:
    """Names of the source's test clips that lie in the target's test part too."""
    kept, unknown = refuse_learned_clips(attack.trained[fold].split, source.name, target.split, target.run)
    if unknown:
        warnings.warn(
            f"{target.run} does not know {len(unknown)} test clips of {source.name} ({named(unknown)}); they are left "
            "out of what it judges",
            stacklevel=3,
        )
    return sorted(kept)


def _clean_maps(attack: AttackRun, fold: int, clips: NDArray[np.int64]) -> dict[int, Tensor]:
    data = attack.data[fold]
    # One process judges, whatever the attacks ran on, and it needs all clips.
    data.trainer = None
    data.prepare_data()
    data.setup("test")
    wanted = set(clips.tolist())
    maps: dict[int, Tensor] = {}
    for batch in data.test_dataloader():
        batch = data.on_after_batch_transfer(batch, 0)
        maps |= {clip: one for clip, one in zip(batch.clips.tolist(), batch.inputs, strict=True) if clip in wanted}
    return maps


def _judged(
    adversarials_file: Callable[[int, str, int], Path],
    outcomes: pd.DataFrame,
    clean: Mapping[int, Tensor],
    target: Target,
) -> pd.DataFrame:
    """One row per outcome: what a target model answers for the clean clip and for its adversarial.

    Args:
        adversarials_file: from fold, attack and clip to the file of its adversarials at every budget.
        outcomes: outcomes of the source on one fold.
        clean: clean map of each clip.
        target: the model that judges.
    """
    outcomes = outcomes.sort_values(["attack", "clip", "budget_index"], ignore_index=True)
    clips, place = np.unique(outcomes["clip"].to_numpy(), return_inverse=True)
    answers, clean_logits = target.judge(torch.stack([clean[clip] for clip in clips.tolist()]))
    budgets = outcomes["budget_index"].to_numpy(copy=True)
    judged = np.empty(len(outcomes), dtype=np.int64)
    # Columns of vectors, or of nothing.
    of_clean, of_adversarial = (np.full(len(outcomes), None, dtype=object) for _ in range(2))
    fold = int(outcomes["fold"].iloc[0])
    # One file for each attack and clip; its rows lie together.
    starts = np.flatnonzero(~outcomes.duplicated(["attack", "clip"]))
    for start, end in itertools.pairwise([*starts.tolist(), len(outcomes)]):
        file = adversarials_file(fold, str(outcomes["attack"].iloc[start]), int(clips[place[start]]))
        rows, adversarials = slice(start, end), torch.from_numpy(np.load(file))
        judged[rows], logits = target.judge(adversarials[budgets[rows]])
        if logits is not None and clean_logits is not None:
            for row, one in enumerate(logits.numpy(), start):
                of_clean[row], of_adversarial[row] = clean_logits[place[start]].numpy(), one
    labels, target_labels = outcomes["label"].to_numpy(), outcomes["target_label"].to_numpy()
    rows_judged = outcomes[COPIED].assign(
        target_run=target.run,
        target_architecture=target.architecture,
        target_checkpoint=target.checkpoint,
        clean_correct_source=True,
        clean_correct_target=answers[place] == labels,
        source_success=outcomes["success"] > 0,
        target_success=judged != labels,
        source_reached_target_label=outcomes["target_hit"] > 0,
        target_reached_target_label=judged == target_labels,
        target_prediction=judged,
        target_logits_clean=of_clean,
        target_logits_adversarial=of_adversarial,
    )
    return with_label_names(rows_judged, target.split.class_names)
