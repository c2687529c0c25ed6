"""The runs that a table or figure compares, found by their settings."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from reporting.paper_numbers import Setting
from reporting.runs import Run
from reporting.studies import Study

USUAL: dict[str, Setting] = {
    "architecture": "resnet18",
    "augmentation": "pitch_shift",
    "n_mfcc": 20,
    "dct_type": 2,
    "norm": "ortho",
    "mother": "morlet",
    "frame_milliseconds": 50.0,
    "magnitude": "log",
    "resize_method": "bilinear",
}
"""What the paper fixes while it varies something else."""
BEST: dict[str, dict[str, dict[str, Setting]]] = {
    "ESC10": {
        "MFCC": {"sample_rate": 8000, "lifter_scale": 0.0},
        "STFT": {"n_fft": 1024, "win_length_ratio": 1.0},
        "DWT": {"sample_rate": 8000},
    },
    "ESC50": {
        "MFCC": {"sample_rate": 16000, "lifter_scale": 0.5},
        "STFT": {"n_fft": 1024, "win_length_ratio": 0.5},
        "DWT": {"sample_rate": 16000},
    },
    "UrbanSound8K": {
        "MFCC": {"sample_rate": 8000, "lifter_scale": 0.3},
        "STFT": {"n_fft": 2048, "win_length_ratio": 0.5},
        "DWT": {"sample_rate": 8000},
    },
}
"""What the paper found best on each corpus (sections IV-C2 to IV-C4), for the settings that differ between corpora."""


@dataclass(frozen=True)
class Slice:
    """The runs of a study on one corpus and representation that differ in nothing but the varied setting and the seed.

    Attributes:
        study: the study.
        corpus: name of the corpus.
        representation: class of the representation.
        runs: runs at each value, all seeds; values without a run are absent.
        others: the settings that all of them share.
    """

    study: Study
    corpus: str
    representation: str
    runs: dict[Setting, list[Run]]
    others: dict[str, Any]


def slice_of(study: Study, runs: Iterable[Run], corpus: str, representation: str) -> Slice:
    """Find the runs of a study by their settings.

    Among the combinations of the other settings the one is taken that covers most values of the study, then the one
    closest to the paper's usual settings, then the one with most attacked runs. A table never mixes two of them.

    Args:
        study: what is compared.
        runs: runs that may stand in one table.
        corpus: name of the corpus.
        representation: class of the representation.
    """
    fitting = [
        run
        for run in runs
        if run.corpus == corpus
        and run.representation == representation
        and run.settings.get(study.varied, _ABSENT) in study.values
        and all(run.settings.get(key) == value for key, value in study.fixed.items())
    ]
    groups: dict[tuple[tuple[str, Any], ...], dict[Setting, list[Run]]] = {}
    for run in fitting:
        others = tuple(sorted((key, value) for key, value in run.settings.items() if key != study.varied))
        groups.setdefault(others, {}).setdefault(run.settings[study.varied], []).append(run)
    if not groups:
        return Slice(study, corpus, representation, {}, {})
    usual = {**USUAL, **BEST.get(corpus, {}).get(representation, {})}

    def rank(others: tuple[tuple[str, Any], ...]) -> tuple[int, int, int, str]:
        members = [run for some in groups[others].values() for run in some]
        attacked = sum(run.attacks is not None for run in members)
        close = sum(usual.get(key, _ABSENT) == value for key, value in others)
        return -len(groups[others]), -close, -attacked, repr(others)

    chosen = min(groups, key=rank)
    return Slice(study, corpus, representation, groups[chosen], dict(chosen))


def same_setting(runs: Sequence[Run]) -> list[list[Run]]:
    """Put together the runs that differ in nothing but the seed, in the order in which settings first come."""
    groups: dict[tuple[Any, ...], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.corpus, *sorted(run.settings.items())), []).append(run)
    return list(groups.values())


_ABSENT = object()
