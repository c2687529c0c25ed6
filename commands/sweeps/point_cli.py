"""The flags of a sweep's point: all of train.py's, and what is to be done with the trained classifier."""

import itertools
import json
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

from classifiers import ARCHITECTURES
from classifiers.baselines import BASELINES
from commands.attack_cli import read_plans
from commands.config_file import packages_named
from commands.errors import UsageError
from commands.flags import PointFlags, TrainFlags, check_attack_numbers
from commands.parser import check_names
from commands.train_cli import TrainCLI, TrainParser
from datamodules import CORPORA
from lightning_modules.sound_classifier import default_learning_rate
from representations import REPRESENTATIONS
from storage.run_folder import differing_keys

SCRIPTS = Path(__file__).parents[2]
POINT_FLAGS = tuple(f"--{field.name}" for field in fields(PointFlags))
# Flags that choose what a run's name begins with, rather than what is added to it.
BASE = ("config", "name", "data", "data.representation")
CLASS = re.compile(r"[A-Za-z_][\w.]*")
ARCHITECTURE = "model.architecture"
# The seed reaches data and model through links.
LINKED = ("data.seed", "model.seed")
LEARNING_RATE = "model.learning_rate"


class PointCLI(TrainCLI):
    """Reads points, one after the other with one parser, because building the parser takes seconds."""

    program = "sweep.py point"
    own_flags = (TrainFlags, PointFlags)

    def __init__(self) -> None:
        self.bases: dict[tuple[str, ...], tuple[str, dict[str, Any]]] = {}
        self.arguments: list[str] = []
        with warnings.catch_warnings():
            # Advises against what is meant here: many command lines for one parser.
            warnings.filterwarnings("ignore", message=".*LightningCLI's args parameter")
            super().__init__([])

    def read(self, args: Sequence[str]) -> None:
        """Parse the command line of a point, without ``sweep.py point``.

        Raises:
            UsageError: if a flag is invalid.
        """
        self._parse(args)
        self.arguments = list(args)
        for model in self.settings["transfer"]:
            architecture, colon, epochs = model.partition(":")
            if architecture not in ARCHITECTURES and "." not in architecture:
                known = ", ".join(ARCHITECTURES)
                raise UsageError(f"expected --transfer to name some of {known}, got {architecture!r}")
            if colon and not (epochs.isdecimal() and int(epochs) > 0):
                given = f"{architecture}:24 for example, got {model!r}"
                raise UsageError(f"expected --transfer ARCHITECTURE:EPOCHS, {given}")
        self.check_flags()
        # Before the first training, not after it.
        check_attack_numbers(self.settings["attacks"], self.settings["clips"])
        read_plans(self.settings["attacks"], self.settings["budgets"], self.packages_of_checkpoints)

    def _parse(self, args: Sequence[str]) -> None:
        check_names(args)
        assert isinstance(self.parser, TrainParser)
        self.packages = self.parser.named = packages_named(args)
        self.config = self.parser.parse_args(list(args))
        self.instantiate_classes()

    @property
    def packages_of_checkpoints(self) -> list[str]:
        """Packages that the point's own command line names classes of; its checkpoints will name the same."""
        data = self.settings["data"]
        representation = data["init_args"].get("representation") or {}
        paths = [data["class_path"], representation.get("class_path", "STFT")]
        own = [path.rpartition(".") for path in (*paths, self.settings["model"]["architecture"])]
        known = {*CORPORA, *REPRESENTATIONS, *ARCHITECTURES, *BASELINES}
        # What a package offers may be defined in another of its modules.
        foreign = [module.split(".")[0] for module, _, name in own if name not in known]
        return list(dict.fromkeys([*self.settings["allow_import"], *foreign]))

    @property
    def train_flags(self) -> list[str]:
        """The part of the command line that is train.py's."""
        kept = []
        ours = False
        for argument in self.arguments:
            if argument.startswith("--"):
                ours = argument.split("=", 1)[0] in POINT_FLAGS
            if not ours:
                kept.append(argument)
        return kept

    @property
    def run_name(self) -> str:
        """Name of the run: its configuration file, and each setting that differs from what that file says.

        The same setting has the same name in every sweep, so that sweeps share their runs.

        Raises:
            UsageError: if there is neither a configuration file nor a name.
        """
        name, default = self._base(
            tuple(f"--{flag}={value}" for flag, value in pairs(self.arguments) if _is_base(flag, value))
        )
        differing = differing_keys(default, self.identity) - set(LINKED)
        if _chosen_learning_rate(self.identity["model"]) == _chosen_learning_rate(default["model"]):
            differing.discard(LEARNING_RATE)
        else:
            differing.add(LEARNING_RATE)
        # The architecture comes last, so that the models of a transfer are found under the point's name.
        ordered = sorted(differing, key=lambda key: (key == ARCHITECTURE, key))
        return "-".join([name, *(_fragment(key, self.identity) for key in ordered)])

    @contextmanager
    def with_flags(self, flags: Sequence[str]) -> Iterator[None]:
        """Within the block the point has some more flags, of which the last value counts."""
        config, settings, arguments = self.config, self.settings, self.arguments
        try:
            self.arguments = [*arguments, *flags]
            self._parse(self.arguments)
            yield
        finally:
            self.config, self.settings, self.arguments = config, settings, arguments

    def _base(self, arguments: tuple[str, ...]) -> tuple[str, dict[str, Any]]:
        """What a name begins with, and the settings that need not be added to it."""
        if arguments not in self.bases:
            config, settings = self.config, self.settings
            try:
                self._parse(arguments)
                self.bases[arguments] = (_base_name(arguments, self.settings["name"]), self.identity)
            finally:
                self.config, self.settings = config, settings
        return self.bases[arguments]


def pairs(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each flag of a command line, without its hyphens, and its (first) value."""
    for argument, following in itertools.pairwise([*arguments, ""]):
        if argument.startswith("--"):
            flag, equals, value = argument[2:].partition("=")
            yield flag, value if equals else following


def setting(settings: dict[str, Any], flag: str) -> Any:
    """Value of a dotted flag in resolved settings; a class is its short name.

    Raises:
        KeyError: if there is no such flag.
    """
    value: Any = settings
    for part in flag.split("."):
        if isinstance(value, dict) and "class_path" in value and part != "init_args":
            value = value.get("init_args") or {}
        if not isinstance(value, dict) or part not in value:
            raise KeyError(flag)
        value = value[part]
    if isinstance(value, dict) and "class_path" in value:
        return value["class_path"].rsplit(".", 1)[-1]
    return value


def _base_name(base: Sequence[str], given: str | None) -> str:
    values = [argument.split("=", 1) for argument in base]
    files = [Path(value).stem.replace("_", "-") for flag, value in values if flag == "--config"]
    if not files and not given:
        raise UsageError("expected --config or --name, by which the run of a point is named, got neither")
    classes = [value.rsplit(".", 1)[-1] for flag, value in values if flag in ("--data", "--data.representation")]
    return "-".join([given or files[-1], *(name.lower() for name in classes)])


def _is_base(flag: str, value: str) -> bool:
    # A representation that is given as JSON or as a file is a group of settings, not the name of a class.
    return flag in BASE and (flag in ("config", "name") or CLASS.fullmatch(value) is not None)


def _chosen_learning_rate(model: Mapping[str, Any]) -> float | None:
    """The learning rate of a model, None where it is the default, which the architecture decides."""
    chosen = float(model["learning_rate"])
    return None if chosen == default_learning_rate(model["architecture"]) else chosen


def _fragment(key: str, identity: dict[str, Any]) -> str:
    """What a setting adds to a name: letters, digits and ``_.-`` only, which W&B takes in names of artifacts."""
    value: Any = identity
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    text = re.sub(r"[^A-Za-z0-9_.-]+", "_", json.dumps(value)).strip("_")
    return text if key == ARCHITECTURE else f"{key.rsplit('.', 1)[-1]}-{text}"
