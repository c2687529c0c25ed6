"""Which rows of attacks count: those of whole attacks, of sounds without the silent ones."""

import logging

import pandas as pd

from metrics.trust_checks import SQUARE

logger = logging.getLogger(__name__)


def whole_attacks(outcomes: pd.DataFrame, clips: pd.DataFrame, *, said: bool = True) -> pd.DataFrame:
    """Leave out attacks that a killed run has finished on only some of a fold's clips.

    Args:
        outcomes: one row per fold, attack, budget and clip.
        clips: one row per fold and test clip, with ``clean_correct``.
        said: log what is left out.
    """
    right = clips[clips["clean_correct"]].groupby("fold")["clip"].agg(set).to_dict()
    kept = []
    for (fold, attack), rows in outcomes.groupby(["fold", "attack"], sort=False):
        finished, wanted = rows["clip"].nunique(), len(right.get(fold, set()))
        # The Square attack is run on some clips only, on purpose.
        if finished == wanted or attack == SQUARE:
            kept.append(rows)
        elif said:
            logger.warning(
                "%s on fold %d is left out: it is finished on %d of %d clips; attack.py with it finishes the rest",
                *(attack, fold, finished, wanted),
            )
    return pd.concat(kept).sort_index() if kept else outcomes.iloc[:0]


def without_silence(clips: pd.DataFrame) -> pd.DataFrame:
    """Leave out silent sounds, which have no signal-to-noise ratio; rows of maps do not say which clips are silent."""
    return clips[~clips["silent"].astype(bool)] if "silent" in clips else clips
