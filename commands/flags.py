"""The flags of the commands as dataclasses: name, type, default and meaning.

jsonargparse reads them (:meth:`commands.parser.OneSentenceParser.add_flags`), and so does ``--help``. The flags of
corpora, representations, models and Lightning's Trainer are the arguments of their constructors.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from commands.errors import (
    LARGEST_SEED,
    UsageError,
    packages_to_import,
    refuse_deletion_by_many,
    require_folder,
    require_number,
)
from storage.space import SpaceName

LoggerName = Literal["wandb", "tensorboard", "none"]

SEVEN = ("fgsm", "bim_a", "bim_b", "deepfool", "jsma", "cwa", "lbfgs")
"""The attacks that are run if none are named."""


@dataclass
class WandbFlags:
    """Weights & Biases.

    Args:
        project: project of Weights & Biases.
        mode: auto is online with an account and offline without one; disabled records nothing.
    """

    project: str = "sound-robustness"
    mode: Literal["auto", "online", "offline", "disabled"] = "auto"


@dataclass
class EarlyStoppingFlags:
    """When training ends before --trainer.max_epochs.

    Args:
        patience: epochs without a lower validation loss after which a fold's training ends.
    """

    patience: int = 15


@dataclass
class WeightAverageFlags:
    """The moving average of the weights; the averaged weights are tested.

    Args:
        decay: decay of the average per step; 0 turns it off.
    """

    decay: float = 0.99


@dataclass
class TrainFlags:
    """What train.py does with a corpus, a representation and a model.

    Args:
        name: name of the run, its folder in --runs_dir; corpus, representation and architecture by default.
        runs_dir: folder of all runs.
        folds: all, or the numbers of some folds, such as 1 or 1,2.
        seed: seed of the split, the initial weights, the order of clips and augmentation.
        overwrite: delete a run of this name first.
        test_only: checkpoint to test again instead of training.
        allow_import: packages whose classes checkpoints may name; importing one runs its code, so name only what you
            trust.
        logger: what records settings, curves and results: Weights & Biases, TensorBoard or nothing.
        early_stopping: when training ends early.
        weight_average: the moving average of the weights.
        wandb: Weights & Biases.
    """

    name: str | None = None
    runs_dir: str = "runs"
    folds: str | int | list[int] = "all"
    seed: int = 0
    overwrite: bool = False
    test_only: str | None = None
    allow_import: list[str] = field(default_factory=list)
    logger: LoggerName = "wandb"
    early_stopping: EarlyStoppingFlags = field(default_factory=EarlyStoppingFlags)
    weight_average: WeightAverageFlags = field(default_factory=WeightAverageFlags)
    wandb: WandbFlags = field(default_factory=WandbFlags)


@dataclass
class PlaceFlags:
    """Where a checkpoint's corpus lies on this machine, and how many clips are processed at once.

    Args:
        root: folder of the corpus on this machine; the one that the checkpoint names by default.
        cache_dir: folder of the caches on this machine; the user's cache folder by default.
        batch_size: clips per batch; results do not depend on it.
    """

    root: str | None = None
    cache_dir: str | None = None
    batch_size: int = 32


@dataclass
class DeviceFlags:
    """Devices and precision of Lightning's Trainer.

    Args:
        accelerator: cpu, gpu or another accelerator of Lightning; the best available by default.
        strategy: how several devices are used together, ddp for example.
        devices: how many devices, or which; all by default.
        num_nodes: number of machines.
        precision: 32-true (default), bf16-mixed, 64-true or another precision of Lightning.
        deterministic: refuse nondeterministic operations (true), or warn about them (warn).
        benchmark: let cuDNN select the fastest algorithms.
        profiler: Lightning's profiler, simple or advanced.
    """

    accelerator: str = "auto"
    strategy: str = "auto"
    devices: list[int] | str | int = "auto"
    num_nodes: int = 1
    precision: int | str | None = None
    deterministic: bool | Literal["warn"] | None = "warn"
    benchmark: bool | None = None
    profiler: str | None = None


@dataclass
class CraftingFlags:
    """How attack.py and transfer.py attack trained checkpoints.

    Args:
        checkpoints: checkpoint files, or folders of runs, which stand for all their folds.
        space: attack the map that the classifier sees, or the sound that the map is computed from.
        attacks: names of attacks, torchattacks.CLASS, adv_lib.FUNCTION, or YAML files that describe one.
        budgets: budgets of the attacks: smoke, reduced, paper, or a YAML file.
        clips: size of the stratified subset of each test part that is attacked; all clips by default.
        folds: all, or the numbers of some folds, such as 1 or 1,2.
        seed: seed of the random target labels and of every other random choice.
        overwrite: delete results of other settings first.
        sound_format: file format of stored sounds.
        checks: full adds the Square attack on 20 clips to the trust checks.
        allow_import: packages whose classes checkpoints and files of attacks may name; importing one runs its code, so
            name only what you trust.
        logger: what records settings and results: Weights & Biases, TensorBoard or nothing.
        data: where the corpus lies on this machine.
        wandb: Weights & Biases.
        trainer: devices and precision.
    """

    checkpoints: list[str]
    space: SpaceName = "map"
    attacks: list[str] = field(default_factory=lambda: list(SEVEN))
    budgets: str = "reduced"
    clips: int | None = None
    folds: str | int | list[int] = "all"
    seed: int = 0
    overwrite: bool = False
    sound_format: Literal["wav", "flac"] = "wav"
    checks: Literal["basic", "full"] = "basic"
    allow_import: list[str] = field(default_factory=list)
    logger: LoggerName = "wandb"
    data: PlaceFlags = field(default_factory=PlaceFlags)
    wandb: WandbFlags = field(default_factory=WandbFlags)
    trainer: DeviceFlags = field(default_factory=DeviceFlags)

    def check(self) -> None:
        """Check the flags on their own, before anything is read.

        Raises:
            UsageError: if a number lies outside its range, a folder is a file, or a format of sounds is asked for maps.
        """
        check_attack_numbers(self.attacks, self.clips)
        if self.sound_format != "wav" and self.space == "map":
            raise UsageError(
                f"expected --sound_format {self.sound_format} with --space sound, whose adversarials are files of "
                "sound, got it with maps"
            )
        chosen_folds(self.folds)
        require_number("--seed", self.seed, 0, LARGEST_SEED)
        require_number("--data.batch_size", self.data.batch_size, 1)
        require_folder("--data.cache_dir", self.data.cache_dir)
        packages_to_import(self.allow_import)
        check_logger(self.logger)
        refuse_deletion_by_many(self.overwrite)


@dataclass
class AttackFlags(CraftingFlags):
    """What attack.py does with trained checkpoints.

    Args:
        output: folder of the results; in the run by default.
        save_adversarials: store every adversarial; sounds with 16 bits, beside their clean clips.
    """

    output: str | None = None
    save_adversarials: bool = False

    def check(self) -> None:
        """Check the flags on their own, before anything is read.

        Raises:
            UsageError: as :meth:`CraftingFlags.check`.
        """
        super().check()
        require_folder("--output", self.output)


@dataclass
class TransferFlags(CraftingFlags):
    """What transfer.py does with trained checkpoints; it attacks like attack.py, and keeps every adversarial.

    Args:
        name: folder of the results in runs/<source>/transfer/, of sounds transfer-sound/; the name of the budgets by
            default.
    """

    name: str | None = None

    @property
    def folder(self) -> str:
        """Name of the transfer; that of the profile of budgets by default."""
        return self.name or Path(self.budgets).stem

    def check(self) -> None:
        """Check the flags on their own, before anything is read.

        Raises:
            UsageError: as :meth:`CraftingFlags.check`, and if the name is not that of a folder.
        """
        super().check()
        if self.name is not None:
            require_plain_name(self.name, "runs/<source>/transfer says where transfers lie")


@dataclass
class PointFlags:
    """What follows the training in a point of a sweep.

    Args:
        attacks: attacks, as attack.py takes them.
        budgets: budgets of the attacks: smoke, reduced, paper, or a YAML file.
        clips: size of the stratified subset of each test part that is attacked; all clips by default.
        transfer: architectures, or ARCHITECTURE:EPOCHS; each is trained and attacked, and all are evaluated on the
            adversarials of each.
        scripts: folder of train.py, attack.py and transfer.py; this checkout by default.
    """

    attacks: list[str] = field(default_factory=lambda: list(SEVEN))
    budgets: str = "paper"
    clips: int | None = None
    transfer: list[str] = field(default_factory=list)
    scripts: str | None = None


@dataclass
class SweepFlags:
    """What sweep.py does with the points of a sweep; flags behind -- on its command line go to every point.

    Args:
        jobs: how many points run at once.
        dry_run: list the commands, one line per point, and stop.
        only: run only the points with KEY=VALUE, such as data=ESC10.
        attacks: attacks that replace those of the sweep.
        budgets: budgets that replace those of the sweep.
        clips: number of clips of each test part to attack, instead of all.
        runs_dir: folder of all runs.
        logger: what records every point: Weights & Biases (default), TensorBoard or nothing.
        unit_times: file of unit times, from which the time left of a study is estimated;
            configs/unit_times/one_core.yaml by default.
    """

    jobs: int = 1
    dry_run: bool = False
    only: list[str] = field(default_factory=list)
    attacks: list[str] | None = None
    budgets: str | None = None
    clips: int | None = None
    runs_dir: str | None = None
    logger: LoggerName | None = None
    unit_times: str | None = None


@dataclass
class PredictFlags:
    """How predict.py classifies sound files.

    Args:
        top: how many classes are named for each file, the most probable first.
        windows: which part of a file longer than the classifier's clips is used; all is judged by the mean of the
            windows' log-probabilities.
        each_window: also list the classes of each window.
        format: format of the results.
        output: file for the results; standard output by default.
        device: cpu or cuda for example; a GPU by default if there is one.
        allow_import: packages whose classes the checkpoint may name; importing one runs its code, so name only what you
            trust.
    """

    top: int = 3
    windows: Literal["first", "centre", "all"] = "all"
    each_window: bool = False
    format: Literal["table", "csv", "json"] = "table"
    output: str | None = None
    device: str = "auto"
    allow_import: list[str] = field(default_factory=list)


@dataclass
class ReportFlags:
    """What report.py reads and writes.

    Args:
        output: folder of the report.
        split: only runs of this split; by default the most frequent one.
        budgets: only attacks with this profile of budgets; by default the most frequent one.
        figure6_label: class of the clip in Figure 6; the dog bark by default.
        seed: seed of permutations.
    """

    output: str = "report"
    split: str | None = None
    budgets: str | None = None
    figure6_label: int | None = None
    seed: int = 0


def chosen_folds(value: str | int | Sequence[int]) -> list[int] | None:
    """Numbers of the folds that ``--folds`` names, ascending; None for all.

    Raises:
        UsageError: if it is neither all nor numbers from 1.
    """
    if value == "all":
        return None
    parts = str(value).split(",") if isinstance(value, str | int) else value
    try:
        folds = sorted({int(part) for part in parts})
    except ValueError:
        raise UsageError(f"expected --folds to be all or numbers such as 1 or 1,2, got {value!r}") from None
    if not folds or folds[0] < 1:
        raise UsageError(f"expected --folds to be all or numbers from 1, such as 1 or 1,2, got {value!r}")
    return folds


def check_attack_numbers(attacks: Sequence[str], clips: int | None) -> None:
    """Raise ``UsageError`` if ``--clips`` is below 1, or attacks are separated by commas."""
    if clips is not None:
        require_number("--clips", clips, 1)
    together = next((name for name in attacks if "," in name and not Path(name).is_file()), None)
    if together is not None:
        raise UsageError(f"expected spaces between attacks, --attacks {together.replace(',', ' ')}, got {together!r}")


def check_logger(name: LoggerName) -> None:
    """Raise ``UsageError`` if TensorBoard is asked for and not installed."""
    if name == "tensorboard" and find_spec("tensorboard") is None:
        raise UsageError(
            "expected TensorBoard for --logger tensorboard, found none; install it with: pip install '.[tensorboard]'"
        )


def require_plain_name(name: str, hint: str) -> None:
    """Raise ``UsageError`` unless a name is that of a folder directly below the folder of runs, or of transfers."""
    if name in ("", ".", "..") or Path(name).name != name or "\\" in name or not name.isprintable():
        raise UsageError(f"expected --name to be the name of a folder, got {name!r}; {hint}")
