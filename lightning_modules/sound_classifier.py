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
    """Largest learning rate of an architecture: 2e-3, and 5e-4 for AlexNet, which has no batch normalisation."""
    return 5e-4 if architecture == "alexnet" else 2e-3


def balanced_weights(labels: Tensor, num_classes: int) -> Tensor:
    """Weights n / (K n_c) of K classes, n clips, n_c of them of class c; a class without clips has weight 0.

    Args:
        labels: classes of the training clips ``(clips,)``.
        num_classes: K.

    Returns:
        ``(num_classes,)``, mean 1 over the clips where every class has some.
    """
    counts = torch.bincount(labels, minlength=num_classes)
    return torch.where(counts > 0, len(labels) / (num_classes * counts.clamp(min=1)), 0.0)


class SoundClassifier(LightningModule):
    """A ConvNet from maps ``(batch, 1, rows, columns)`` in [0, 1] to logits ``(batch, classes)``.

    Training mixes clips, rolls maps in time and smooths labels; validation and test see maps as they are. The random
    numbers of an epoch depend on seed and epoch alone, so a resumed fold continues as if it had not been stopped.

    Args:
        num_classes: number of classes.
        architecture: a name in :data:`classifiers.ARCHITECTURES`, or the import path of a class or function that builds
            a network (:mod:`classifiers.own_model`); train.py also takes the name of a baseline.
        pretrained: start from ImageNet weights where torchvision has them.
        weights: file of weights to start from (:mod:`classifiers.weights_file`): a state dict or ``*.safetensors``.
        instance_norm: the classifier first gives each clip's map mean 0 and deviation 1 over rows and columns (Ulyanov
            et al. 2016). MFCC maps, scaled by their clip's extremes, differ in level for reasons that say little of
            the sound. Attacks and their bounds see the map in [0, 1], in front of it.
        learning_rate: the largest learning rate of the schedule; :func:`default_learning_rate` if None.
        weight_decay: decoupled weight decay of AdamW.
        schedule: ``one_cycle`` and ``cosine`` change the rate every step, ``constant`` never.
        label_smoothing: share of the target spread over all classes.
        mixup: parameter of the Beta distribution that mixes pairs of clips (Zhang et al. 2018); 0 = off.
        time_roll: shift each training map in time by a random circular amount.
        seed: seed of the augmentation.
        frequency_masks: how many bands of rows of each training map are set to 0 (SpecAugment, Park et al. 2019).
        frequency_mask_width: largest width of such a band, as a share of the rows.
        time_masks: how many bands of columns of each training map are set to 0.
        time_mask_width: largest width of such a band, as a share of the columns.
        class_weights: ``balanced`` multiplies the loss of a clip by n / (K n_c), n training clips, n_c of them of its
            class, K classes, so that each class weighs the same; validation judges without weights.
        input_shape: shape of one map ``(channels, rows, columns)``, which a network outside the project may ask for.
        allow_import: packages that an import path may lead to; no checkpoint keeps it.

    Raises:
        ValueError: if a setting is impossible, or a network outside the project cannot be used.
        DataError: if the file of weights does not fit.
    """

    RANGES: ClassVar[dict[str, tuple[Callable[[float], bool], str]]] = {
        "label_smoothing": (lambda value: 0 <= value < 1, "label_smoothing from 0 to below 1"),
        "mixup": (lambda value: value >= 0, "mixup of at least 0"),
        "weight_decay": (lambda value: value >= 0, "weight_decay of at least 0"),
        "learning_rate": (lambda value: value > 0, "a learning rate above 0"),
    }
    """For each number what it has to fulfil, in code and in words."""

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
        for name, count in (("frequency_masks", frequency_masks), ("time_masks", time_masks)):
            if count < 0:
                raise ValueError(f"expected {name} of at least 0, got {count}")
        for name, value in (
            ("frequency_mask_width", frequency_mask_width),
            ("time_mask_width", time_mask_width),
        ):
            if not 0 < value <= 1:
                raise ValueError(f"expected {name} above 0 and up to 1, got {value}")
        if class_weights not in ("none", "balanced"):
            raise ValueError(f"expected class_weights to be none or balanced, got {class_weights!r}")
        learning_rate = default_learning_rate(architecture) if learning_rate is None else learning_rate
        self.check_settings(
            label_smoothing=label_smoothing, mixup=mixup, weight_decay=weight_decay, learning_rate=learning_rate
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
        # Counted before anybody freezes the classifier to attack it.
        self.parameter_count = count_parameters(self.classifier)
        # How the data of a checkpoint are rebuilt; Lightning saves it even in checkpoints of weights alone.
        self.provenance: dict[str, Any] = {}
        # Not part of the weights: it says how they were found, and a checkpoint is loaded without it.
        self.loss_weights: Tensor | None = None
        self.validation_accuracy = MulticlassAccuracy(num_classes, average="micro")
        self.test_accuracy = FileAccuracy()

    @classmethod
    def check_settings(cls, **settings: float | None) -> None:
        """Raise ``ValueError`` for a number outside its range; None stands for a default that fits."""
        for name, value in settings.items():
            fits, wanted = cls.RANGES[name]
            if value is not None and not (math.isfinite(value) and fits(value)):
                raise ValueError(f"expected {wanted}, got {value}")

    def forward(self, maps: Tensor) -> Tensor:
        """Logits ``(batch, classes)`` of maps ``(batch, 1, rows, columns)``."""
        return self.classifier(maps)

    def on_fit_start(self) -> None:
        """Weigh the classes by the fold's training clips.

        Raises:
            TypeError: if classes are to be weighed and the Trainer works on no SoundDataModule.
        """
        if self.hparams["class_weights"] == "balanced":
            data = self.trainer.datamodule  # type: ignore[attr-defined]
            if not isinstance(data, SoundDataModule):
                raise TypeError(f"expected a SoundDataModule with class_weights=balanced, got {type(data).__name__}")
            labels = torch.from_numpy(data.table.labels[data.split.train])
            self.loss_weights = balanced_weights(labels, self.hparams["num_classes"]).to(self.device)

    def on_train_epoch_start(self) -> None:
        """Tie every random number of the epoch (dropout too) to seed, epoch and process."""
        seed = (self.hparams["seed"] * 1_000_003 + self.current_epoch) * 1_009 + self.global_rank
        torch.manual_seed(seed)
        self.generator = torch.Generator().manual_seed(seed)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Loss of an augmented batch."""
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
        """Accuracy and loss of the fold's validation part."""
        logits = self(batch.inputs)
        self.validation_accuracy(logits, batch.labels)
        self.log("val/accuracy", self.validation_accuracy, on_step=False, on_epoch=True)
        loss = F.cross_entropy(logits.float(), batch.labels)
        self.log("val/loss", loss, on_step=False, on_epoch=True, batch_size=len(batch.labels), sync_dist=True)

    def test_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Accuracy over the files of the test part; returns the logits ``(batch, classes)`` of the clips."""
        logits = self(batch.inputs)
        data = self.trainer.datamodule  # type: ignore[attr-defined]
        files = batch.clips
        if isinstance(data, SoundDataModule):
            files = torch.from_numpy(data.table.file_numbers).to(files.device)[files]
        self.test_accuracy.update(logits, batch.labels, batch.clips, files)
        self.log("test/accuracy", self.test_accuracy, on_step=False, on_epoch=True)
        return logits

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Make the checkpoint say by itself which corpus, representation and fold it belongs to."""
        checkpoint.update(self.provenance)
        keep_average(self.trainer, checkpoint)

    def configure_optimizers(self) -> Any:
        """AdamW with the chosen schedule."""
        rate, decay = self.hparams["learning_rate"], self.hparams["weight_decay"]
        # One pass over the parameters: on a CPU a tenth of the time. Under a gradient scaler it rules out clipping.
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
