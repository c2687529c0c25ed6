"""The comparisons behind each table and figure: one setting varies, all others are fixed; and the runs of each."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from reporting.identity import setting_key, training_key, unlike
from reporting.paper_numbers import Setting
from reporting.runs import Run

REPRESENTATIONS = ("MFCC", "STFT", "DWT")

RESNET = {"architecture": "resnet18"}

MODEL = {**RESNET, "augmentation": "pitch_shift"}

TABLES = ("table1_mfcc_sampling_rate", "table2_stft_n_fft", "table3_dwt_sampling_rate", "table4_dwt_mother")

FIGURES = ("figure1_n_mfcc", "figure2_dct_norm", "figure3_lifter", "figure4_stft_window", "figure5_dwt_frame")

BEYOND = ("section5a_classifiers", "section5b_augmentation", "mfcc_dct_type", "dwt_magnitude", "map_resize")

TRANSFER_SWEEP = "table5_transfer"

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
"""The values at which the paper fixes these settings while it varies another."""

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
"""The values that the paper found best on each corpus (sections IV-C2 to IV-C4), for settings that differ by corpus."""

_ABSENT = object()


@dataclass(frozen=True)
class Study:
    """A comparison of settings.

    Attributes:
        key: name of the sweep's file without suffix, also used for the files of the table or figure.
        title: heading.
        varied: the setting that varies.
        values: its values, in the order of the table.
        label: the setting in words, with its unit.
        representations: classes of the representations to which it applies.
        fixed: settings that every run of the study must have.
    """

    key: str
    title: str
    varied: str
    values: tuple[Setting, ...]
    label: str
    representations: tuple[str, ...]
    fixed: dict[str, Any]


@dataclass(frozen=True)
class Slice:
    """The runs of a study on one corpus and representation that share every setting except the varied one.

    The runs at one value are the seeds of one setting, trained in the same way as at the other values if such runs
    exist.

    Attributes:
        study: the study.
        corpus: name of the corpus.
        representation: class of the representation.
        runs: runs at each value, all seeds; values without a run are absent.
        others: the settings that all of them share.
        apart: by value, how its runs were trained differently from most others (``max_epochs 24, not 12``).
        more: by value, further runs that were trained differently: pairs of the difference in words and the seeds.
        left_out: runs of the study whose settings differ from ``others``: name of the run and the difference in words.
    """

    study: Study
    corpus: str
    representation: str
    runs: dict[Setting, list[Run]]
    others: dict[str, Any]
    apart: dict[Setting, str] = field(default_factory=dict)
    more: dict[Setting, list[tuple[str, list[Run]]]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


STUDIES: dict[str, Study] = {
    study.key: study
    for study in (
        Study(
            "table1_mfcc_sampling_rate",
            "Table I. MFCC: sampling rate",
            "sample_rate",
            (8000, 16000, 22050, 24000),
            "sampling rate (Hz)",
            ("MFCC",),
            MODEL,
        ),
        Study(
            "table2_stft_n_fft",
            "Table II. STFT: length of the transform",
            "n_fft",
            (512, 1024, 2048),
            "n_fft",
            ("STFT",),
            MODEL,
        ),
        Study(
            "table3_dwt_sampling_rate",
            "Table III. DWT (complex Morlet): sampling rate",
            "sample_rate",
            (8000, 16000),
            "sampling rate (Hz)",
            ("DWT",),
            {**MODEL, "mother": "morlet"},
        ),
        Study(
            "table4_dwt_mother",
            "Table IV. DWT: mother wavelet",
            "mother",
            ("haar", "mexican_hat", "morlet"),
            "mother wavelet",
            ("DWT",),
            MODEL,
        ),
        Study(
            "figure1_n_mfcc",
            "Figure 1. Number of cepstral coefficients",
            "n_mfcc",
            (13, 20, 40),
            "coefficients",
            ("MFCC",),
            MODEL,
        ),
        Study(
            "figure2_dct_norm",
            "Figure 2. Normalisation of the cosine transform",
            "norm",
            ("ortho", None),
            "norm",
            ("MFCC",),
            MODEL,
        ),
        Study(
            "figure3_lifter",
            "Figure 3. Cepstral lifter CF = d n_mfcc",
            "lifter_scale",
            (0.0, 0.3, 0.5, 1.0, 1.5, 2.0, 2.5),
            "d",
            ("MFCC",),
            MODEL,
        ),
        Study(
            "figure4_stft_window",
            "Figure 4. Length of the STFT window",
            "win_length_ratio",
            (0.25, 0.5, 0.75, 1.0),
            "window / n_fft",
            ("STFT",),
            MODEL,
        ),
        Study(
            "figure5_dwt_frame",
            "Figure 5. Frame of the DWT",
            "frame_milliseconds",
            (30.0, 40.0, 50.0),
            "frame (ms)",
            ("DWT",),
            MODEL,
        ),
        Study(
            "section5a_classifiers",
            "Section V-A. Classifiers",
            "architecture",
            ("resnet18", "resnet34", "resnet56", "googlenet", "alexnet", "linear_svm", "rbf_svm", "random_forest"),
            "classifier",
            REPRESENTATIONS,
            {},
        ),
        Study(
            "section5b_augmentation",
            "Section V-B. Augmentation",
            "augmentation",
            ("pitch_shift", "none", "time_stretch"),
            "augmentation",
            REPRESENTATIONS,
            RESNET,
        ),
        Study("mfcc_dct_type", "MFCC: type of the cosine transform", "dct_type", (2, 3), "DCT type", ("MFCC",), MODEL),
        Study("dwt_magnitude", "DWT: magnitude", "magnitude", ("log", "linear"), "magnitude", ("DWT",), MODEL),
        Study(
            "map_resize",
            "STFT: how maps are brought to their size",
            "resize_method",
            ("bilinear", "bilinear_antialias", "power_mean"),
            "resize",
            ("STFT",),
            MODEL,
        ),
    )
}


def slice_of(study: Study, runs: Iterable[Run], corpus: str, representation: str) -> Slice:
    """Find the runs of a study by their settings.

    Of all combinations of the other settings, the one that covers most values of the study is chosen; ties are broken
    by closeness to the paper's usual settings, then by the number of attacked runs. A table never mixes combinations.

    Args:
        study: the study.
        runs: runs that may be compared in one table.
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
        # A setting that is there only where it is on, as instance_norm is, counts as unusual.
        unusual = sum(usual.get(key, _ABSENT) != value for key, value in others)
        return -len(groups[others]), unusual, -attacked, repr(others)

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
    """By value: the runs with the most common training, how their training differs, and the runs trained otherwise."""
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
    """Group the runs that differ only in the seed, in the order in which their settings first occur."""
    groups: dict[tuple[Any, ...], list[Run]] = {}
    for run in runs:
        groups.setdefault(setting_key(run), []).append(run)
    return list(groups.values())
