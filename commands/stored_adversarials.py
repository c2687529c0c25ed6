"""The adversarials that attack.py has kept of a trained run, with the clean sounds and the classifiers."""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from commands.errors import UsageError
from datamodules import SoundDataModule
from datamodules.progress import progress_bar
from lightning_modules.trained_classifier import TrainedClassifier, load_classifier
from metrics.attack_summary import CHECK
from metrics.finished_rows import without_silence
from metrics.success import round_to_16bit
from storage import DataError
from storage.attack_store import AttackStore
from storage.row_store import RowStore
from storage.rows import with_label_names
from storage.schema import require_readable
from storage.space import MAP, Space
from storage.trained_run import TrainedRun, sha256

COPIED = ["fold", "attack", "budget_index", "budget", "clip", "name", "recording", "label", "target_label"]

CLIPS_IN_A_PART = 16


@dataclass(frozen=True)
class StoredFold:
    """One fold of a run whose adversarial maps were kept.

    Args:
        fold: its number, from 1.
        trained: its classifier.
        data: its corpus and representation.
        store: the folder of the attacks.
        outcomes: rows of the attacks whose maps are stored, one per clip and budget.
        device: where maps are computed and classified.
    """

    fold: int
    trained: TrainedClassifier
    data: SoundDataModule
    store: AttackStore
    outcomes: pd.DataFrame
    device: torch.device

    @property
    def sample_rate(self) -> int:
        """Of the sounds, in Hz."""
        return self.data.representation.sample_rate

    def prepare(self) -> None:
        """Decode the sounds that are not in the cache yet, and move the classifier to the device.

        Raises:
            DataError: if a recording is missing or broken.
        """
        self.data.keep_test_part()
        self.data.check()
        self.data.waveforms.prepare(sorted({*self.outcomes["clip"].tolist(), *self.tested}))
        self.trained.model.classifier.to(self.device)
        self.data.representation.to(self.device)

    def copied(self, rows: pd.DataFrame) -> pd.DataFrame:
        """What rows computed from adversarials keep of the rows of the attacks, with the names of classes."""
        return with_label_names(rows[COPIED], self.trained.split.class_names)

    @functools.cached_property
    def clips(self) -> pd.DataFrame:
        """The clean predictions of the fold's test clips, one row per clip."""
        clips = self.store.clips()
        return clips[clips["fold"] == self.fold]

    @property
    def tested(self) -> list[int]:
        """The test clips that were attacked, or would have been if they had been right when clean."""
        return sorted(without_silence(self.clips)["clip"].tolist())

    @functools.cached_property
    def rows(self) -> dict[tuple[str, int], pd.DataFrame]:
        """The outcomes of each attack on each clip, one row per budget, in their order."""
        groups = self.outcomes.sort_values("budget_index").groupby(["attack", "clip"])
        return {(str(attack), int(str(clip))): of_clip for (attack, clip), of_clip in groups}

    def sound(self, clip: int) -> Tensor:
        """The clean sound of a clip, ``(1, 1, time)`` float32 on the device."""
        return torch.from_numpy(self.data.waveforms.read(clip, 0))[None, None].to(self.device)

    def maps(self, attack: str, clip: int) -> Tensor:
        """The adversarial maps of a clip, or its clean map for the attack ``clean``.

        Returns:
            ``(budgets, 1, rows, columns)`` on the device.

        Raises:
            DataError: if the file is missing or holds something else.
        """
        return torch.from_numpy(self.store.read_adversarials(self.fold, attack, clip)).to(self.device)

    def clean_sound(self, clip: int) -> Tensor:
        """The clean sound that adversarial sounds are compared with: of attacks on sounds as it is kept, 16 bits."""
        return self.sound(clip) if self.store.space == MAP else round_to_16bit(self.sound(clip))

    def adversarial_sounds(self, attack: str, clip: int) -> tuple[pd.DataFrame, Tensor]:
        """The sounds that an attack on a clip was kept as, or that its maps stand for.

        Returns:
            The rows of the attack on the clip, one per budget, and as many sounds ``(budgets, 1, time)`` on the device.

        Raises:
            DataError: if a file is missing or holds something else.
        """
        rows = self.rows[attack, clip]
        budgets, name = rows["budget_index"].tolist(), str(rows["name"].iloc[0])
        if self.store.space == MAP:
            return rows, attacked_sounds(self, attack, clip)[0][budgets]
        kept = [self.store.sounds.read(self.fold, attack, budget, clip, name)[0] for budget in budgets]
        return rows, torch.from_numpy(np.stack(kept))[:, None].to(self.device)

    @torch.no_grad()
    def shown(self, sounds: Tensor) -> tuple[Tensor, Tensor]:
        """Maps and logits of sounds ``(n, 1, time)``, as this fold's classifier sees them."""
        maps = self.data.representation(sounds)
        return maps, self.trained.model.classifier(maps).float()

    def logits(self, sounds: Tensor) -> Tensor:
        """Logits of sounds ``(n, 1, time)``."""
        return self.shown(sounds)[1]


def attacked_sounds(fold: StoredFold, attack: str, clip: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The sounds that a clip's adversarial maps stand for.

    A clip is computed alone, all of its budgets together, so that nothing depends on the other clips.

    Args:
        fold: fold of a run with stored maps.
        attack: name of the attack.
        clip: position of the clip in the fold's record.

    Returns:
        The sounds ``(budgets, 1, time)``, the clean sound ``(1, 1, time)``, the adversarial maps
        ``(budgets, 1, rows, columns)`` and the clean map ``(1, 1, rows, columns)``.
    """
    adversarial, clean, sound = fold.maps(attack, clip), fold.maps("clean", clip), fold.sound(clip)
    budgets = len(adversarial)
    with torch.no_grad():
        made = fold.data.representation.inverse(
            sound.expand(budgets, -1, -1), adversarial, clean.expand_as(adversarial)
        )
    return made, sound, adversarial, clean


def store_rows(
    title: str,
    pending: Sequence[tuple[StoredFold, str, Sequence[int]]],
    store: RowStore,
    rows_of_clip: Callable[[StoredFold, str, int], pd.DataFrame],
    *,
    version: str = "",
) -> pd.DataFrame:
    """Compute the rows of clips that are missing and write them, a few clips at a time.

    A command that is stopped loses at most :data:`CLIPS_IN_A_PART` clips.

    Args:
        title: what the progress bar says.
        pending: fold, attack and clips without rows.
        store: where rows are kept, those of earlier commands among them.
        rows_of_clip: from fold, attack and clip to the clip's rows.
        version: in the names of parts, where the rows of a clip can differ from command to command.

    Returns:
        All rows in the store.
    """
    prepared: set[int] = set()
    with progress_bar(title, sum(len(clips) for _, _, clips in pending), shown_from=1) as advance:
        for fold, attack, clips in pending:
            if clips and fold.fold not in prepared:
                fold.prepare()
                prepared.add(fold.fold)
            for start in range(0, len(clips), CLIPS_IN_A_PART):
                part = clips[start : start + CLIPS_IN_A_PART]
                rows = []
                for clip in part:
                    rows.append(rows_of_clip(fold, attack, clip))
                    advance()
                name = f"fold{fold.fold}-{attack}-{part[0]}-{part[-1]}-{len(part)}{version}"
                store.write_part(name, pd.concat(rows, ignore_index=True))
    return store.merge()


def stored_folds(
    run: TrainedRun,
    attacks: Sequence[str] | None,
    *,
    space: Space = MAP,
    data: Mapping[str, Any],
    device: torch.device,
    allowed: Sequence[str] = (),
) -> list[StoredFold]:
    """The folds of a run of which adversarials were kept.

    Args:
        run: the run.
        attacks: names of attacks; all whose adversarials are there by default.
        space: what was attacked.
        data: settings of the DataModule that this machine replaces, ``root`` for example; None keeps the checkpoint's.
        device: where to compute.
        allowed: packages that checkpoints may name classes of, beside the project's own.

    Raises:
        UsageError: if adversarial maps are asked for of a run on waveforms, which has none.
        DataError: if there are no adversarials, those of an attack that is asked for are missing, or they were made for
            another checkpoint.
    """
    store = AttackStore(run.path / space.folder, space)
    settings = store.stored_settings()
    if settings:
        require_readable(settings.get("schema_version", 1), store.settings_file, "attack again with --overwrite")
    outcomes = store.outcomes()
    if not len(outcomes):
        if space == MAP:
            refuse_waveforms(run, allowed)
        raise DataError(f"expected attacked clips in {store.path}, found none; {_how_to_keep(space)}")
    outcomes = outcomes[~outcomes["attack"].str.startswith(CHECK) & outcomes["fold"].isin(list(run.checkpoints))]
    if len(outcomes):
        keys = outcomes[["fold", "attack", "budget_index", "clip", "name"]].itertuples(index=False, name=None)
        outcomes = outcomes[[store.is_kept(*key) for key in keys]]
    kept = sorted(outcomes["attack"].unique())
    missing = [name for name in attacks or [] if name not in kept]
    if missing or not kept:
        what = f"of {missing[0]} " if missing else ""
        found = f"those of {', '.join(kept)}" if kept else "none"
        raise DataError(
            f"expected adversarial {space.name}s {what}in {store.path}, found {found}; {_how_to_keep(space)}"
        )
    if attacks:
        outcomes = outcomes[outcomes["attack"].isin(list(attacks))]
    replaced = {name: value for name, value in data.items() if value is not None}
    folds = []
    for path in run.checkpoints.values():
        trained = load_classifier(path, allowed)
        of_fold = outcomes[outcomes["fold"] == trained.fold]
        if not len(of_fold):
            continue
        refuse_other_checkpoint(path, settings, trained.fold, store.path)
        folds.append(
            StoredFold(trained.fold, trained, trained.data(**replaced), store, of_fold.reset_index(drop=True), device)
        )
    if not folds:
        raise DataError(
            f"expected adversarial {space.name}s of folds {sorted(run.checkpoints)} in {store.path}, found none"
        )
    return folds


def refuse_waveforms(run: TrainedRun, allowed: Sequence[str] = ()) -> None:
    """Raise ``UsageError`` if a run takes waveforms, whose attacks leave sounds instead of maps."""
    path = next(iter(run.checkpoints.values()))
    if not load_classifier(path, allowed).data().representation.is_map:
        raise UsageError(
            f"expected a run on maps, found {run.path}, which takes waveforms and has no maps to make sounds of; keep "
            "its adversarial sounds with attack.py --space sound --save-adversarials, and give it to fragility.py or "
            "scalar_test.py with --space sound"
        )


def refuse_other_checkpoint(path: Path, settings: Mapping[str, Any], fold: int, attacks: Path) -> None:
    """Raise ``DataError`` if a fold was trained anew since it was attacked."""
    if settings.get("checkpoints", {}).get(str(fold)) != sha256(path):
        raise DataError(f"expected the checkpoint that {attacks} was attacked with, found another in {path}; attack it")


def _how_to_keep(space: Space) -> str:
    flag = "" if space == MAP else f"--space {space.name} "
    return f"attack.py {flag}--save-adversarials keeps them"
