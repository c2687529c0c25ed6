"""Fragility: adversarial sounds and their clean clips, disturbed in the same ways and classified again."""

import os
import warnings
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from commands.errors import UsageError
from commands.stored_adversarials import StoredFold, store_rows
from datamodules.disturbances import Disturbance, UnsupportedError
from metrics.fragility import CLEAN
from storage.row_store import RowStore

KEY = ("fold", "attack", "budget_index", "clip", "transform", "strength")
SOUNDS_AT_ONCE = 32


@dataclass(frozen=True)
class SoundsOfClip:
    """Sounds of one clip that were made of one attack at several budgets, or its clean sound.

    Args:
        sounds: ``(budgets, 1, time)``, full scale is [-1, 1].
        rows: what is known of each, one row a sound: fold, attack, budget_index, budget, clip, name, recording, label,
            and target_label, in the order of the sounds.
    """

    sounds: Tensor
    rows: pd.DataFrame


Victim = Callable[[Tensor], Tensor]
"""From sounds ``(n, 1, time)`` to logits ``(n, classes)``."""


def supported(disturbances: Sequence[Disturbance], sample_rate: int) -> list[Disturbance]:
    """The disturbances that this machine can make of sounds of a rate; the others are named in warnings.

    Raises:
        UsageError: if there is none.
    """
    kept = []
    for disturbance in disturbances:
        try:
            disturbance(np.zeros(256), sample_rate)
        except UnsupportedError as error:
            warnings.warn(f"{disturbance.name} is left out: {error}", stacklevel=2)
        else:
            kept.append(disturbance)
    if not kept:
        kinds = " ".join(dict.fromkeys(disturbance.kind for disturbance in disturbances))
        raise UsageError(
            f"expected a disturbance that this machine can make of sounds of {sample_rate} Hz, got only --transforms "
            f"{kinds}; name others too"
        )
    return kept


def disturbed_rows(
    clip: SoundsOfClip,
    victim: Victim,
    disturbances: Sequence[Disturbance],
    threads: Executor,
    *,
    sample_rate: int,
    seed: int = 0,
) -> pd.DataFrame:
    """Classify the sounds of a clip, as they are and disturbed.

    What is random in a disturbance is a function of the clip's name, the kind of the disturbance and the seed, so the
    clean clip and all of its adversarials get the same noise.

    Args:
        clip: the sounds.
        victim: the classifier.
        disturbances: what happens to them.
        threads: where sounds are disturbed; encoders and filters work outside of Python's lock.
        sample_rate: of the sounds, in Hz.
        seed: seed of what is random.

    Returns:
        One row a sound and disturbance: the columns of ``clip.rows`` and ``transform``, ``strength``, ``unit``,
        ``sound_success`` and ``sound_target_hit`` (undisturbed), ``disturbed_prediction``, ``disturbed_success`` and
        ``disturbed_target_hit``.
    """
    labels, targets = (clip.rows[name].to_numpy() for name in ("label", "target_label"))
    before = _answers(victim, clip.sounds)
    arrays = clip.sounds[:, 0].cpu().double().numpy()
    name = str(clip.rows["name"].iloc[0])
    jobs = [(disturbance, sound) for disturbance in disturbances for sound in arrays]

    def disturb(job: tuple[Disturbance, np.ndarray]) -> np.ndarray:
        disturbance, sound = job
        return disturbance(sound, sample_rate, seed_of(seed, name, disturbance.kind))

    disturbed = list(threads.map(disturb, jobs))
    frames = []
    for place, disturbance in enumerate(disturbances):
        some = np.stack(disturbed[place * len(arrays) : (place + 1) * len(arrays)])
        after = _answers(victim, torch.from_numpy(some)[:, None].to(clip.sounds))
        frames.append(
            clip.rows.assign(
                transform=disturbance.kind,
                strength=disturbance.strength,
                unit=disturbance.unit,
                sound_success=before != labels,
                sound_target_hit=before == targets,
                disturbed_prediction=after,
                disturbed_success=after != labels,
                disturbed_target_hit=after == targets,
            )
        )
    return pd.concat(frames, ignore_index=True)


def seed_of(seed: int, name: str, kind: str) -> int:
    """Seed of what is random in a kind of disturbance of a clip, by the clip's file name."""
    return zlib.crc32(f"{seed} {name} {kind}".encode())


@torch.no_grad()
def _answers(victim: Victim, sounds: Tensor) -> np.ndarray:
    return np.concatenate([victim(part).argmax(dim=1).cpu().numpy() for part in sounds.split(SOUNDS_AT_ONCE)])


def fragility(
    folds: Sequence[StoredFold], store: RowStore, disturbances: Sequence[Disturbance], *, seed: int = 0
) -> pd.DataFrame:
    """Disturb stored adversarial sounds, or those of stored maps, and the clean clips, or go on after a stop.

    Args:
        folds: folds of a run with stored adversarials.
        store: where rows are kept.
        disturbances: what happens to the sounds; all :func:`supported`.
        seed: seed of what is random.

    Returns:
        One row per fold, attack, budget, clip and disturbance; clean clips have the attack ``clean``.
    """
    pending = [(fold, attack, clips) for fold in folds for attack, clips in _pending(fold, store, disturbances)]
    # A later command may add disturbances to the same clips.
    version = f"-{zlib.crc32(' '.join(one.name for one in disturbances).encode())}"
    with ThreadPoolExecutor(os.cpu_count()) as threads:

        def rows_of_clip(fold: StoredFold, attack: str, clip: int) -> pd.DataFrame:
            sounds = _clean_sound(fold, clip) if attack == CLEAN else _attacked_sounds(fold, attack, clip)
            return disturbed_rows(sounds, fold.logits, disturbances, threads, sample_rate=fold.sample_rate, seed=seed)

        return store_rows("fragility", pending, store, rows_of_clip, version=version)


def _pending(fold: StoredFold, store: RowStore, disturbances: Sequence[Disturbance]) -> Iterator[tuple[str, list[int]]]:
    rows = store.rows()
    done = set(map(tuple, rows[list(KEY)].to_numpy().tolist())) if len(rows) else set()
    wanted: dict[tuple[str, int], list[int]] = {(CLEAN, clip): [0] for clip in fold.tested}
    for attack, clip, budget in fold.outcomes[["attack", "clip", "budget_index"]].itertuples(index=False, name=None):
        wanted.setdefault((attack, clip), []).append(budget)
    # The clean clips come first: without them, what a stopped command leaves of an attack cannot be compared.
    for attack in dict.fromkeys([CLEAN, *(name for name, _ in sorted(wanted))]):
        clips = [
            clip
            for (name, clip), budgets in sorted(wanted.items())
            if name == attack
            and not done.issuperset(
                (fold.fold, attack, budget, clip, one.kind, one.strength) for budget in budgets for one in disturbances
            )
        ]
        yield attack, clips


def _attacked_sounds(fold: StoredFold, attack: str, clip: int) -> SoundsOfClip:
    rows, made = fold.adversarial_sounds(attack, clip)
    return SoundsOfClip(made, fold.copied(rows))


def _clean_sound(fold: StoredFold, clip: int) -> SoundsOfClip:
    row = fold.clips[fold.clips["clip"] == clip]
    row = row.assign(attack=CLEAN, budget_index=0, budget="{}", target_label=-1)
    return SoundsOfClip(fold.clean_sound(clip), fold.copied(row))
