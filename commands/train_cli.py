"""The command line of train.py: Lightning's own flags, those of the corpora, and those of the cross-validation."""

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml
from pytorch_lightning import Trainer, seed_everything
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI

from classifiers import find_architecture, require_fitting_input
from classifiers.baselines import BASELINES
from commands.config_classes import refuse_foreign_names
from commands.config_file import NOT_SETTINGS, as_yaml, packages_named, settings_in
from commands.errors import (
    LARGEST_SEED,
    UsageError,
    packages_to_import,
    refuse_deletion_by_many,
    require_folder,
    require_number,
)
from commands.flags import TrainFlags, check_logger, chosen_folds, require_plain_name
from commands.outlook import device
from commands.parser import CHOICES, OneSentenceParser, check_names, groups, reason_of
from commands.train_flags import TRAINER_DEFAULTS
from commands.trainer import check_trainer
from datamodules import SoundDataModule
from lightning_modules import SoundClassifier
from lightning_modules.sound_classifier import default_learning_rate
from lightning_modules.trained_classifier import NOT_FROM_A_FILE, build_data
from lightning_modules.weight_average import WeightAverage
from storage import RunFolder
from storage.provenance import is_launched
from storage.trained_run import sha256

# Settings that say where and how fast, not what: a run may be continued with others.
INCIDENTAL = ("root", "csv", "fold", "num_workers", "cache_dir", "cache_maps", "download")

# Settings without a meaning for baselines, which are fitted once on the maps as they are; each with the value for off.
NOT_OF_BASELINES: dict[str, Any] = {
    "--model.frequency_masks": 0,
    "--model.time_masks": 0,
    "--model.class_weights": "none",
    "--data.random_gain": 0.0,
    "--data.noise_snr": None,
}


class TrainParser(OneSentenceParser, LightningArgumentParser):
    """Lightning's parser with this project's flags and errors.

    Attributes:
        named: packages that the command line names, from which files of settings may name classes.
    """

    named: tuple[str, ...] = ()

    def spelt_out(self, arguments: Iterable[str]) -> list[str]:
        """A command line as jsonargparse writes it; it would pass null to a representation as the word None."""
        written: list[str] = []
        for flag, values in groups(super().spelt_out(arguments)):
            name, equals, value = flag.partition("=")
            owner, _, setting = name.rpartition(".")
            if owner == "--data.representation" and ([value] if equals else values) == ["null"]:
                written.append(f"{owner}={json.dumps({setting: None})}")
            else:
                written += [flag, *values] if flag else values
        return written

    def read_config(self, path: Path) -> str:
        """The settings of a file as YAML, if it names nothing that the command line does not."""
        settings = settings_in(path)
        try:
            refuse_foreign_names(settings, self.named, path.parent)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
        return as_yaml(settings)


class TrainCLI(LightningCLI):
    """Parses the command line; classes are built later, anew for each fold.

    Args:
        args: command line; that of the process by default.
        checkpoint: content of a checkpoint whose settings, once they are checked, replace the defaults.

    Attributes:
        packages: packages that the command line names, from which a network outside the project may come.
    """

    program = "train.py"
    own_flags: tuple[type, ...] = (TrainFlags,)

    def __init__(self, args: Sequence[str] | None = None, checkpoint: dict[str, Any] | None = None) -> None:
        self.checkpoint = checkpoint
        arguments = list(sys.argv[1:] if args is None else args)
        check_names(arguments)
        self.packages = packages_named(arguments)
        if checkpoint is not None and _downloads(arguments):
            raise UsageError("expected --data.root with --data.download: nothing is written to a recorded folder")
        super().__init__(
            SoundClassifier,
            SoundDataModule,
            subclass_mode_data=True,
            save_config_callback=None,
            trainer_defaults=TRAINER_DEFAULTS,
            seed_everything_default=False,
            parser_class=TrainParser,
            parser_kwargs={"description": "Train and cross-validate a sound classifier.", "prog": self.program},
            args=None if args is None else arguments,
            run=False,
            auto_configure_optimizers=False,
            load_from_checkpoint_support=False,
        )

    def add_default_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Leave out Lightning's own seed flag: ``--seed`` decides split, weights, order and augmentation together."""

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the flags of the cross-validation and tie the model to its data."""
        assert isinstance(parser, TrainParser)
        parser.named = self.packages
        for settings in self.own_flags:
            parser.add_flags(settings)
        parser.link_arguments("data.num_classes", "model.num_classes", apply_on="instantiate")
        parser.link_arguments("data.input_shape", "model.input_shape", apply_on="instantiate")
        parser.link_arguments("allow_import", "model.allow_import")
        parser.link_arguments("seed", "data.init_args.seed")
        parser.link_arguments("seed", "model.seed")
        parser.set_defaults({"data": {"class_path": "datamodules.SyntheticSounds"}})
        if self.checkpoint is not None:
            recipe = self.checkpoint["recipe"]
            recorded = recipe["data"]["init_args"]
            init_args = {name: value for name, value in recorded.items() if name not in ("seed", *NOT_FROM_A_FILE)}
            init_args["fold"] = self.checkpoint["fold"]
            # The checkpoint holds the weights; the file that they came from need not be read again.
            linked = ("num_classes", "input_shape", "seed", "weights", "pretrained")
            model = {key: value for key, value in recipe["model"].items() if key not in linked}
            parser.set_defaults(
                {
                    "seed": recipe["data"]["init_args"]["seed"],
                    "data": {"class_path": recipe["data"]["class_path"], "init_args": init_args},
                    **{f"model.{key}": value for key, value in model.items()},
                }
            )

    def _set_seed(self) -> None:
        """Seeding happens fold by fold, in :meth:`build`."""

    def instantiate_classes(self) -> None:
        """Build nothing yet: each fold gets its own data, model and Trainer."""
        self.settings: dict[str, Any] = yaml.safe_load(
            # Checked a moment ago, when the command line was parsed.
            self.parser.dump(self.config, skip_link_targets=False, skip_none=False, skip_validation=True, format="yaml")
        )
        model = self.settings["model"]
        # Not what the classifier is, but what its user trusts.
        model.pop("allow_import", None)
        self._check_architecture()
        if model["learning_rate"] is None:
            # The record of a run holds the value that was used.
            model["learning_rate"] = default_learning_rate(model["architecture"])

    def _check_architecture(self) -> None:
        # A name in a file of settings; one on the command line was looked at before.
        model, known = self.settings["model"], CHOICES["--model.architecture"]
        architecture = model["architecture"]
        if architecture not in known:
            if "." not in architecture:
                raise UsageError(f"expected --model.architecture to be one of {', '.join(known)}, got {architecture!r}")
            try:
                find_architecture(architecture, self.packages)
            except ValueError as error:
                raise UsageError(f"--model.architecture: {error}") from error
        imported = self.settings["trainer"]["max_epochs"] == 0
        if imported and architecture in known and model["weights"] is None:
            raise UsageError(
                f"expected --model.weights with --trainer.max_epochs 0, got none: a {architecture} that is neither "
                "trained nor given weights predicts at random"
            )
        if architecture in BASELINES and model["weights"] is not None:
            raise UsageError(f"expected no --model.weights with {architecture}, which is fitted, not loaded")
        given = (self.settings["data"]["init_args"].get("representation") or {}).get("class_path", "STFT")
        try:
            require_fitting_input(architecture, given.rsplit(".", 1)[-1])
        except ValueError as error:
            raise UsageError(str(error)) from error
        groups = {"model": self.settings["model"], "data": self.settings["data"]["init_args"]}
        for flag, off in NOT_OF_BASELINES.items():
            group, name = flag.removeprefix("--").split(".")
            if architecture in BASELINES and groups[group].get(name, off) != off:
                raise UsageError(
                    f"expected a ConvNet with {flag}, got {architecture}, which is fitted once on the maps as they are"
                )

    def open_run(self, number_of_folds: int, table_digest: str) -> RunFolder:
        """Open the folder of the run, new or interrupted.

        Args:
            number_of_folds: how many folds the whole cross-validation has.
            table_digest: digest of the metadata table, which a new run writes down.

        Raises:
            UsageError: if a run of this name is finished or was started with other settings.
        """
        settings = self.settings
        refuse_deletion_by_many(settings["overwrite"])
        self.check_name(settings["name"] or self.default_name)
        run = RunFolder(Path(settings["runs_dir"]) / (settings["name"] or self.default_name))
        # A process that another one started must not look again: the first may have finished a fold meanwhile.
        launched = is_launched()
        finished = set(self.chosen_folds(number_of_folds)) <= set(run.finished_folds())
        try:
            # Other settings are reported first: "finished" would invite the user to overwrite a different experiment.
            run.open(
                {**self.reproducible, "table_digest": table_digest},
                identity=self.identity,
                overwrite=settings["overwrite"] and not launched,
            )
        except ValueError as error:
            raise UsageError(reason_of(error)) from error
        if finished and not settings["overwrite"] and not launched:
            raise UsageError(f"expected a run to train, found {run.path} finished; --overwrite trains it again")
        return run

    def check_name(self, name: str) -> None:
        """Raise ``UsageError`` if a run of this name would lie outside the folder of runs."""
        require_plain_name(name, "--runs_dir says where runs lie")
        runs = Path(self.settings["runs_dir"])
        if (runs / name).resolve().parent != runs.resolve():
            raise UsageError(
                f"expected the run {name} to lie in {runs}, got a link to {(runs / name).resolve()}; "
                "choose another --name, or the folder that it leads to with --runs_dir"
            )

    @property
    def reproducible(self) -> dict[str, Any]:
        """The settings in a run's ``config.yaml``: all except those that only a command line may set."""
        return {name: value for name, value in self.settings.items() if name not in NOT_SETTINGS}

    @property
    def default_name(self) -> str:
        """Name of a run that was given none: corpus, representation, architecture."""
        data = self.settings["data"]
        representation = (data["init_args"].get("representation") or {}).get("class_path", "STFT")
        parts = (data["class_path"], representation, self.settings["model"]["architecture"])
        return "-".join(part.rsplit(".", 1)[-1].lower() for part in parts)

    def check(self) -> None:
        """Check the flags against each other and this machine, before a folder is created or a recording is read.

        Raises:
            UsageError: as :meth:`check_flags`, and if Lightning refuses the Trainer's settings.
        """
        self.check_flags()
        refuse_deletion_by_many(self.settings["overwrite"])
        trainer = check_trainer(self.settings["trainer"])
        self.device, self.processes = device(trainer), trainer.world_size

    def check_flags(self) -> None:
        """Check the flags on their own.

        Raises:
            UsageError: if a number lies outside its range, a folder is a file, or a class refuses its settings.
        """
        settings = self.settings
        require_number("--seed", settings["seed"], 0, LARGEST_SEED)
        require_number("--early_stopping.patience", settings["early_stopping"]["patience"], 0)
        packages_to_import(settings["allow_import"])
        check_logger(settings["logger"])
        if settings["trainer"]["logger"] is not None:
            raise UsageError("expected --logger wandb, tensorboard or none, got --trainer.logger")
        require_folder("--runs_dir", settings["runs_dir"])
        fold = settings["data"]["init_args"].get("fold", 1)
        if fold != 1 and not settings["test_only"]:
            raise UsageError(
                f"expected --folds to choose what is trained, got --data.fold {fold}, of --test-only alone"
            )
        weights = settings["model"]["weights"]
        if weights is not None and not Path(weights).is_file():
            raise UsageError(f"expected a file of weights as --model.weights, found none at {weights}")
        require_folder("--data.cache_dir", settings["data"]["init_args"].get("cache_dir"))
        if settings["name"] is not None:
            self.check_name(settings["name"])
        try:
            if settings["weight_average"]["decay"] != 0:
                WeightAverage(settings["weight_average"]["decay"])
        except ValueError as error:
            raise UsageError(f"--weight_average.decay: {error}, or 0 for none") from error
        try:
            SoundClassifier.check_settings(
                **{name: settings["model"][name] for name in SoundClassifier.RANGES if name in settings["model"]}
            )
        except ValueError as error:
            raise UsageError(reason_of(error)) from error

    def chosen_folds(self, number_of_folds: int | None) -> list[int]:
        """Numbers of the folds to train; without a number of folds, those that were named, or the one of the data.

        Raises:
            UsageError: if a fold does not exist.
        """
        folds = chosen_folds(self.settings["folds"])
        if folds is None:
            named = self.settings["data"]["init_args"].get("fold", 1)
            return [named] if number_of_folds is None else list(range(1, number_of_folds + 1))
        if number_of_folds is not None and folds[-1] > number_of_folds:
            raise UsageError(f"expected --folds in 1..{number_of_folds}, got {folds[-1]}")
        return folds

    @property
    def recipe(self) -> dict[str, Any]:
        """Settings from which corpus, representation and classifier are rebuilt."""
        data = {
            "class_path": self.settings["data"]["class_path"],
            "init_args": dict(self.settings["data"]["init_args"]),
        }
        return {"data": data, "model": dict(self.settings["model"])}

    @property
    def identity(self) -> dict[str, Any]:
        """The settings that determine a run's results, without file locations and numbers of processes."""
        data = {key: value for key, value in self.recipe["data"]["init_args"].items() if key not in INCIDENTAL}
        trainer = {key: self.settings["trainer"][key] for key in ("max_epochs", "max_steps", "precision")}
        weights = self.settings["model"]["weights"]
        # A run goes on with the file of weights that it was started with, not with another one of its name.
        loaded = {} if weights is None else {"weights": {"weights_sha256": sha256(Path(weights))}}
        return {
            **loaded,
            "data": {"class_path": self.recipe["data"]["class_path"], **data},
            "model": self.recipe["model"],
            "trainer": trainer,
            "early_stopping": self.settings["early_stopping"],
            "weight_average": self.settings["weight_average"],
            "seed": self.settings["seed"],
        }

    def build(self, fold: int) -> tuple[SoundClassifier, SoundDataModule]:
        """Build model and data of a fold, from the same seed whatever was built before.

        Raises:
            UsageError: if a class refuses its settings.
        """
        config = self.config.clone()
        config["data"]["init_args"]["fold"] = fold
        config["model"]["allow_import"] = list(self.packages)
        seed_everything(self.settings["seed"], workers=True, verbose=False)
        try:
            self.built = self.parser.instantiate_classes(config)
        except ValueError as error:
            raise UsageError(reason_of(error)) from error
        return self.built["model"], self.built["data"]

    def build_data(self, fold: int = 1) -> SoundDataModule:
        """Build the data of a fold alone.

        Raises:
            UsageError: if a class refuses its settings.
        """
        recipe = self.recipe["data"]
        try:
            return build_data({**recipe, "init_args": {**recipe["init_args"], "fold": fold}})
        except ValueError as error:
            raise UsageError(reason_of(error)) from error

    def build_trainer(self, **extra: Any) -> Trainer:
        """Build a Trainer from the flags and what the cross-validation adds."""
        settings = dict(self.built["trainer"])
        callbacks = settings.pop("callbacks", None) or []
        callbacks = callbacks if isinstance(callbacks, list) else [callbacks]
        return Trainer(**{**settings, **extra, "callbacks": [*callbacks, *extra.get("callbacks", [])]})


def _downloads(arguments: Sequence[str]) -> bool:
    flags = {argument.split("=", 1)[0] for argument in arguments}
    return "--data.download" in flags and "--data.root" not in flags
