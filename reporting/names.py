"""Display names of corpora, attacks, architectures and settings."""

from collections.abc import Sequence

from reporting.paper_numbers import Setting

IMPOSSIBLE = "–"  # noqa: RUF001
"""Shown in place of a number that cannot exist, unlike one that is merely missing."""

CORPUS_NAMES = {"ESC10": "ESC-10", "ESC50": "ESC-50", "UrbanSound8K": "UrbanSound8K", "SyntheticSounds": "synthetic"}

NAMES = {
    "fgsm": "FGSM",
    "deepfool": "DeepFool",
    "bim_a": "BIM-a",
    "bim_b": "BIM-b",
    "jsma": "JSMA",
    "cwa": "CWA",
    "lbfgs": "L-BFGS",
    "resnet18": "ResNet-18",
    "resnet34": "ResNet-34",
    "resnet56": "ResNet-56",
    "googlenet": "GoogLeNet",
    "alexnet": "AlexNet",
    "linear_svm": "linear SVM",
    "rbf_svm": "RBF SVM",
    "random_forest": "random forest",
    "haar": "Haar",
    "mexican_hat": "Mexican hat",
    "morlet": "complex Morlet",
}


def describe(settings: dict[str, object], without: Sequence[str] = ()) -> str:
    """Settings of a run on one line: the representation, then all settings except those fixed in this project."""
    hidden = {"representation", "architecture", "resize", "align_corners", *without}
    shown = [f"{key} {value}" for key, value in settings.items() if key not in hidden]
    return f"{settings['representation']}: {', '.join(shown)}"


def label(value: Setting) -> str:
    """Display name of a setting's value."""
    return "none" if value is None else NAMES.get(str(value), f"{value:,}" if isinstance(value, int) else str(value))
