"""The clips recorded by a trained fold, read from or beside its model, and compared with the current table."""

from pathlib import Path
from typing import TypedDict

from datamodules import SoundDataModule
from datamodules.split_record import SplitRecord
from lightning_modules.trained_classifier import read_checkpoint, recorded_split
from storage import DataError, RunFolder
from storage.errors import named


def split_of_model(path: Path) -> SplitRecord:
    """The clips on which a model was trained, validated and tested.

    Args:
        path: a checkpoint, which contains its record, or the file of a baseline, beside which the record lies.

    Raises:
        DataError: if the file cannot be used, or is of an older version without a record.
    """
    if path.suffix == ".skops":
        return SplitRecord.read_csv(path.with_name("split.csv"))
    return recorded_split(read_checkpoint(path), path)


def refuse_changed_table(run: RunFolder, data: SoundDataModule) -> None:
    """Refuse to continue a cross-validation on another table or split than the one it was started with.

    The parts of different folds fit together only if all folds are drawn from the same table.

    Args:
        run: the run; nothing is refused if none of its folds has been started.
        data: the data with which it would be continued.

    Raises:
        DataError: if a started fold recorded other clips or other parts, or has no record.
    """
    advice = "restore the table, or choose another --name: folds of two tables would mix test and training clips"
    for fold in run.begun_folds():
        record = _split_of_fold(run, fold)
        now, then = set(data.table.names), set(record.names)
        lost, new = [name for name in record.names if name not in now], sorted(now - then)
        if lost or new:
            told = [f"{len(lost)} of them gone from the table ({named(lost)})"] if lost else []
            told += [f"{len(new)} new ones ({named(new)})"] if new else []
            raise DataError(
                f"expected the {len(record)} clips that {run.path} was begun with, found {' and '.join(told)}; {advice}"
            )
        record.refuse_changed(data.table)
        drawn = SplitRecord.of(data.table, data.draw_split(fold)).part_of()
        moved = [name for name, part in record.part_of().items() if drawn[name] != part]
        if moved or record.class_names != data.table.class_names:
            raise DataError(
                f"expected the parts that fold {fold} of {run.path} was begun with, found {len(moved)} clips in other "
                f"parts ({named(moved)}), as another version of the program or of scikit-learn draws them; "
                "choose another --name"
            )
    if run.begun_folds() and run.table_digest not in (None, data.table.digest):
        raise DataError(f"expected the official folds that {run.path} was begun with, found clips in others; {advice}")


def refuse_learned_clips(
    tested: SplitRecord, tested_run: str, target: SplitRecord, target_run: str
) -> tuple[set[str], list[str]]:
    """The test clips of one model on which another may be evaluated: those that are in its test part too.

    Args:
        tested: record of the model whose test clips are used.
        tested_run: name of its run.
        target: record of the model to be evaluated on them.
        target_run: name of its run.

    Returns:
        Names of the clips that may be used, and of those that are missing in the other model's record.

    Raises:
        DataError: if the other model was trained or validated on one of the clips, has none of them in its record, has
            other classes, or recorded one of them with another class or recording.
    """
    if tested.class_names != target.class_names:
        raise DataError(
            f"expected the classes of {tested_run} ({', '.join(tested.class_names)}) in {target_run}, found "
            f"{', '.join(target.class_names)}; compare runs that were trained on one table"
        )
    parts = target.part_of()
    test = [name for name, part in tested.part_of().items() if part == "test"]
    learned = [name for name in test if parts.get(name, "test") != "test"]
    if learned:
        raise DataError(
            f"expected {target_run} not to be trained on test clips of {tested_run}, found {len(learned)} of them in "
            f"its training or validation part ({named(learned)}): the two were trained on different tables or splits; "
            "train one of them again"
        )
    one, other = _facts(tested), _facts(target)
    changed = [name for name in test if name in parts and one[name] != other[name]]
    if changed:
        raise DataError(
            f"expected the same classes and recordings in the records of {tested_run} and {target_run}, found others "
            f"for {named(changed)}; train one of them again"
        )
    unknown = [name for name in test if name not in parts]
    if len(unknown) == len(test):
        raise DataError(
            f"expected test clips of {tested_run} in the test part of {target_run}, found none; compare runs that were "
            "trained on one table"
        )
    return set(test) - set(unknown), unknown


class SeenClips(TypedDict):
    """Numbers of test files that a model has seen, see :func:`seen_clips`."""

    n_seen: int
    n_seen_recordings: int


def seen_clips(record: SplitRecord, data: SoundDataModule) -> SeenClips:
    """Count the test files of some data that a model has seen in training or validation.

    Returns:
        ``n_seen``: files with a clip that the model has seen, matched by name; ``n_seen_recordings``: files with a clip
        that it has seen or that comes from a recording of which it has seen a clip. Without ``windows``, a file is one
        clip, so that both count clips.
    """
    parts, recordings, table = record.part_of(), record.learned_recordings(), data.table
    seen: dict[str, bool] = {}
    shared: dict[str, bool] = {}
    for clip in data.split.test.tolist():
        file, one = table.file_name(clip), parts.get(table.names[clip], "test") != "test"
        seen[file] = seen.get(file, False) or one
        shared[file] = shared.get(file, False) or one or str(table.sources[clip]) in recordings
    return {"n_seen": sum(seen.values()), "n_seen_recordings": sum(shared.values())}


def _facts(record: SplitRecord) -> dict[str, tuple[int, str]]:
    return dict(zip(record.names, zip(record.labels, record.recordings, strict=True), strict=True))


def _split_of_fold(run: RunFolder, fold: int) -> SplitRecord:
    """The record of a started fold: from its checkpoint if there is one, else from ``split.csv``."""
    for path in (run.last_checkpoint(fold), run.checkpoint(fold)):
        if path.is_file():
            return split_of_model(path)
    return SplitRecord.read_csv(run.split_file(fold))
