"""The clips that a trained fold recorded, found again beside or inside its model, and compared with today's table."""

from pathlib import Path
from typing import TypedDict

from datamodules import SoundDataModule
from datamodules.split_record import SplitRecord, named
from lightning_modules.trained_classifier import read_checkpoint, recorded_split
from storage import DataError, RunFolder


def split_of_model(path: Path) -> SplitRecord:
    """The clips that a model was trained, validated and tested on.

    Args:
        path: a checkpoint, which holds its record, or the file of a baseline, which has it beside itself.

    Raises:
        DataError: if the file cannot be used, or is of an older version, which recorded nothing.
    """
    if path.suffix == ".skops":
        return SplitRecord.read_csv(path.with_name("split.csv"))
    return recorded_split(read_checkpoint(path), path)


def refuse_changed_table(run: RunFolder, data: SoundDataModule) -> None:
    """Refuse to continue a cross-validation on another table or split than it was begun with.

    The folds of one cross-validation share a test part and validate on the rest in turn, which holds for folds of one
    table only.

    Args:
        run: the run; nothing is refused if none of its folds has begun.
        data: the data that it would go on with.

    Raises:
        DataError: if a fold that has begun recorded other clips or other parts, or recorded nothing.
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
    tested: SplitRecord, tested_run: str, judge: SplitRecord, judge_run: str
) -> tuple[set[str], list[str]]:
    """Which test clips of one model another one may judge: those of its own test part.

    Args:
        tested: record of the model whose test clips are judged.
        tested_run: name of its run.
        judge: record of the model that judges.
        judge_run: name of its run.

    Returns:
        Names of the clips that may be judged, and of those that the judge does not know, which are left out.

    Raises:
        DataError: if the judge was trained or validated on one of them, knows none of them, has other classes, or
            one of them with another class or recording.
    """
    if tested.class_names != judge.class_names:
        raise DataError(
            f"expected the classes of {tested_run} ({', '.join(tested.class_names)}) in {judge_run}, found "
            f"{', '.join(judge.class_names)}; compare runs that were trained on one table"
        )
    parts = judge.part_of()
    test = [name for name, part in tested.part_of().items() if part == "test"]
    learned = [name for name in test if parts.get(name, "test") != "test"]
    if learned:
        raise DataError(
            f"expected {judge_run} not to be trained on test clips of {tested_run}, found {len(learned)} of them in "
            f"its training or validation part ({named(learned)}): the two were trained on different tables or splits; "
            "train one of them again"
        )
    one, other = _facts(tested), _facts(judge)
    changed = [name for name in test if name in parts and one[name] != other[name]]
    if changed:
        raise DataError(
            f"expected the same classes and recordings in the records of {tested_run} and {judge_run}, found others "
            f"for {named(changed)}; train one of them again"
        )
    unknown = [name for name in test if name not in parts]
    if len(unknown) == len(test):
        raise DataError(
            f"expected test clips of {tested_run} in the test part of {judge_run}, found none; compare runs that were "
            "trained on one table"
        )
    return set(test) - set(unknown), unknown


class SeenClips(TypedDict):
    """How many test files a model has seen, as :func:`seen_clips` counts them."""

    n_seen: int
    n_seen_recordings: int


def seen_clips(record: SplitRecord, data: SoundDataModule) -> SeenClips:
    """How many test files of some data a model has seen in training or validation.

    Returns:
        ``n_seen``: files with a clip that the model has seen, by its name; ``n_seen_recordings``: files of a recording
        of which the model has seen a clip, these among them. Where a file is one clip, as it is without ``windows``,
        both count clips.
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
    """What a fold that has begun recorded: in its checkpoint if there is one, else in ``split.csv``."""
    for path in (run.last_checkpoint(fold), run.checkpoint(fold)):
        if path.is_file():
            return split_of_model(path)
    return SplitRecord.read_csv(run.split_file(fold))
