"""The round trip: attacked maps made into sounds, and the sounds classified."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from commands.stored_adversarials import StoredFold, attacked_sounds, store_rows
from metrics.distances import consistency, l2_distance, snr_db
from storage.row_store import RowStore
from storage.sound_file import SoundFormat, numbered_stem, write_sound

KEY = ("fold", "attack", "budget_index", "clip")


def round_trip(folds: Sequence[StoredFold], store: RowStore, sounds: SoundFormat | None = None) -> pd.DataFrame:
    """Bring all stored adversarials back to sound, or go on where an interrupted command stopped.

    Args:
        folds: folds of a run with stored maps.
        store: where rows are kept.
        sounds: also write the sounds and the clean clips beside the rows, in this format.

    Returns:
        One row per fold, attack, budget and clip.
    """
    pending = [(fold, attack, clips) for fold in folds for attack, clips in _pending(fold, store, sounds)]

    def rows_of_clip(fold: StoredFold, attack: str, clip: int) -> pd.DataFrame:
        return _rows_of_clip(fold, attack, clip, store.path, sounds)

    return store_rows("round trip", pending, store, rows_of_clip)


def sound_file(
    folder: Path, fold: int, attack: str, budget: int | None, clip: int, name: str, sounds: SoundFormat
) -> Path:
    """Where the sound of a clip is written; the attack ``clean`` has no budget."""
    place = folder / "sounds" / f"fold{fold}" / attack
    return (place if budget is None else place / str(budget)) / f"{numbered_stem(clip, name)}.{sounds}"


def _pending(fold: StoredFold, store: RowStore, sounds: SoundFormat | None) -> Iterator[tuple[str, list[int]]]:
    rows = store.rows()
    done = set(map(tuple, rows[list(KEY)].to_numpy().tolist())) if len(rows) else set()
    for attack, of_attack in fold.outcomes.groupby("attack", sort=True):
        clips = []
        for key, of_clip in of_attack.groupby("clip", sort=True):
            clip, name = int(str(key)), str(of_clip["name"].iloc[0])
            budgets = of_clip["budget_index"].tolist()
            keys = [(fold.fold, attack, budget, clip) for budget in budgets]
            place = (store.path, fold.fold, str(attack))
            files = [sound_file(*place, budget, clip, name, sounds) for budget in budgets if sounds]
            if not done.issuperset(keys) or not all(file.is_file() for file in files):
                clips.append(clip)
        yield str(attack), clips


def _rows_of_clip(fold: StoredFold, attack: str, clip: int, folder: Path, sounds: SoundFormat | None) -> pd.DataFrame:
    rows = fold.rows[attack, clip]
    made, sound, adversarial, clean = attacked_sounds(fold, attack, clip)
    budgets = rows["budget_index"].tolist()
    made, adversarial = made[budgets], adversarial[budgets]
    shown, logits = fold.shown(made)
    answers = logits.argmax(dim=1).cpu().numpy()
    # As representations have it: without any change there is no sound.
    silent = bool(sound.amin() == sound.amax())
    if sounds is not None:
        name = str(rows["name"].iloc[0])
        first = sound_file(folder, fold.fold, "clean", None, clip, name, sounds)
        if not first.is_file():
            write_sound(first, sound[0, 0].cpu().numpy(), fold.sample_rate)
        for budget, one in zip(budgets, made, strict=True):
            path = sound_file(folder, fold.fold, attack, budget, clip, name, sounds)
            write_sound(path, one[0].cpu().numpy(), fold.sample_rate)
    return fold.copied(rows).assign(
        map_prediction=rows["prediction"],
        # Of the map that is kept; the attack's own share is over all of its targets.
        map_success=rows["prediction"] != rows["label"],
        map_target_hit=rows["prediction"] == rows["target_label"],
        sound_prediction=answers,
        sound_logits=list(logits.cpu().numpy()),
        sound_success=answers != rows["label"].to_numpy(),
        sound_target_hit=answers == rows["target_label"].to_numpy(),
        # A silent clip has no ratio to noise.
        snr_db=np.nan if silent else snr_db(sound.expand_as(made), made).numpy(),
        consistency=consistency(shown, adversarial, clean.expand_as(adversarial)).numpy(),
        map_change_l2=l2_distance(clean.expand_as(adversarial), adversarial).numpy(),
        peak=made.abs().amax((1, 2)).cpu().numpy(),
    )
