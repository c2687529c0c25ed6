"""A first look at the command line of train.py, or of a sweep's point, before PyTorch and Lightning are imported.

Lightning's parser needs the classes to which the flags belong, whose imports take seconds. The most frequent mistakes
(an unknown flag, a word instead of a number, the name of a corpus) are found here from the source of these classes;
Lightning's parser then parses everything again.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from commands.errors import UsageError
from commands.flags import TrainFlags
from commands.help import Example, Group, help_text
from commands.nearest_flag import unknown_flag
from commands.parser import CHOICES, OneSentenceParser, check_names, groups
from commands.signatures import Flag, constructor_flags, dataclass_flags

TRAINER_DEFAULTS: dict[str, Any] = {
    "max_epochs": 40,
    # The DataModule divides batches among processes itself: each test clip once, the same order for any number.
    "use_distributed_sampler": False,
    "num_sanity_val_steps": 0,
    "log_every_n_steps": 10,
    "enable_model_summary": False,
    "deterministic": "warn",
}
# Given by links: the seed decides all of them, the corpus the number of classes and the maps' shape, --folds the fold.
LINKED = ("data.seed", "model.seed", "model.num_classes", "model.input_shape", "model.allow_import")
# Flags of jsonargparse itself, and whole groups as YAML, which only Lightning's parser understands.
LATER = (
    *("config", "print_config", "print_shtab", "data.help", "data.representation.help"),
    *("model", "trainer", "early_stopping", "weight_average", "wandb"),
)
EXAMPLES = (
    Example("python train.py --trainer.max_epochs 5", "the embedded corpus, takes a minute"),
    Example(
        "python train.py --data ESC10 --data.root DIR --data.representation DWT --model.architecture resnet18",
        "ESC-10, five folds",
    ),
)
POINT_EXAMPLES = (
    Example("python sweep.py point --config configs/train/esc10_stft.yaml --attacks fgsm --budgets smoke", ""),
    Example("python sweep.py point --config configs/train/esc10_stft.yaml --data.root DIR --folds 1", ""),
)


class TrainNames:
    """The flags of train.py by name, for the corpus and the representation that a command line chooses.

    Args:
        arguments: the command line.
        more: dataclasses of further flags.
    """

    def __init__(self, arguments: Sequence[str] = (), *more: type) -> None:
        self.given = [(flag.split("=", 1)[0], flag, values) for flag, values in groups(arguments)]
        self.own = [flag for settings in (TrainFlags, *more) for flag in dataclass_flags(settings)]
        self.corpus = self._chosen("--data", "SyntheticSounds")
        self.representation = self._chosen("--data.representation", "STFT")
        self.data = self._class("datamodules", self.corpus, "data")
        # A file of settings may choose another class than the default, and is not read here.
        some = [self.representation] if self._is_known("--data.representation") else CHOICES["--data.representation"]
        self.maps = {name: self._class("representations", name, "data.representation") for name in some}
        model = [flag.under("model") for flag in constructor_flags("lightning_modules", "SoundClassifier")]
        self.model = [flag for flag in model if flag.name not in LINKED]
        trainer = constructor_flags("pytorch_lightning.trainer.trainer", "Trainer")
        self.trainer = [flag.under("trainer") for flag in trainer]

    def table(self) -> dict[str, Flag]:
        """Every flag by its name; the type is ``Any`` where representations take different ones."""
        found = {flag.name: flag for flag in (*self.own, *self.data, *self.model, *self.trainer)}
        for flag in (flag for flags in self.maps.values() for flag in flags):
            known = found.setdefault(flag.name, flag)
            if known.annotation != flag.annotation:
                found[flag.name] = Flag(flag.name, Any, None, "")
        return found

    @property
    def what(self) -> str:
        """Corpus, representation and architecture, or files of settings, that a command line names, as a short text."""
        files = [Path(full.partition("=")[2] or " ".join(values)).name for name, full, values in self.given]
        configs = [file for file, (name, *_) in zip(files, self.given, strict=True) if name == "--config"]
        chosen = [self._chosen(flag, "") for flag in CHOICES] if configs else []
        plain = [self.corpus, self.representation, self._chosen("--model.architecture", "resnet18")]
        return ", ".join([*configs, *filter(None, chosen)] if configs else plain)

    def takes_anything(self, name: str) -> bool:
        """Whether a flag belongs to a class of the user's own, or lies below a flag that takes a class."""
        if name.startswith("trainer.") and name.endswith(".help"):
            return True
        if name.startswith("data.representation."):
            return not _is_name(self.representation) or not _is_name(self.corpus)
        if name.startswith("data."):
            return not _is_name(self.corpus)
        return name.startswith(("trainer.logger.", "trainer.callbacks.", "trainer.profiler.", "trainer.plugins."))

    def _chosen(self, flag: str, default: str) -> str:
        named = [full.partition("=")[2] or " ".join(values) for name, full, values in self.given if name == flag]
        return named[-1] if named else default

    def _is_known(self, flag: str) -> bool:
        return any(name == flag for name, _, _ in self.given) or not any(name == "--config" for name, *_ in self.given)

    def _class(self, module: str, name: str, prefix: str) -> list[Flag]:
        # A class of the user's own takes at least what its base class takes.
        bases = {"data": "SoundDataModule", "data.representation": "Representation"}
        name = name if _is_name(name) else bases.get(prefix, name)
        found = [flag.under(prefix) for flag in constructor_flags(module, name)]
        return [flag for flag in found if flag.name not in LINKED]


def look_at(program: str, arguments: Sequence[str] | None, *more: type) -> TrainNames:
    """Check a command line as far as that needs no import of a class; print the help and exit if it asks for that.

    Args:
        program: the command.
        arguments: the command line; that of the process by default.
        more: dataclasses of flags beside those of train.py.

    Raises:
        UsageError: if there is no such flag, or it takes no such value.
        SystemExit: after the help.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    names = TrainNames(arguments, *more)
    if {"-h", "--help", "--help-trainer", "--help_trainer"} & set(arguments):
        show_help(program, names, trainer=not {"-h", "--help"} & set(arguments))
    check_names(arguments)
    table = names.table()
    parser = OneSentenceParser(prog=program, add_help=False)
    for settings in (TrainFlags, *more):
        parser.add_flags(settings)
    known = [*table, *(flag[2:] for flag in CHOICES), *LATER]
    own = {flag.name for flag in names.own}
    looked_at: list[str] = []
    for flag, values in groups(parser.spelt_out(arguments)):
        name = flag.split("=", 1)[0][2:].removesuffix("+")
        if not flag:
            looked_at += values
        elif name in own:
            looked_at += [flag, *values]
        elif name in table and table[name].annotation is not Any and not flag.split("=", 1)[0].endswith("+"):
            # A flag that is given again overrides itself.
            if name not in parser.names():
                parser.add_argument(f"--{name}", type=table[name].annotation)
            looked_at += [flag, *values]
        elif name not in known and not names.takes_anything(name):
            raise UsageError(unknown_flag(flag, known, program))
    parser.parse_args(looked_at)
    chosen = {name for name, *_ in names.given}
    setting = next((name for name in chosen if name.startswith("--data.representation.")), None)
    if setting and setting != "--data.representation.help" and not {"--data.representation", "--config"} & chosen:
        raise UsageError(f"expected --data.representation, STFT for example, with {setting}, which is a setting of one")
    return names


def show_help(program: str, names: TrainNames, *, trainer: bool) -> NoReturn:
    """Print the flags, or only those of Lightning's Trainer, and exit."""
    if trainer:
        flags = [
            Flag(flag.name, flag.annotation, TRAINER_DEFAULTS.get(flag.name.split(".")[1], flag.default), flag.help)
            for flag in names.trainer
        ]
        print(help_text(program, "Flags of Lightning's Trainer.", (), [Group("Lightning's Trainer", flags)]))
        raise SystemExit(0)
    chosen = {
        name: Flag(name[2:], str, None, f"one of {', '.join(CHOICES[name])}, or an import path") for name in CHOICES
    }
    model = [flag for flag in names.model if flag.name != "model.architecture"]
    architectures = f"one of {', '.join(CHOICES['--model.architecture'])}, or an import path"
    architecture = Flag("model.architecture", str, "resnet18", architectures)
    data = [flag for flag in names.data if flag.name != "data.representation"]
    point = program != Path("train.py").name
    print(
        help_text(
            program,
            "Train and attack one setting of a sweep." if point else "Train and cross-validate a sound classifier.",
            POINT_EXAMPLES if point else EXAMPLES,
            [
                Group("run", names.own),
                Group("corpus", [chosen["--data"], *data]),
                Group("representation", [chosen["--data.representation"]]),
                *(Group(f"representation {name}", flags) for name, flags in names.maps.items()),
                Group("model", [architecture, *model]),
                Group(
                    "settings in files",
                    [
                        Flag("config", str, None, "YAML with any of these flags; flags behind it override it"),
                        Flag("print_config", bool, None, "print all settings as YAML and stop"),
                    ],
                ),
                Group(
                    "training",
                    [
                        *(flag for flag in names.trainer if flag.name in ("trainer.max_epochs", "trainer.devices")),
                        Flag("help-trainer", bool, None, "list the flags of Lightning's Trainer, --trainer.*"),
                    ],
                ),
            ],
        )
    )
    raise SystemExit(0)


def _is_name(choice: str) -> bool:
    """Whether a name is that of a corpus or a representation of this project."""
    return choice in {*CHOICES["--data"], *CHOICES["--data.representation"]}
