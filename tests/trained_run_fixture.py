"""A trained run that takes seconds to make, for the tests of what comes after training."""

from pathlib import Path

import numpy as np
import torch

import train
from datamodules.clip_dataset import collate
from lightning_modules.trained_classifier import load_classifier
from tests.corpus_fixtures import write_esc_corpus

# The bins that a map of 16 rows is interpolated from: other tones would fall between its rows.
TONES_HZ = tuple((np.arange(2, 13) + 0.5) * 513 / 16 * 8000 / 1024)


def write_trained_run(
    folder: Path,
    name: str,
    *,
    architecture: str = "crnn",
    seed: int = 0,
    size: int = 16,
    representation: str = "STFT",
    sample_rate: int = 8000,
    embedded: bool = False,
    folds: str = "1,2",
) -> Path:
    """Train an architecture on folds of maps of tones, one for each class with exceptions, or of the embedded corpus.

    A ConvNet learns for one epoch only; its last layer is then fitted to the training clips in closed form.

    Args:
        folder: where ``corpus``, ``cache`` and ``runs`` lie; a corpus that is there is taken.
        name: name of the run.
        architecture: a ConvNet or a baseline; by default the one that is fastest on maps of 16 rows.
        seed: seed of the training.
        size: rows and columns of a map.
        representation: class of the map.
        sample_rate: in Hz.
        embedded: the embedded corpus instead of tones.
        folds: their numbers.

    Returns:
        The run.
    """
    corpus = ("SyntheticSounds", "grouped") if embedded else ("ESC10", "official")
    if not embedded and not (folder / "corpus").is_dir():
        write_esc_corpus(folder / "corpus", classes=11, seconds=5, tones_hz=TONES_HZ, misleading=True)
    train.main(
        [
            *("--data", corpus[0], "--data.split", corpus[1], "--data.augmentation", "none"),
            *("--data.representation", representation, "--data.representation.resize", str(size)),
            *("--data.representation.sample_rate", str(sample_rate)),
            *("--model.architecture", architecture, "--trainer.max_epochs", "1", "--trainer.accelerator", "cpu"),
            *("--wandb.mode", "disabled", "--folds", folds, "--name", name, "--seed", str(seed)),
            *(() if embedded else ("--data.root", str(folder / "corpus"))),
            *("--data.cache_dir", str(folder / "cache"), "--runs_dir", str(folder / "runs")),
        ]
    )
    run = folder / "runs" / name
    for checkpoint in run.glob("fold*/best.ckpt"):
        fit_last_layer(checkpoint, folder / "cache")
    return run


def fit_last_layer(path, cache_dir):
    """Replace the last layer of a checkpoint by the ridge regression of the classes on what comes into it."""
    classifier = load_classifier(path)
    data = classifier.data(cache_dir=str(cache_dir))
    data.prepare_data()
    data.setup("fit")
    maps, labels, _ = collate([data.train_set[position] for position in range(len(data.train_set))])
    name, layer = [(n, m) for n, m in classifier.model.named_modules() if isinstance(m, torch.nn.Linear)][-1]
    seen = []
    with layer.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0])), torch.no_grad():
        classifier.model(maps)
    features = torch.cat([seen[0], torch.ones(len(maps), 1)], dim=1).double()
    wanted = 8 * torch.nn.functional.one_hot(labels, 10).double()
    ridge = features.T @ features + 1e-4 * torch.eye(features.shape[1], dtype=torch.float64)
    solution = torch.linalg.solve(ridge, features.T @ wanted).float()
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["state_dict"] |= {f"{name}.weight": solution[:-1].T.contiguous(), f"{name}.bias": solution[-1]}
    torch.save(checkpoint, path)
