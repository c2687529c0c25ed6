"""Division of a corpus into training, validation and test parts."""

import hashlib
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, StratifiedShuffleSplit

from datamodules.metadata import ClipTable
from storage import DataError

Protocol = Literal["grouped", "random", "official"]
Validation = Literal["fold", "none"]
PROTOCOLS: tuple[Protocol, ...] = ("grouped", "random", "official")

# Number of random test parts drawn under "grouped"; the one nearest to the wanted shares is kept.
CANDIDATES = 32
# Weight of the number of recordings of a class relative to the number of its clips in that draw.
SOURCE_WEIGHT = 0.1


@dataclass(frozen=True)
class Split:
    """The three parts of a corpus for one model of the cross-validation.

    Args:
        train: clip indices to learn from, ascending int64.
        validation: clip indices for early stopping and the choice of the checkpoint.
        test: clip indices that are used once, at the end.
    """

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]


def make_split(
    table: ClipTable,
    *,
    protocol: Protocol,
    fold: int,
    folds: int = 5,
    test_fraction: float = 0.3,
    seed: int = 0,
    validation: Validation = "fold",
) -> Split:
    """Split a corpus for model ``fold`` of the cross-validation.

    ``grouped`` and ``random`` hold out ``test_fraction`` of the clips, stratified by class and the same for every fold,
    and use each fold of the rest for validation once; ``grouped`` keeps clips of one recording together. ``official``
    uses the corpus' own folds: model k tests on fold k, validates on fold k mod n + 1 and trains on the rest. Windows
    of one file stay together under all protocols. The split depends on the names, classes and recordings of the clips
    and the seed, not on the order of the table.

    Args:
        table: the corpus.
        protocol: ``grouped``, ``random`` (the paper as written) or ``official``.
        fold: number of the model, from 1.
        folds: number of models of the cross-validation, at least 2, or 1 without a validation part; ``official`` has as
            many as the corpus defines.
        test_fraction: share of the test part, between 0 and 1; ignored by ``official``.
        seed: seed of the test part and the folds; ignored by ``official``.
        validation: ``none`` adds the validation fold to the training part, under ``official`` or with one fold only.

    Returns:
        The three parts.

    Raises:
        ValueError: for settings that are invalid for any corpus.
        DataError: if the corpus has too few recordings or clips for the settings.
    """
    count = number_of_folds(table, protocol, folds)
    if not 1 <= fold <= count:
        raise ValueError(f"expected fold in 1..{count}, got {fold}")
    check_validation(validation, protocol, folds)
    if protocol == "official":
        parts = _official(table, fold)
        if validation == "fold":
            return parts
        return Split(np.sort(np.concatenate([parts.train, parts.validation])), parts.validation[:0], parts.test)
    if not 0 < test_fraction < 1:
        raise ValueError(f"expected test_fraction between 0 and 1, got {test_fraction}")
    _require_units(table, protocol, np.arange(len(table)), folds + 1, f"{folds} folds and a test part")
    # Clips in the order of their names, so that the draw does not depend on the order of the table.
    ordered = np.asarray(sorted(range(len(table)), key=lambda clip: table.names[clip]), dtype=np.int64)
    labels, grouped = table.labels[ordered], protocol == "grouped"
    if grouped:
        units = np.unique(table.sources[ordered], return_inverse=True)[1]
        in_test = _draw_test_sources(labels, units, test_fraction, seed)[units]
    else:
        # Windows of one file stay together, as if it were one clip.
        units = _by_appearance(table.file_numbers[ordered])
        in_test = _draw_test_files(table, labels, units, test_fraction, seed)
    rest = ordered[~in_test]
    _require_units(table, protocol, rest, folds, f"{folds} folds after the test part took its share")
    if folds == 1:
        validates = np.zeros(len(rest), dtype=bool)
    else:
        validates = _validation_clips(labels[~in_test], units[~in_test], fold, folds, seed, grouped=grouped)
    return Split(np.sort(rest[~validates]), np.sort(rest[validates]), np.sort(ordered[in_test]))


def _draw_test_files(
    table: ClipTable, labels: NDArray[np.int64], files: NDArray[np.int64], fraction: float, seed: int
) -> NDArray[np.bool_]:
    """Draw a share of the files of every class, each with all its windows.

    Args:
        table: the corpus, for the error message.
        labels: class of each clip ``(clips,)``.
        files: number of the file of each clip ``(clips,)``, 0 .. files - 1 in the order of their first appearance.
        fraction: the share.
        seed: seed of the draw.

    Returns:
        Whether each clip is in the test part, bool ``(clips,)``.
    """
    of_files = labels[np.unique(files, return_index=True)[1]]
    shuffle = StratifiedShuffleSplit(n_splits=1, test_size=fraction, random_state=seed)
    try:
        return np.isin(files, next(shuffle.split(of_files, of_files))[1])
    except ValueError as error:
        raise DataError(
            f"expected a clip of every class on both sides of test_fraction={fraction} in {table.corpus}, "
            f"found {len(of_files)} clips of {len(table.class_names)} classes; use another test_fraction or more clips"
        ) from error


def _validation_clips(
    labels: NDArray[np.int64], units: NDArray[np.int64], fold: int, folds: int, seed: int, *, grouped: bool
) -> NDArray[np.bool_]:
    """Choose the clips outside the test part that validate model ``fold``.

    Args:
        labels: class of each clip ``(clips,)``.
        units: number of the recording or file of each clip ``(clips,)``.
        fold: number of the model, from 1.
        folds: number of models, at least 2.
        seed: seed of the folds.
        grouped: units are recordings, which may have clips of several classes; otherwise files.

    Returns:
        Whether each clip validates, bool ``(clips,)``.
    """
    if grouped:
        by_recording = StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=seed)
        validates = list(by_recording.split(labels, labels, units))[fold - 1][1]
        return np.isin(np.arange(len(labels)), validates)
    files = _by_appearance(units)
    of_files = labels[np.unique(files, return_index=True)[1]]
    by_file = StratifiedKFold(n_splits=folds, shuffle=True, random_state=seed)
    return np.isin(files, list(by_file.split(of_files, of_files))[fold - 1][1])


def _by_appearance(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Renumber values from 0 in the order of their first appearance."""
    _, first, inverse = np.unique(numbers, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse]


def check_validation(validation: str, protocol: str, folds: int) -> None:
    """Raise ``ValueError`` for an unknown way to validate, or one that does not fit the protocol and folds."""
    if validation not in ("fold", "none"):
        raise ValueError(f"expected validation to be fold or none, got {validation!r}")
    if protocol == "official":
        return
    if validation == "none" and folds != 1:
        raise ValueError(
            f"expected split=official or folds=1 with validation=none, got split={protocol}, whose models differ in "
            f"nothing but the clips that validate, and folds={folds}; use validation=fold, or folds=1 for one model"
        )
    if validation == "fold" and folds < 2:
        raise ValueError(
            f"expected at least 2 folds, got {folds}; one model without a validation part has "
            "folds=1 and validation=none"
        )


def number_of_folds(table: ClipTable, protocol: Protocol, folds: int = 5) -> int:
    """Number of models of the cross-validation: ``folds``, or the corpus' own number under ``official``.

    Raises:
        ValueError: for an unknown protocol, or for no folds.
        DataError: for ``official`` where the corpus defines fewer than three folds.
    """
    if protocol not in PROTOCOLS:
        raise ValueError(f"expected split to be one of {', '.join(PROTOCOLS)}, got {protocol!r}")
    if protocol != "official":
        if folds < 1:
            raise ValueError(f"expected at least 1 fold, got {folds}")
        return folds
    if table.number_of_folds == 0:
        raise DataError(
            f"expected a column of folds with split=official, found none in {table.corpus}; use split=grouped or "
            "split=random"
        )
    if table.number_of_folds < 3:
        raise DataError(
            f"expected at least 3 official folds to train, validate and test, got {table.number_of_folds} "
            f"in {table.corpus}; use split=grouped"
        )
    return table.number_of_folds


def leakage(table: ClipTable, split: Split) -> float:
    """Share of the test clips with a clip of the same recording in the training or validation part, in [0, 1]."""
    seen = table.sources[np.concatenate([split.train, split.validation])]
    return float(np.isin(table.sources[split.test], seen).mean())


def split_sources(table: ClipTable, split: Split) -> tuple[str, ...]:
    """Recordings with clips both in the test part and outside it, sorted; official folds have few."""
    seen = table.sources[np.concatenate([split.train, split.validation])]
    return tuple(str(source) for source in np.intersect1d(table.sources[split.test], seen))


def _official(table: ClipTable, fold: int) -> Split:
    count = table.number_of_folds
    missing = sorted(set(range(1, count + 1)) - set(table.folds.tolist()))
    if missing:
        raise DataError(
            f"expected clips in each of the official folds 1..{count} of {table.corpus}, found none in "
            f"{', '.join(map(str, missing))}; use split=grouped for a part of a corpus"
        )
    validates = fold % count + 1
    clips = np.arange(len(table), dtype=np.int64)
    return Split(
        train=clips[(table.folds != fold) & (table.folds != validates)],
        validation=clips[table.folds == validates],
        test=clips[table.folds == fold],
    )


def _require_units(table: ClipTable, protocol: Protocol, clips: NDArray[np.int64], needed: int, purpose: str) -> None:
    # A class without any clip is skipped: a part of a corpus may have none, and there is nothing to stratify.
    unit = "recordings" if protocol == "grouped" else "clips" if table.starts is None else "files"
    units = table.sources if protocol == "grouped" else table.file_numbers
    for label, name in enumerate(table.class_names):
        found = len(np.unique(units[clips[table.labels[clips] == label]]))
        if found < needed and (table.labels == label).any():
            advice = "" if needed <= 2 else "fewer folds (--data.folds 1 --data.validation none needs 2), or "
            raise DataError(
                f"expected at least {needed} {unit} of every class for {purpose}, found {found} of class {name!r} "
                f"in {table.corpus}; use {advice}more {unit}"
            )


def _draw_test_sources(
    labels: NDArray[np.int64], sources: NDArray[np.int64], fraction: float, seed: int
) -> NDArray[np.bool_]:
    """Draw whole recordings until every class has about ``fraction`` of its clips in the test part.

    StratifiedGroupKFold cannot do this if a class has a few large recordings: one of its folds is then as large as the
    largest recording. Recordings are considered in random order and added to the test part if that brings the classes
    nearer to their shares; the best of several orders is kept.

    Args:
        labels: class of each clip ``(clips,)``.
        sources: number of the recording of each clip ``(clips,)``, 0 .. recordings - 1.
        fraction: wanted share of every class.
        seed: seed of the orders.

    Returns:
        Whether each recording is in the test part, bool ``(recordings,)``.
    """
    clips = np.zeros((sources.max() + 1, labels.max() + 1))
    np.add.at(clips, (sources, labels), 1)
    clips = clips[:, clips.any(axis=0)]
    # One row per recording: its share of all clips, of each class's clips and, with less weight, of each class's
    # recordings. Without the last, a class could test on all its small recordings to make up for a large one.
    shares = np.column_stack(
        [
            clips.sum(axis=1) / clips.sum(),
            clips / clips.sum(axis=0),
            SOURCE_WEIGHT * (clips > 0) / (clips > 0).sum(axis=0),
        ]
    )
    target = fraction * shares.sum(axis=0)
    of_clips = slice(0, 1 + clips.shape[1])
    generator = np.random.default_rng(seed)
    best, smallest_error = np.zeros(len(shares), dtype=bool), (np.inf, np.inf)
    for _ in range(CANDIDATES):
        chosen, held = np.zeros(len(shares), dtype=bool), np.zeros_like(target)
        for source in generator.permutation(len(shares)):
            with_it = held + shares[source]
            if ((with_it - target) ** 2).sum() < ((held - target) ** 2).sum():
                chosen[source], held = True, with_it
        off = np.abs(held - target)
        error = (round(float(off[of_clips].max()), 9), float(off.max()))
        if error < smallest_error:
            best, smallest_error = chosen, error
    return best


def stratified_subset(table: ClipTable, clips: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Choose clips with the same number per class, as far as the classes have enough.

    Within a class the order is that of a hash of the clips' names, so that the choice depends on the clips only, and a
    smaller subset is contained in a larger one.

    Args:
        table: the corpus.
        clips: rows of the table to choose from.
        count: number of clips to choose; all of them if there are no more.

    Returns:
        Rows of the table, ascending.

    Raises:
        ValueError: for a count below 1.
    """
    if count < 1:
        raise ValueError(f"expected at least 1 clip, got {count}")
    drawn = sorted(clips.tolist(), key=lambda clip: hashlib.sha256(str(table.names[clip]).encode()).digest())
    seen: dict[int, int] = {}
    ranked = []
    for place, clip in enumerate(drawn):
        label = int(table.labels[clip])
        seen[label] = seen.get(label, -1) + 1
        # First the best-ranked clip of every class, then the second of every class, ...
        ranked.append((seen[label], place, clip))
    return np.sort(np.array([clip for _, _, clip in sorted(ranked)[:count]], dtype=np.int64))
