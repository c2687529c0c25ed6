"""The runs that a table or figure compares, found by their settings."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from reporting.identity import setting_key, training_key, unlike
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
    """The runs of a study on one corpus and representation that share every setting but the varied one.

    At each value stand the seeds of one setting. They are trained as at the other values where such runs exist.

    Attributes:
        study: the study.
        corpus: name of the corpus.
        representation: class of the representation.
        runs: runs at each value, all seeds; values without a run are absent.
        others: the settings that all of them share.
        apart: what the runs at a value have that those at the most values have not (``max_epochs 24, not 12``).
        more: at some values the runs that are trained otherwise, as pairs of what is other and the seeds.
        left_out: runs of the study with other settings than ``others``, by name, and what is other.
    """

    study: Study
    corpus: str
    representation: str
    runs: dict[Setting, list[Run]]
    others: dict[str, Any]
    apart: dict[Setting, str] = field(default_factory=dict)
    more: dict[Setting, list[tuple[str, list[Run]]]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


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
    first, apart, more = _by_training(groups[chosen])
    some = next(iter(first.values()))[0]
    left_out = {
        run.name: unlike(run, some, without=(study.varied,))
        for others, members in groups.items()
        for runs in members.values()
        for run in runs
        if others != chosen
    }
    return Slice(study, corpus, representation, first, dict(chosen), apart, more, left_out)


def _by_training(
    values: dict[Setting, list[Run]],
) -> tuple[dict[Setting, list[Run]], dict[Setting, str], dict[Setting, list[tuple[str, list[Run]]]]]:
    """At each value the runs of the training that most values have, what is other there, and the other runs."""
    trained = {value: same_setting(runs) for value, runs in values.items()}
    covered: dict[tuple[Any, ...], list[Run]] = {}
    for groups in trained.values():
        for group in groups:
            covered.setdefault(training_key(group[0]), []).append(group[0])

    def rank(group: list[Run]) -> tuple[int, int, str]:
        alike = covered[training_key(group[0])]
        return -len(alike), -sum(run.attacks is not None for run in group), repr(training_key(group[0]))

    ranked = {value: sorted(groups, key=rank) for value, groups in trained.items()}
    usual = min((groups[0] for groups in ranked.values()), key=rank)[0]

    def other(run: Run) -> str:
        return unlike(run, usual, without=run.settings)

    return (
        {value: groups[0] for value, groups in ranked.items()},
        {value: text for value, groups in ranked.items() if (text := other(groups[0][0]))},
        {
            value: [(other(group[0]), group) for group in groups[1:]]
            for value, groups in ranked.items()
            if len(groups) > 1
        },
    )


def same_setting(runs: Sequence[Run]) -> list[list[Run]]:
    """Put together the runs that differ in nothing but the seed, in the order in which settings first come."""
    groups: dict[tuple[Any, ...], list[Run]] = {}
    for run in runs:
        groups.setdefault(setting_key(run), []).append(run)
    return list(groups.values())


_ABSENT = object()
