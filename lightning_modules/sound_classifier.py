"""The system that the Trainer trains: a classifier of maps, its loss, its augmentation and its optimiser."""

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from pytorch_lightning import LightningModule
from torch import Tensor, nn
from torchmetrics.classification import MulticlassAccuracy

from classifiers import WAVEFORM_ARCHITECTURES, build_classifier, count_parameters
from classifiers.weights_file import load_weights
from datamodules import Batch, SoundDataModule
from datamodules.batches import clip_seeds
from lightning_modules.map_augmentation import mask_bands, mix_up, roll_in_time
from lightning_modules.weight_average import keep_average
from metrics.classification import FileAccuracy


def default_learning_rate(architecture: str) -> float:
    """Peak learning rate of an architecture: 2e-3, or 5e-4 for AlexNet, which has no batch normalisation."""
    return 5e-4 if architecture == "alexnet" else 2e-3


def balanced_weights(labels: Tensor, num_classes: int) -> Tensor:
    """Class weights n / (K n_c) for K classes and n clips, n_c of them of class c; 0 for a class without clips.

    Args:
        labels: classes of the training clips ``(clips,)``.
        num_classes: K.

    Returns:
        ``(num_classes,)``; their mean over the clips is 1 if every class has clips.
    """
    counts = torch.bincount(labels, minlength=num_classes)
    return torch.where(counts > 0, len(labels) / (num_classes * counts.clamp(min=1)), 0.0)


class SoundClassifier(LightningModule):
    """A ConvNet from maps ``(batch, 1, rows, columns)`` in [0, 1] to logits ``(batch, classes)``.

    Training mixes clips, rolls maps in time and smooths labels; validation and test use unchanged maps. The random
    numbers of an epoch depend only on seed, epoch and process, so a resumed fold continues as if uninterrupted.

    Args:
        num_classes: number of classes.
        architecture: a name in :data:`classifiers.ARCHITECTURES`, or the import path of a class or function that builds
            a network (:mod:`classifiers.own_model`); train.py also takes the name of a baseline.
        pretrained: start from ImageNet weights where torchvision has them.
        weights: file of weights to start from (:mod:`classifiers.weights_file`): a state dict or ``*.safetensors``.
        instance_norm: first normalise each clip's map to mean 0 and standard deviation 1 over rows and columns (Ulyanov
            et al. 2016), because MFCC maps, scaled by the extremes of their clip, differ in level for reasons unrelated
            to the sound. Attacks and their bounds apply to the map in [0, 1], before the normalisation.
        learning_rate: the peak learning rate of the schedule; :func:`default_learning_rate` if None.
        weight_decay: decoupled weight decay of AdamW.
        schedule: ``one_cycle`` and ``cosine`` change the rate at every step, ``constant`` keeps it.
        label_smoothing: share of the target probability spread uniformly over all classes.
        mixup: parameter of the Beta distribution that mixes pairs of clips (Zhang et al. 2018); 0 turns it off.
        time_roll: shift each training map in time by a random circular amount.
        seed: seed of the augmentation.
        frequency_masks: number of bands of rows of each training map that are set to 0 (SpecAugment, Park et al. 2019).
        frequency_mask_width: largest width of such a band, as a share of the rows.
        time_masks: number of bands of columns of each training map that are set to 0.
        time_mask_width: largest width of such a band, as a share of the columns.
        class_weights: ``balanced`` multiplies the loss of a clip by n / (K n_c), with n training clips, n_c of them of
            its class, and K classes, so that all classes have the same total weight; the validation loss is unweighted.
        input_shape: shape of one map ``(channels, rows, columns)``, which a network outside the project may ask for.
        allow_import: packages from which an import path may be loaded; it is not stored in checkpoints.

    Raises:
        ValueError: if a setting is impossible, or a network outside the project cannot be used.
        DataError: if the file of weights does not fit the architecture.
    """

    RANGES: ClassVar[dict[str, tuple[Callable[[float], bool], str]]] = {
        "label_smoothing": (lambda value: 0 <= value < 1, "label_smoothing from 0 to below 1"),
        "mixup": (lambda value: value >= 0, "mixup of at least 0"),
        "weight_decay": (lambda value: value >= 0, "weight_decay of at least 0"),
        "learning_rate": (lambda value: value > 0, "a learning rate above 0"),
        "frequency_masks": (lambda value: value >= 0, "frequency_masks of at least 0"),
        "frequency_mask_width": (lambda value: 0 < value <= 1, "frequency_mask_width above 0 and up to 1"),
        "time_masks": (lambda value: value >= 0, "time_masks of at least 0"),
        "time_mask_width": (lambda value: 0 < value <= 1, "time_mask_width above 0 and up to 1"),
    }
    """The condition on each number, as a predicate and in words."""

    def __init__(
        self,
        *,
        num_classes: int,
        architecture: str = "resnet18",
        pretrained: bool = False,
        weights: str | None = None,
        instance_norm: bool = False,
        learning_rate: float | None = None,
        weight_decay: float = 1e-2,
        schedule: Literal["one_cycle", "cosine", "constant"] = "one_cycle",
        label_smoothing: float = 0.1,
        mixup: float = 0.3,
        time_roll: bool = True,
        seed: int = 0,
        frequency_masks: int = 0,
        frequency_mask_width: float = 0.15,
        time_masks: int = 0,
        time_mask_width: float = 0.15,
        class_weights: Literal["none", "balanced"] = "none",
        input_shape: tuple[int, ...] | None = None,
        allow_import: Sequence[str] = (),
    ) -> None:
        super().__init__()
        if class_weights not in ("none", "balanced"):
            raise ValueError(f"expected class_weights to be none or balanced, got {class_weights!r}")
        learning_rate = default_learning_rate(architecture) if learning_rate is None else learning_rate
        self.check_settings(
            label_smoothing=label_smoothing,
            mixup=mixup,
            weight_decay=weight_decay,
            learning_rate=learning_rate,
            frequency_masks=frequency_masks,
            frequency_mask_width=frequency_mask_width,
            time_masks=time_masks,
            time_mask_width=time_mask_width,
        )
        if architecture in WAVEFORM_ARCHITECTURES and (instance_norm or frequency_masks or time_masks):
            raise ValueError(
                f"expected instance_norm, frequency_masks and time_masks off with {architecture}: "
                "they change maps, and it takes waveforms"
            )
        self.save_hyperparameters(ignore=["allow_import"])
        self.hparams["learning_rate"] = learning_rate
        self.classifier = build_classifier(
            architecture, num_classes, pretrained, input_shape=input_shape, allowed=allow_import
        )
        if weights is not None:
            load_weights(self.classifier, weights, architecture)
        if instance_norm:
            self.classifier = nn.Sequential(nn.InstanceNorm2d(1), self.classifier)
        # Counted now, because the classifier is frozen before it is attacked.
        self.parameter_count = count_parameters(self.classifier)
        # From this a checkpoint's data are rebuilt; it is saved even in weights-only checkpoints.
        self.provenance: dict[str, Any] = {}
        # Not a buffer: it belongs to the training, and checkpoints are loaded without it.
        self.loss_weights: Tensor | None = None
        self.validation_accuracy = MulticlassAccuracy(num_classes, average="micro")
        self.test_accuracy = FileAccuracy()

    @classmethod
    def check_settings(cls, **settings: float | None) -> None:
        """Raise ``ValueError`` for a number outside its range; None stands for a valid default."""
        for name, value in settings.items():
            fits, wanted = cls.RANGES[name]
            if value is not None and not (math.isfinite(value) and fits(value)):
                raise ValueError(f"expected {wanted}, got {value}")

    def forward(self, maps: Tensor) -> Tensor:
        """Logits ``(batch, classes)`` of maps ``(batch, 1, rows, columns)``."""
        return self.classifier(maps)

    def on_fit_start(self) -> None:
        """Compute the class weights from the fold's training clips, if they are asked for.

        Raises:
            TypeError: if they are, and the Trainer's data are not a SoundDataModule.
        """
        if self.hparams["class_weights"] == "balanced":
            data = self.trainer.datamodule  # type: ignore[attr-defined]
            if not isinstance(data, SoundDataModule):
                raise TypeError(f"expected a SoundDataModule with class_weights=balanced, got {type(data).__name__}")
            labels = torch.from_numpy(data.table.labels[data.split.train])
            self.loss_weights = balanced_weights(labels, self.hparams["num_classes"]).to(self.device)

    def on_train_epoch_start(self) -> None:
        """Seed all random numbers of the epoch, dropout included, from seed, epoch and process."""
        seed = (self.hparams["seed"] * 1_000_003 + self.current_epoch) * 1_009 + self.global_rank
        torch.manual_seed(seed)
        self.generator = torch.Generator().manual_seed(seed)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Cross-entropy of an augmented batch, a scalar in nats."""
        maps, labels = batch.inputs, F.one_hot(batch.labels, self.hparams["num_classes"]).float()
        if self.hparams["time_roll"]:
            maps = roll_in_time(maps, self.generator)
        if self.hparams["frequency_masks"] or self.hparams["time_masks"]:
            seeds = clip_seeds(
                len(maps),
                stream=1,
                seed=self.hparams["seed"],
                epoch=self.current_epoch,
                step=batch_idx,
                rank=self.global_rank,
                processes=self.trainer.world_size,
            )
            names = ("frequency_masks", "frequency_mask_width", "time_masks", "time_mask_width")
            maps = mask_bands(maps, seeds, **{name: self.hparams[name] for name in names})
        if self.hparams["mixup"] > 0:
            maps, labels = mix_up(maps, labels, self.hparams["mixup"], self.generator)
        smoothing = self.hparams["label_smoothing"]
        loss = F.cross_entropy(self(maps), labels, weight=self.loss_weights, label_smoothing=smoothing)
        self.log("train/loss", loss, on_step=False, on_epoch=True, batch_size=len(labels), sync_dist=True)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log accuracy and loss on the fold's validation part."""
        logits = self(batch.inputs)
        self.validation_accuracy(logits, batch.labels)
        self.log("val/accuracy", self.validation_accuracy, on_step=False, on_epoch=True)
        loss = F.cross_entropy(logits.float(), batch.labels)
        self.log("val/loss", loss, on_step=False, on_epoch=True, batch_size=len(batch.labels), sync_dist=True)

    def test_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Update the accuracy over the files of the test part; returns the clips' logits ``(batch, classes)``."""
        logits = self(batch.inputs)
        data = self.trainer.datamodule  # type: ignore[attr-defined]
        files = batch.clips
        if isinstance(data, SoundDataModule):
            files = torch.from_numpy(data.table.file_numbers).to(files.device)[files]
        self.test_accuracy.update(logits, batch.labels, batch.clips, files)
        self.log("test/accuracy", self.test_accuracy, on_step=False, on_epoch=True)
        return logits

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the corpus, representation and fold to the checkpoint, and replace weights by their moving average."""
        checkpoint.update(self.provenance)
        keep_average(self.trainer, checkpoint)

    def configure_optimizers(self) -> Any:
        """AdamW with the chosen schedule."""
        rate, decay = self.hparams["learning_rate"], self.hparams["weight_decay"]
        # A fused step takes a tenth of the time on a CPU. With a gradient scaler, it does not support clipping.
        fused = self.device.type in ("cpu", "cuda") and self.trainer.precision != "16-mixed"
        optimizer = torch.optim.AdamW(self.parameters(), lr=rate, weight_decay=decay, fused=fused)
        if self.hparams["schedule"] == "constant":
            return optimizer
        steps = int(self.trainer.estimated_stepping_batches)
        scheduler: torch.optim.lr_scheduler.LRScheduler
        if self.hparams["schedule"] == "one_cycle":
            scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps)
        else:
            scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}
