"""From a folder of recordings to batches of maps: the LightningDataModule that all corpora share."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pooch
import torch
from numpy.typing import NDArray
from pytorch_lightning import LightningDataModule
from torch.utils.data import DataLoader

from datamodules.batches import Batch, GlobalBatches, clip_seeds
from datamodules.clip_dataset import ClipDataset, ClipItem, collate
from datamodules.map_cache import MapCache
from datamodules.metadata import ClipTable, CorpusSize
from datamodules.split_record import SplitRecord
from datamodules.splits import (
    Split,
    check_validation,
    leakage,
    make_split,
    number_of_folds,
    split_sources,
    stratified_subset,
)
from datamodules.waveform_augmentation import WaveformAugmentation
from datamodules.waveform_cache import WaveformCache
from datamodules.windows import Windows, check_windows, cut_windows
from representations import STFT, Representation

logger = logging.getLogger(__name__)
MOST_WORKERS = 1024


class SoundDataModule(LightningDataModule):
    """A corpus, split into training, validation and test part, decoded once and turned into maps on the device.

    Batches leave the DataLoader as waveforms and become maps in ``on_after_batch_transfer``. On the CPU, where the
    transform is the slow step, maps are cached on disk after the first pass if nothing random happens before it.

    A corpus defines :meth:`read_table` and the attribute ``corpus``, its name; the other attributes of the class have
    defaults that fit a corpus of your own.

    Args:
        root: folder of the corpus as downloaded.
        representation: waveform ``(batch, 1, time)`` to map ``(batch, 1, rows, columns)``; it also determines the
            sample rate.
        split: ``grouped`` (clips of one recording are never on both sides of the split), ``random`` (the paper's) or
            ``official`` (the corpus' own folds).
        folds: number of cross-validation folds of ``grouped`` and ``random``; ``official`` has those of the corpus. 1,
            with ``validation`` none, trains one model on everything but the test part.
        fold: number of the fold, from 1.
        test_fraction: share of the clips in the test part of ``grouped`` and ``random``.
        augmentation: kind of the copies of the training clips, at four ratios, made once.
        padding: how a clip shorter than the corpus' length is filled: ``pad`` (zeros after it) or ``loop``.
        batch_size: number of clips per batch over all processes together, so that training does not depend on the
            number of processes.
        num_workers: number of DataLoader processes; 0 suffices because items are read from a memory map.
        cache_dir: folder of the waveform and map caches; the user's cache folder by default.
        cache_maps: cache maps on disk; by default on the CPU only.
        download: download the corpus into ``root`` if it is not there.
        seed: seed of the split, of the order of the training clips and of their random gain and noise.
        validation: ``fold`` keeps a fold for early stopping and the choice of the checkpoint; ``none``, with
            ``official`` or with one fold, trains on everything outside the test part and keeps the weights of the last
            epoch.
        random_gain: see :class:`WaveformAugmentation`; maps of training clips are then computed anew in every epoch.
        noise_snr: see :class:`WaveformAugmentation`.
        clip_seconds: length to which every clip is cut or padded, in s; by default that of the corpus.
        windows: which part of a longer file is used: the ``first``, the ``centre``, or ``all`` windows, each of which
            is a clip of the same recording (see :mod:`datamodules.windows`).

    Raises:
        ValueError: if a setting is invalid.
        DataError: from :meth:`prepare_data`, if a recording or the table is missing or damaged.
    """

    corpus: ClassVar[str]
    default_clip_seconds: ClassVar[float | None] = None
    """Length of the corpus' clips in s; None if it follows from the files."""
    published_size: ClassVar[CorpusSize | None] = None
    """Size of the corpus as it is published, from which the time of a sweep is estimated; None if it is not published,
    and then there is no estimate."""
    reporting_batch_size: ClassVar[int] = 100
    """Clips per reporting batch of attacks on the corpus."""

    def __init__(
        self,
        *,
        root: str | None = None,
        representation: Representation | None = None,
        split: Literal["grouped", "random", "official"] = "grouped",
        folds: int = 5,
        fold: int = 1,
        test_fraction: float = 0.3,
        augmentation: Literal["pitch_shift", "time_stretch", "none"] = "pitch_shift",
        padding: Literal["pad", "loop"] = "pad",
        batch_size: int = 32,
        num_workers: int = 0,
        cache_dir: str | None = None,
        cache_maps: bool | None = None,
        download: bool = False,
        seed: int = 0,
        validation: Literal["fold", "none"] = "fold",
        random_gain: float = 0.0,
        noise_snr: tuple[float, float] | None = None,
        clip_seconds: float | None = None,
        windows: Literal["first", "centre", "all"] = "first",
    ) -> None:
        super().__init__()
        if not 0 < test_fraction < 1:
            raise ValueError(f"expected test_fraction between 0 and 1, got {test_fraction}")
        if fold < 1:
            raise ValueError(f"expected fold from 1, got {fold}")
        if batch_size < 1:
            raise ValueError(f"expected a batch size of at least 1, got {batch_size}")
        if not 0 <= num_workers <= MOST_WORKERS:
            raise ValueError(f"expected num_workers from 0 to {MOST_WORKERS}, got {num_workers}")
        if not 0 <= seed < 2**32:
            raise ValueError(f"expected a seed from 0 to {2**32 - 1}, got {seed}")
        check_validation(validation, split, folds)
        check_windows(clip_seconds, windows)
        self.clip_seconds = clip_seconds
        self.windows: Windows = windows
        self.validation = validation
        self.waveform_augmentation = WaveformAugmentation(random_gain, noise_snr)
        self.root = root
        self.representation = representation if representation is not None else STFT()
        self.split_protocol = split
        self.folds = folds
        self.fold = fold
        self.test_fraction = test_fraction
        self.augmentation = augmentation
        self.padding = padding
        self.batch_size = batch_size
        self.num_workers = num_workers
        self.cache_dir = Path(cache_dir or pooch.os_cache("sound-robustness")).expanduser()
        self.cache_maps = cache_maps
        self.download = download
        self.seed = seed
        self._next_epoch = 0
        self._tested: int | None = None
        self._trains = True
        self._serves_sounds = False
        self._record: SplitRecord | None = None
        self._listed: ClipTable | None = None
        self._table: ClipTable | None = None
        self._waveforms: WaveformCache | None = None
        self._maps: MapCache | None = None

    def read_table(self) -> ClipTable:
        """Read the corpus' own table, one row per file; each corpus implements it.

        Raises:
            DataError: if the folder or the table is missing or does not have the published format.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define how its table is read")

    def fetch(self) -> None:
        """Download the corpus into ``root``; corpora that can be downloaded implement it."""

    def follow(self, record: SplitRecord) -> None:
        """Take parts, labels and clip numbers from the record of a trained fold instead of drawing a split.

        Recorded clips that are missing from the table are left out, and clips that are not in the record belong to no
        part, each with one warning; :attr:`table` raises ``DataError`` if a clip's class or recording has changed.
        """
        self._record = record
        self._table = self._waveforms = self._maps = None

    @property
    def table(self) -> ClipTable:
        """The clips of the corpus, read once; under a record, its clips in its order."""
        if self._table is None:
            if self._listed is None:
                self._listed = cut_windows(self.read_table(), self.clip_seconds, self.windows)
            self._table = self._listed if self._record is None else self._record.align(self._listed)
        return self._table

    @property
    def present(self) -> NDArray[np.bool_]:
        """Whether each row of :attr:`table` is listed by the corpus now, ``(clips,)``; all are without a record."""
        table = self.table
        return np.isin(table.names, (self._listed or table).names)

    @property
    def num_classes(self) -> int:
        """Number of classes in the table, which is the number of outputs of a model trained on it."""
        return len(self.table.class_names)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input of a classifier, ``(channels, rows, columns)``."""
        if self.representation.resize is not None:
            return (1, *self.representation.resize)
        with torch.no_grad():
            return tuple(self.representation(torch.zeros(1, 1, self.waveforms.samples)).shape[1:])

    @property
    def waveforms(self) -> WaveformCache:
        """The decoded, resampled and augmented clips."""
        if self._waveforms is None:
            self._waveforms = WaveformCache(
                self.table,
                sample_rate=self.representation.sample_rate,
                padding=self.padding,
                augmentation=self.augmentation,
                cache_dir=self.cache_dir,
            )
        return self._waveforms

    @property
    def number_of_folds(self) -> int:
        """Number of folds of the whole cross-validation."""
        return number_of_folds(self.table, self.split_protocol, self.folds)

    @property
    def split(self) -> Split:
        """Rows of the table in the training, validation and test part of this fold, without missing clips."""
        if self._record is None:
            return self.draw_split(self.fold)
        present, split = self.present, self._record.split
        return Split(*(rows[present[rows]] for rows in (split.train, split.validation, split.test)))

    @property
    def assigned(self) -> Split:
        """As :attr:`split`, including recorded clips that are missing from the table."""
        return self._record.split if self._record is not None else self.split

    def draw_split(self, fold: int) -> Split:
        """Draw the split of a fold from the table, regardless of a record; the same table gives the same split."""
        return make_split(
            self.table,
            protocol=self.split_protocol,
            fold=fold,
            folds=self.folds,
            test_fraction=self.test_fraction,
            seed=self.seed,
            validation=self.validation,
        )

    @property
    def record(self) -> SplitRecord:
        """The parts of this fold's clips, to be kept with its model."""
        return self._record or SplitRecord.of(self.table, self.split)

    @property
    def leakage(self) -> float:
        """Share of test clips with a clip of the same recording in the training or validation part, in [0, 1].

        It is a lower bound if the recordings are unknown.
        """
        return leakage(self.table, replace(self.assigned, test=self.split.test))

    def keep_test_part(self, clips: int | None = None) -> None:
        """Serve the test part only: no copies are made, and clips of the other parts are not decoded.

        Args:
            clips: number of test clips, chosen by :func:`~datamodules.splits.stratified_subset`; None means all.
        """
        self._trains = False
        self._tested = clips

    def serve_sounds(self) -> None:
        """Let batches stay waveforms ``(batch, 1, time)``, for a victim that makes maps of them itself."""
        self._serves_sounds = True

    @property
    def tested(self) -> NDArray[np.int64]:
        """Rows of the table that are tested, ascending."""
        test = self.split.test
        return test if self._tested is None else stratified_subset(self.table, test, self._tested)

    def check(self) -> None:
        """Check every listed file before any long work.

        Raises:
            DataError: if a file is missing, empty, truncated or not audio; up to ten are named.
        """
        if self.download:
            self.fetch()
        self.waveforms.check_files(np.flatnonzero(self.present).tolist())

    def prepare_data(self) -> None:
        """Check the recordings, and decode and augment what is not cached yet; once per machine, before training."""
        self.check()
        split, tested = self.split, self.tested
        training = split.train.tolist() if self._trains else []
        learned = [*training, *split.validation.tolist()] if self._trains else []
        self.waveforms.prepare([*learned, *tested.tolist()], training)
        maps = self._map_cache()
        if maps is not None:
            training_entries = [] if self.waveform_augmentation.changes_clips else self._training_entries(split)
            entries = [*training_entries, *self._originals(split.validation)] if self._trains else []
            maps.prepare([*entries, *self._originals(tested)])

    def setup(self, stage: str) -> None:
        """Build the three datasets; before training, log the parts and their leakage."""
        split = self.split
        if stage == "fit" and (self.trainer is None or self.trainer.is_global_zero):
            logger.info(self.describe_split())
        maps = self._map_cache()
        labels = self.table.labels
        training_maps = None if self.waveform_augmentation.changes_clips else maps
        self.train_set = ClipDataset(self._training_entries(split), labels, self.waveforms, training_maps)
        self.validation_set = ClipDataset(self._originals(split.validation), labels, self.waveforms, maps)
        self.test_set = ClipDataset(self._originals(self.tested), labels, self.waveforms, maps)

    def describe_split(self) -> str:
        """One sentence with the sizes of this fold's parts and their leakage."""
        split = self.split
        shared = split_sources(self.table, replace(self.assigned, test=split.test))
        named = f" (recordings on both sides: {', '.join(shared)})" if 0 < len(shared) <= 10 else ""
        return (
            f"{self.corpus}, split={self.split_protocol}, fold {self.fold} of {self.number_of_folds}: "
            f"{len(split.train)} training, {len(split.validation)} validation and {len(split.test)} test clips; "
            f"leakage {'' if self.table.recordings_known else 'at least '}{self.leakage:.1%}{named}"
        )

    def train_dataloader(self) -> DataLoader[ClipItem]:
        """Training clips and their copies, in an order that depends on seed and epoch alone."""
        return self._loader(self.train_set, shuffle=True)

    def val_dataloader(self) -> DataLoader[ClipItem] | list[DataLoader[ClipItem]]:
        """Validation clips, without copies; an empty list if there is no validation part."""
        return self._loader(self.validation_set) if len(self.validation_set) else []

    def test_dataloader(self) -> DataLoader[ClipItem]:
        """Test clips, without copies, each exactly once over all processes."""
        return self._loader(self.test_set)

    def state_dict(self) -> dict[str, Any]:
        """The number of the next epoch; training is resumed at the ends of epochs only."""
        return {"next_epoch": self.trainer.fit_loop.epoch_progress.current.ready if self.trainer is not None else 0}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the number of the next epoch, which determines the order of the clips.

        Lightning draws the first batches of a resumed fold before it knows the epoch.
        """
        self._next_epoch = int(state_dict["next_epoch"])

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """Turn waveforms into maps on the device; maps from the cache are passed through."""
        if batch.inputs.ndim == 4 or self._serves_sounds:
            return batch
        if self.waveform_augmentation.changes_clips and self.trainer is not None and self.trainer.training:
            batch = batch._replace(inputs=self.waveform_augmentation(batch.inputs, self._clip_seeds(len(batch.clips))))
        self.representation.to(batch.inputs.device)
        with torch.no_grad(), torch.autocast(batch.inputs.device.type, enabled=False):
            return batch._replace(inputs=self.representation(batch.inputs))

    def _clip_seeds(self, clips: int) -> list[int]:
        trainer = self.trainer
        assert trainer is not None
        return clip_seeds(
            clips,
            stream=0,
            seed=self.seed,
            epoch=trainer.current_epoch,
            # Lightning counts a batch as ready after it has been moved to the device.
            step=trainer.fit_loop.epoch_loop.batch_progress.current.ready,
            rank=trainer.global_rank,
            processes=trainer.world_size,
        )

    def _training_entries(self, split: Split) -> list[tuple[int, int]]:
        variants = range(len(self.waveforms.variants))
        return [(clip, variant) for clip in split.train.tolist() for variant in variants]

    @staticmethod
    def _originals(*parts: NDArray[np.int64]) -> list[tuple[int, int]]:
        return [(clip, 0) for part in parts for clip in part.tolist()]

    def _map_cache(self) -> MapCache | None:
        # Waveforms are in a cache already.
        wanted = self.cache_maps if self.representation.is_map and not self._serves_sounds else False
        if wanted is None:
            device = self.trainer.strategy.root_device if self.trainer is not None else torch.device("cpu")
            wanted = device.type == "cpu"
        if wanted and self._maps is None:
            self._maps = MapCache(self.waveforms, self.representation, cache_dir=self.cache_dir)
        return self._maps if wanted else None

    def _loader(self, dataset: ClipDataset, *, shuffle: bool = False) -> DataLoader[ClipItem]:
        trainer = self.trainer
        batches = GlobalBatches(
            len(dataset),
            batch_size=self.batch_size,
            seed=self.seed,
            shuffle=shuffle,
            drop_last=shuffle,
            rank=trainer.global_rank if trainer is not None else 0,
            processes=trainer.world_size if trainer is not None else 1,
        )
        batches.set_epoch(self._next_epoch)
        on_gpu = trainer is not None and trainer.strategy.root_device.type == "cuda"
        return DataLoader(
            dataset,
            batch_sampler=batches,
            num_workers=self.num_workers,
            collate_fn=collate,
            pin_memory=on_gpu,
            persistent_workers=self.num_workers > 0,
        )
