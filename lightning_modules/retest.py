"""A trained checkpoint tested again, on another split or another corpus of the same classes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pytorch_lightning import Trainer
from rich.console import Console

from datamodules import SoundDataModule
from lightning_modules.trained_classifier import load_classifier, read_checkpoint
from storage import DataError, write_json


def retest(path: Path | str, data: SoundDataModule, trainer: Trainer, allowed: Sequence[str] = ()) -> dict[str, Any]:
    """Measure a checkpoint's accuracy on the test part of some data.

    Clips that the checkpoint was trained or validated on are counted by file name and reported: on the same corpus
    under another split the accuracy is not that of unseen clips.

    Args:
        path: checkpoint of train.py.
        data: where to test.
        trainer: runs the test.
        allowed: packages that the checkpoint may name classes of, beside the project's own.

    Returns:
        Accuracy, number of test clips and of those that the checkpoint has seen; also written beside the checkpoint.

    Raises:
        DataError: if the checkpoint cannot be used or knows other classes.
    """
    path = Path(path)
    expected = read_checkpoint(path)["class_names"]
    found = list(data.table.class_names)
    if expected != found:
        raise DataError(f"expected the classes of the checkpoint ({', '.join(expected)}), found {', '.join(found)}")
    trained = load_classifier(path, allowed)
    accuracy = float(trainer.test(trained.model, datamodule=data, verbose=False)[0]["test/accuracy"])
    result = {
        "checkpoint": str(path),
        "corpus": data.corpus,
        "split": data.split_protocol,
        "fold": data.fold,
        "accuracy": accuracy,
        "n_test": len(data.split.test),
        "n_seen": _clips_seen(trained.data(root=data.root, cache_dir=str(data.cache_dir)), data),
    }
    if trainer.is_global_zero:
        write_json(path.with_name(f"retest-{data.corpus}-{data.split_protocol}-fold{data.fold}.json".lower()), result)
        seen = f"{result['n_seen']} of its {result['n_test']} clips were seen in training or validation"
        place = f"{data.corpus}, split={data.split_protocol}, fold {data.fold}"
        Console().print(f"{path}: {accuracy:.1%} on the test part of {place}; {seen}")
    return result


def _clips_seen(training: SoundDataModule, data: SoundDataModule) -> int:
    if training.corpus != data.corpus:
        return 0
    split = training.split
    names = training.table.names
    seen = {names[clip] for part in (split.train, split.validation) for clip in part.tolist()}
    return sum(data.table.names[clip] in seen for clip in data.split.test.tolist())
