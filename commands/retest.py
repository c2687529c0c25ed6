"""A trained checkpoint tested again, on its own test part, another split or another corpus of the same classes."""

from collections.abc import Sequence
from pathlib import Path

from pytorch_lightning import Trainer
from rich.console import Console

from datamodules import SoundDataModule
from lightning_modules.recorded_split import seen_clips
from lightning_modules.trained_classifier import TrainedClassifier, load_classifier
from storage import DataError, write_json
from storage.summaries import RetestRecord


def retest(path: Path | str, data: SoundDataModule, trainer: Trainer, allowed: Sequence[str] = ()) -> RetestRecord:
    """Measure a checkpoint's accuracy on the test part of some data.

    On the split that the checkpoint was trained on, the test part is the one that it recorded, without the clips that
    are gone from the table. On any other split or corpus the part is drawn from today's table, and the clips that the
    checkpoint was trained or validated on are counted and reported, by file name and by recording.

    Args:
        path: checkpoint of train.py.
        data: the data on whose test part to test.
        trainer: the Trainer that runs the test.
        allowed: packages whose classes the checkpoint may name, in addition to the project's own.

    Returns:
        Accuracy, number of test clips and of those that the checkpoint has seen; also written beside the checkpoint.

    Raises:
        DataError: if the checkpoint cannot be used or knows other classes, or a clip of its corpus has another class or
            recording now.
    """
    path = Path(path)
    trained = load_classifier(path, allowed)
    own = is_own_split(trained, data)
    if own:
        data.follow(trained.split)
    elif data.corpus == trained.data().corpus:
        trained.split.refuse_changed(data.table)
    expected, found = trained.split.class_names, data.table.class_names
    if expected != found:
        raise DataError(f"expected the classes of the checkpoint ({', '.join(expected)}), found {', '.join(found)}")
    data.check()
    accuracy = float(trainer.test(trained.model, datamodule=data, verbose=False)[0]["test/accuracy"])
    result: RetestRecord = {
        "checkpoint": str(path),
        "corpus": data.corpus,
        "split": data.split_protocol,
        "fold": data.fold,
        "test_part": "recorded" if own else "drawn",
        "accuracy": accuracy,
        "n_test": len(data.table.first_clips(data.split.test)),
        "n_gone": len(data.assigned.test) - len(data.split.test),
        **seen_clips(trained.split, data),
    }
    if trainer.is_global_zero:
        write_json(path.with_name(f"retest-{data.corpus}-{data.split_protocol}-fold{data.fold}.json".lower()), result)
        part = "the recorded test part" if own else "a test part drawn anew"
        place = f"{data.corpus}, split={data.split_protocol}, fold {data.fold}"
        Console().print(
            f"{path}: {accuracy:.1%} on {part} of {place}; {result['n_seen']} of its {result['n_test']} clips were "
            f"seen in training or validation, and {result['n_seen_recordings']} are of recordings that were",
            soft_wrap=True,
        )
    return result


def is_own_split(trained: TrainedClassifier, data: SoundDataModule) -> bool:
    """Whether some data have the test part that was held out when the checkpoint was trained.

    The folds of ``grouped`` and ``random`` share one, which depends on the seed; each official fold has its own.
    """
    return _test_part(trained.data()) == _test_part(data)


def _test_part(data: SoundDataModule) -> tuple[object, ...]:
    if data.split_protocol == "official":
        return data.corpus, data.split_protocol, data.fold
    return data.corpus, data.split_protocol, data.test_fraction, data.seed
