"""Training of non-differentiable baselines on the same maps and splits as the ConvNets, with the same records."""

import time

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from torch.nn.functional import one_hot
from torch.utils.data import DataLoader

from classifiers.baselines import fit_baseline, save_baseline
from datamodules import Batch, SoundDataModule
from datamodules.clip_dataset import ClipDataset, collate
from lightning_modules.cross_validation import CrossValidation


def train_baseline(data: SoundDataModule, validation: CrossValidation) -> None:
    """Fit an SVM or a random forest on a fold's training maps, augmented copies included, and test it on the test part.

    The validation part is not used, because nothing is selected on it; the other clips are those of the ConvNets.

    Args:
        data: the fold's data.
        validation: collects the fold's record; its recipe names the baseline.
    """
    name = validation.recipe["model"]["architecture"]
    started = time.monotonic()
    validation.record_clips(data)
    data.prepare_data()
    data.setup("fit")
    console = Console()
    maps, labels, _ = all_maps(data, data.train_set)
    console.print(f"fold {data.fold}: fitting {name} on {len(maps)} maps of {maps[0].size} cells")
    baseline = fit_baseline(name, maps, labels, validation.seed)
    test_maps, _, clips = all_maps(data, data.test_set)
    predictions = baseline.predict(test_maps)
    # A baseline has no probabilities: each window of a file has one vote.
    votes = one_hot(torch.from_numpy(predictions), data.num_classes)
    record = validation.record(data, clips.tolist(), votes)
    checkpoint = validation.run.fold(data.fold) / "best.skops"
    save_baseline(baseline, checkpoint)
    record |= {
        "checkpoint": str(checkpoint.relative_to(validation.run.path)),
        "epochs": None,
        "seconds": round(time.monotonic() - started, 1),
        "parameters": baseline.parameter_count,
    }
    validation.finish(data, record)
    console.print(f"fold {data.fold}: test accuracy {record['accuracy']:.1%} in {record['seconds']:.0f} s")


def all_maps(
    data: SoundDataModule, dataset: ClipDataset
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
    """Maps, labels and clips of a dataset, in its order.

    Returns:
        Maps ``(items, 1, rows, columns)``, labels ``(items,)``, rows of the corpus table ``(items,)``.
    """
    loader = DataLoader(dataset, batch_size=data.batch_size, collate_fn=collate)
    batches = [data.on_after_batch_transfer(batch, 0) for batch in loader]
    maps, labels, clips = (torch.cat([getattr(batch, name) for batch in batches]).numpy() for name in Batch._fields)
    return maps, labels, clips
