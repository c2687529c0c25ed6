"""What each table and figure compares: one setting that varies, everything else the same."""

from dataclasses import dataclass
from typing import Any

from reporting.paper_numbers import Setting

REPRESENTATIONS = ("MFCC", "STFT", "DWT")
RESNET = {"architecture": "resnet18"}
MODEL = {**RESNET, "augmentation": "pitch_shift"}


@dataclass(frozen=True)
class Study:
    """A comparison of settings.

    Attributes:
        key: name of the sweep's file without suffix, also the name of what is written.
        title: heading.
        varied: the setting that is compared.
        values: its values, in the order of the table.
        label: the setting in words, with its unit.
        representations: representations it is about.
        fixed: settings that every run of it must have.
    """

    key: str
    title: str
    varied: str
    values: tuple[Setting, ...]
    label: str
    representations: tuple[str, ...]
    fixed: dict[str, Any]


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
            (
                "resnet18",
                "resnet34",
                "resnet56",
                "googlenet",
                "alexnet",
                "linear_svm",
                "rbf_svm",
                "random_forest",
            ),
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
        Study(
            "dwt_magnitude",
            "DWT: magnitude",
            "magnitude",
            ("log", "linear"),
            "magnitude",
            ("DWT",),
            MODEL,
        ),
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
TABLES = ("table1_mfcc_sampling_rate", "table2_stft_n_fft", "table3_dwt_sampling_rate", "table4_dwt_mother")
FIGURES = ("figure1_n_mfcc", "figure2_dct_norm", "figure3_lifter", "figure4_stft_window", "figure5_dwt_frame")
BEYOND = ("section5a_classifiers", "section5b_augmentation", "mfcc_dct_type", "dwt_magnitude", "map_resize")
TRANSFER_SWEEP = "table5_transfer"
