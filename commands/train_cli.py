"""The flags of train.py: Lightning's own, the corpora's, and the few that speak of a whole cross-validation."""

import itertools
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import yaml
from pytorch_lightning import Trainer, seed_everything
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI
from pytorch_lightning.utilities.exceptions import MisconfigurationException

from classifiers import ARCHITECTURES
from classifiers.baselines import BASELINES
from commands.errors import (
    LARGEST_SEED,
    UsageError,
    packages_to_import,
    refuse_deletion_by_many,
    require_folder,
    require_number,
)
from commands.parser import one_sentence
from datamodules import CORPORA, SoundDataModule
from lightning_modules import SoundClassifier
from lightning_modules.sound_classifier import default_learning_rate
from lightning_modules.trained_classifier import NOT_FROM_A_FILE, build_data
from lightning_modules.weight_average import WeightAverage
from lightning_modules.weights_and_biases import WandbMode
from representations import REPRESENTATIONS
from storage import RunFolder
from storage.provenance import is_launched

TRAINER_DEFAULTS: dict[str, Any] = {
    "max_epochs": 40,
    # The DataModule divides batches among processes itself: each test clip once, the same order for any number.
    "use_distributed_sampler": False,
    "num_sanity_val_steps": 0,
    "log_every_n_steps": 10,
    "enable_model_summary": False,
    "deterministic": "warn",
}
# Settings that say where and how fast, not what: a run may be continued with others.
INCIDENTAL = ("root", "fold", "num_workers", "cache_dir", "cache_maps", "download")

CHOICES: dict[str, tuple[str, ...]] = {
    "--data": tuple(CORPORA),
    "--data.representation": tuple(REPRESENTATIONS),
    "--model.architecture": (*ARCHITECTURES, *BASELINES),
}
# What the ConvNets are trained with and a baseline, fitted once on maps as they are, has no use for; each with "off".
NOT_OF_BASELINES: dict[str, Any] = {
    "--model.frequency_masks": 0,
    "--model.time_masks": 0,
    "--model.class_weights": "none",
    "--data.random_gain": 0.0,
    "--data.noise_snr": None,
}


def check_names(arguments: Sequence[str]) -> None:
    """Refuse unknown names of corpora, representations and architectures before the parser sees them.

    An import path (``package.Class``), a file or a dictionary passes: users may bring their own classes.

    Raises:
        UsageError: naming what is allowed.
    """
    flat = [part for argument in arguments for part in (argument.split("=", 1) if argument[:2] == "--" else [argument])]
    for flag, value in itertools.pairwise(flat):
        allowed = CHOICES.get(flag)
        if allowed and value not in allowed and not set(value) & set("./{"):
            raise UsageError(f"expected {flag} to be one of {', '.join(allowed)}, got {value!r}")


class OneSentenceParser(LightningArgumentParser):
    """Lightning's parser, except that flags are written out and an error is one sentence that names what is allowed."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # A flag that is cut short or misspelt at its end must not start hours of another job.
        super().__init__(*args, **{"allow_abbrev": False, **kwargs})

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raise instead of printing a page of usage."""
        flags = {action.dest: action.option_strings[0] for action in self._actions if action.option_strings}
        raise UsageError(one_sentence(message, flags))


def add_allow_import(parser: LightningArgumentParser) -> None:
    """Add the flag without which a file makes the program import nothing but the project itself."""
    parser.add_argument(
        *("--allow-import", "--allow_import"),
        type=str,
        nargs="+",
        default=[],
        help="packages whose classes checkpoints may name; importing one runs its code, so name only what you trust",
    )


def require_plain_name(name: str, hint: str) -> None:
    """Raise ``UsageError`` unless a name is that of a folder directly below the folder of runs, or of transfers."""
    if name in ("", ".", "..") or Path(name).name != name or "\\" in name or not name.isprintable():
        raise UsageError(f"expected --name to be the name of a folder, got {name!r}; {hint}")


def check_trainer(settings: dict[str, Any]) -> None:
    """Raise ``UsageError`` if Lightning refuses a Trainer's settings, before any work for it is done."""
    plain = {name: value for name, value in settings.items() if isinstance(value, bool | int | float | str | list)}
    alone: dict[str, Any] = {**plain, "logger": False, "callbacks": None, "enable_checkpointing": False}
    try:
        Trainer(**alone)
    except (MisconfigurationException, ValueError, TypeError, RuntimeError) as error:
        raise UsageError(f"expected --trainer flags that fit together and this machine, got: {error}") from error


class TrainCLI(LightningCLI):
    """Parses the command line; classes are built later, anew for each fold.

    Args:
        args: command line; that of the process by default.
        checkpoint: content of a checkpoint whose settings, once they are checked, replace the defaults.
    """

    def __init__(self, args: Sequence[str] | None = None, checkpoint: dict[str, Any] | None = None) -> None:
        self.checkpoint = checkpoint
        arguments = list(sys.argv[1:] if args is None else args)
        check_names(arguments)
        if checkpoint is not None and _downloads(arguments):
            raise UsageError("expected --data.root with --data.download: nothing is written to a recorded folder")
        super().__init__(
            SoundClassifier,
            SoundDataModule,
            subclass_mode_data=True,
            save_config_callback=None,
            trainer_defaults=TRAINER_DEFAULTS,
            seed_everything_default=False,
            parser_class=OneSentenceParser,
            parser_kwargs={"description": "Train and cross-validate a sound classifier."},
            args=None if args is None else arguments,
            run=False,
            auto_configure_optimizers=False,
            load_from_checkpoint_support=False,
        )

    def add_default_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Leave out Lightning's own seed flag: ``--seed`` decides split, weights, order and augmentation together."""

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the flags of the cross-validation and tie the model to its data."""
        parser.add_argument("--name", type=str | None, default=None, help="name of the run, its folder in --runs_dir")
        parser.add_argument("--runs_dir", type=str, default="runs", help="folder of all runs")
        parser.add_argument("--folds", type=str | list[int] | int, default="all", help="all, or numbers: 1 or 1,2")
        parser.add_argument("--seed", type=int, default=0, help="seed of split, weights, order and augmentation")
        parser.add_argument(
            "--overwrite", type=bool, nargs="?", const=True, default=False, help="delete a run of this name first"
        )
        parser.add_argument(
            "--test-only", "--test_only", type=str | None, default=None, help="checkpoint to test again, untrained"
        )
        add_allow_import(parser)
        parser.add_argument("--early_stopping.patience", type=int, default=15, help="epochs without a better one")
        parser.add_argument(
            "--weight_average.decay", type=float, default=0.99, help="of the moving average of weights; 0 = off"
        )
        parser.add_argument("--wandb.project", type=str, default="sound-robustness", help="W&B project")
        parser.add_argument("--wandb.mode", type=WandbMode, default="auto", help="online with an account, else offline")
        names = next(action for action in parser._actions if action.dest == "model.architecture")
        names.help = f"one of {', '.join(CHOICES['--model.architecture'])}"
        parser.link_arguments("data.num_classes", "model.num_classes", apply_on="instantiate")
        parser.link_arguments("seed", "data.init_args.seed")
        parser.link_arguments("seed", "model.seed")
        parser.set_defaults({"data": {"class_path": "datamodules.SyntheticSounds"}})
        if self.checkpoint is not None:
            recipe = self.checkpoint["recipe"]
            recorded = recipe["data"]["init_args"]
            init_args = {name: value for name, value in recorded.items() if name not in ("seed", *NOT_FROM_A_FILE)}
            init_args["fold"] = self.checkpoint["fold"]
            model = {key: value for key, value in recipe["model"].items() if key not in ("num_classes", "seed")}
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
            self.parser.dump(self.config, skip_link_targets=False, skip_none=False, format="yaml")
        )
        model = self.settings["model"]
        self._check_architecture()
        if model["learning_rate"] is None:
            # The record of a run says the number.
            model["learning_rate"] = default_learning_rate(model["architecture"])

    def _check_architecture(self) -> None:
        # A name in a file of settings; one on the command line was looked at before.
        architecture, known = self.settings["model"]["architecture"], CHOICES["--model.architecture"]
        if architecture not in known:
            raise UsageError(f"expected --model.architecture to be one of {', '.join(known)}, got {architecture!r}")
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
            # Other settings are said before that the run is finished, which would invite to delete another experiment.
            run.open(
                {**self.settings, "table_digest": table_digest},
                identity=self.identity,
                overwrite=settings["overwrite"] and not launched,
            )
        except ValueError as error:
            raise UsageError(one_sentence(str(error))) from error
        if finished and not settings["overwrite"] and not launched:
            raise UsageError(f"expected a run to train, found {run.path} finished; --overwrite trains it again")
        return run

    def check_name(self, name: str) -> None:
        """Raise ``UsageError`` if a run of this name would lie outside the folder of runs."""
        require_plain_name(name, "--runs_dir says where runs lie")
        runs = Path(self.settings["runs_dir"]).expanduser()
        if (runs / name).resolve().parent != runs.resolve():
            raise UsageError(
                f"expected the run {name} to lie in {runs}, got a link to {(runs / name).resolve()}; "
                "choose another --name, or the folder that it leads to with --runs_dir"
            )

    @property
    def default_name(self) -> str:
        """Name of a run that was given none: corpus, representation, architecture."""
        data = self.settings["data"]
        representation = (data["init_args"].get("representation") or {}).get("class_path", "STFT")
        parts = (data["class_path"], representation, self.settings["model"]["architecture"])
        return "-".join(part.rsplit(".", 1)[-1].lower() for part in parts)

    def check(self) -> None:
        """Refuse what can be told from the flags and this machine, before any folder is made or recording read.

        Raises:
            UsageError: as :meth:`check_flags`, and if Lightning refuses the Trainer's settings.
        """
        self.check_flags()
        refuse_deletion_by_many(self.settings["overwrite"])
        check_trainer(self.settings["trainer"])

    def check_flags(self) -> None:
        """Refuse what can be told from the flags alone.

        Raises:
            UsageError: if a number lies outside its range, a folder is a file, or a class refuses its settings.
        """
        settings = self.settings
        require_number("--seed", settings["seed"], 0, LARGEST_SEED)
        require_number("--early_stopping.patience", settings["early_stopping"]["patience"], 0)
        packages_to_import(settings["allow_import"])
        require_folder("--runs_dir", settings["runs_dir"])
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
            raise UsageError(one_sentence(str(error))) from error

    def chosen_folds(self, number_of_folds: int | None) -> list[int]:
        """Numbers of the folds to train; without a number of folds, those that were named, or the one of the data.

        Raises:
            UsageError: if a fold does not exist.
        """
        chosen = self.settings["folds"]
        if chosen == "all":
            named = self.settings["data"]["init_args"].get("fold", 1)
            return [named] if number_of_folds is None else list(range(1, number_of_folds + 1))
        try:
            folds = [int(fold) for fold in (chosen if isinstance(chosen, list) else str(chosen).split(","))]
        except ValueError:
            raise UsageError(f"expected --folds to be all or numbers such as 1 or 1,2, got {chosen!r}") from None
        wrong = [fold for fold in folds if fold < 1 or (number_of_folds is not None and fold > number_of_folds)]
        if wrong:
            raise UsageError(f"expected --folds in 1..{number_of_folds or 'the number of folds'}, got {wrong[0]}")
        return sorted(set(folds))

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
        """The settings that decide a run's result; where files lie and how many processes work does not."""
        data = {key: value for key, value in self.recipe["data"]["init_args"].items() if key not in INCIDENTAL}
        trainer = {key: self.settings["trainer"][key] for key in ("max_epochs", "max_steps", "precision")}
        return {
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
        seed_everything(self.settings["seed"], workers=True, verbose=False)
        try:
            self.built = self.parser.instantiate_classes(config)
        except ValueError as error:
            raise UsageError(one_sentence(str(error))) from error
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
            raise UsageError(one_sentence(str(error))) from error

    def build_trainer(self, **extra: Any) -> Trainer:
        """Build a Trainer from the flags and what the cross-validation adds."""
        settings = dict(self.built["trainer"])
        callbacks = settings.pop("callbacks", None) or []
        callbacks = callbacks if isinstance(callbacks, list) else [callbacks]
        return Trainer(**{**settings, **extra, "callbacks": [*callbacks, *extra.get("callbacks", [])]})


def _downloads(arguments: Sequence[str]) -> bool:
    flags = {argument.split("=", 1)[0] for argument in arguments}
    return "--data.download" in flags and "--data.root" not in flags
