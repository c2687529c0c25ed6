"""From a folder of recordings to batches of maps: the LightningDataModule that every corpus shares."""

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
from datamodules.metadata import ClipTable
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
    """A corpus, split honestly, decoded once and turned into maps on the Trainer's device.

    Batches leave the DataLoader as waveforms and become maps in ``on_after_batch_transfer``; on the CPU, where the
    transform is the slow part and nothing random happens before it, maps are kept on disk after the first pass.

    Args:
        root: folder of the corpus as downloaded.
        representation: waveform ``(batch, 1, time)`` to map ``(batch, 1, rows, columns)``; it also decides the sample
            rate.
        split: ``grouped`` (clips of one recording stay on one side), ``random`` (the paper's) or ``official`` (the
            corpus' own folds).
        folds: number of cross-validation folds of ``grouped`` and ``random``; ``official`` has those of the corpus. 1,
            with ``validation`` none, is one model that is trained on all but the test part.
        fold: which fold's model this is, from 1.
        test_fraction: share of clips in the test part of ``grouped`` and ``random``.
        augmentation: copies of the training clips at four ratios, made once.
        padding: what fills a clip shorter than the corpus' length: ``pad`` (zeros after it) or ``loop``.
        batch_size: clips of a batch over all processes together, so that training does not depend on their number.
        num_workers: DataLoader processes; 0 suffices because items are read from a memory map.
        cache_dir: folder of the waveform and map caches; the user's cache folder by default.
        cache_maps: keep maps on disk; by default on the CPU only.
        download: fetch the corpus into ``root`` if it is not there.
        seed: seed of the split, of the order of the training clips and of their random gain and noise.
        validation: ``fold`` keeps a fold aside for early stopping and the choice of the checkpoint; ``none``, with
            ``official`` or with one fold, trains on all that is not tested, and the last epoch's weights are kept.
        random_gain: see :class:`WaveformAugmentation`; training clips then become maps anew in every epoch.
        noise_snr: see :class:`WaveformAugmentation`.
        clip_seconds: length that every clip is brought to; by default that of the corpus.
        windows: which part of a file longer than that is used: the ``first``, the ``centre`` one, or ``all``, each of
            them a clip of the same recording (see :mod:`datamodules.windows`).

    Raises:
        ValueError: if a setting is impossible.
        DataError: from :meth:`prepare_data`, if a recording or the table is missing or broken.
    """

    corpus: ClassVar[str]
    default_clip_seconds: ClassVar[float | None] = None
    """Length of the corpus' clips; None where it follows from the files."""

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
        self.cache_dir = Path(cache_dir) if cache_dir else Path(pooch.os_cache("sound-robustness"))
        self.cache_maps = cache_maps
        self.download = download
        self.seed = seed
        self._next_epoch = 0
        self._tested: int | None = None
        self._trains = True
        self._record: SplitRecord | None = None
        self._listed: ClipTable | None = None
        self._table: ClipTable | None = None
        self._waveforms: WaveformCache | None = None
        self._maps: MapCache | None = None

    def read_table(self) -> ClipTable:
        """Read the corpus' own table, a row for each file; each corpus says how.

        Raises:
            DataError: if the folder or the table is missing or not what was published.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say how its table is read")

    def fetch(self) -> None:
        """Bring the corpus to ``root``; corpora that can be downloaded say how."""

    def follow(self, record: SplitRecord) -> None:
        """Take parts, labels and the numbers of the clips from a trained fold's record instead of drawing a split.

        Clips that the table has lost are left out and clips that the record does not know belong to no part, each said
        once; :attr:`table` raises where a clip has another class or recording now.
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
        """How many classes the table has; as many outputs has a model that is trained on it."""
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
        """How many folds a whole cross-validation has."""
        return number_of_folds(self.table, self.split_protocol, self.folds)

    @property
    def split(self) -> Split:
        """Rows of the table in the training, validation and test part of this fold, without clips that are gone."""
        if self._record is None:
            return self.draw_split(self.fold)
        present, split = self.present, self._record.split
        return Split(*(rows[present[rows]] for rows in (split.train, split.validation, split.test)))

    @property
    def assigned(self) -> Split:
        """As :attr:`split`, with the clips that the record gave a part and the table has lost."""
        return self._record.split if self._record is not None else self.split

    def draw_split(self, fold: int) -> Split:
        """Draw the split of a fold from the table, whatever was recorded; the same split for the same table."""
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
        """Which clips this fold trains, validates and tests on, to be kept with its model."""
        return self._record or SplitRecord.of(self.table, self.split)

    @property
    def leakage(self) -> float:
        """Share of test clips with a clip of the same recording in the training or validation part, in [0, 1].

        A lower bound where the recordings are not known.
        """
        return leakage(self.table, replace(self.assigned, test=self.split.test))

    def keep_test_part(self, clips: int | None = None) -> None:
        """Serve nothing but the test part: no copies are made, and nothing of the other parts is decoded.

        Args:
            clips: how many clips of it, chosen by :func:`~datamodules.splits.stratified_subset`; None means all.
        """
        self._trains = False
        self._tested = clips

    @property
    def tested(self) -> NDArray[np.int64]:
        """Rows of the table that the test visits, ascending."""
        test = self.split.test
        return test if self._tested is None else stratified_subset(self.table, test, self._tested)

    def check(self) -> None:
        """Look at every listed file before any long work.

        Raises:
            DataError: if a file is missing, empty, truncated or not audio; up to ten are named.
        """
        if self.download:
            self.fetch()
        self.waveforms.check_files(np.flatnonzero(self.present).tolist())

    def prepare_data(self) -> None:
        """Check the recordings, decode and augment what is not yet cached; once a machine, before any training."""
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
        """Build the three datasets; before training, say what leaks."""
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
        """One sentence on the parts of this fold and what they share."""
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
        """Validation clips, without copies; an empty list where nothing validates."""
        return self._loader(self.validation_set) if len(self.validation_set) else []

    def test_dataloader(self) -> DataLoader[ClipItem]:
        """Test clips, without copies, each exactly once over all processes."""
        return self._loader(self.test_set)

    def state_dict(self) -> dict[str, Any]:
        """The epoch whose order comes next: training goes on from the ends of epochs only."""
        return {"next_epoch": self.trainer.fit_loop.epoch_progress.current.ready if self.trainer is not None else 0}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with the order of the next epoch.

        Lightning draws the first batches of a resumed fold before it knows the epoch.
        """
        self._next_epoch = int(state_dict["next_epoch"])

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """Turn waveforms into maps on the device; maps from the cache pass as they are."""
        if batch.inputs.ndim == 4:
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
            # Lightning counts a batch as ready after it has moved to the device.
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
        wanted = self.cache_maps if self.representation.is_map else False
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
