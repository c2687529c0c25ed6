"""The flags that attack.py and transfer.py share: which checkpoints, which attacks, how much they may spend."""

import inspect
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Literal

import yaml
from jsonargparse import Namespace
from pytorch_lightning import Trainer
from pytorch_lightning.utilities import rank_zero_only
from rich.console import Console

from attacks import ATTACKS
from attacks.budgets import read_profile
from attacks.plan import AttackPlan, plan_attack
from attacks.torchattacks_adapter import TorchAttacksAttack
from commands.attack_run import AttackRun
from commands.errors import (
    LARGEST_SEED,
    UsageError,
    packages_to_import,
    refuse_deletion_by_many,
    require_folder,
    require_number,
)
from commands.train_cli import OneSentenceParser, add_allow_import, check_trainer
from lightning_modules.weights_and_biases import WandbMode
from metrics.trust_checks import SQUARE, UNBOUNDED
from storage.attack_store import DEFAULT_PRECISION, AttackStore
from storage.trained_run import TrainedRun

SEVEN = ("fgsm", "bim_a", "bim_b", "deepfool", "jsma", "cwa", "lbfgs")
SQUARE_CLIPS = 20
TRAINER_DEFAULTS: dict[str, Any] = {
    # The DataModule divides batches among processes itself, each clip once.
    "use_distributed_sampler": False,
    # Attacks differentiate; inference mode would forbid it.
    "inference_mode": False,
    "enable_checkpointing": False,
    "enable_model_summary": False,
    "deterministic": "warn",
}
# Where and how exactly a Trainer computes; what it trains and how often it looks means nothing here.
TRAINER_FLAGS = (
    "accelerator",
    "strategy",
    "devices",
    "num_nodes",
    "precision",
    "plugins",
    "deterministic",
    "benchmark",
)
NOT_OFFERED = set(inspect.signature(Trainer.__init__).parameters) - {"self", "profiler", *TRAINER_FLAGS}


class AttackCLI:
    """Parses and checks the command line of a script that attacks checkpoints.

    Args:
        description: first line of the help.
        args: command line; that of the process by default.
    """

    def __init__(self, description: str, args: Sequence[str] | None = None) -> None:
        self.parser = OneSentenceParser(description=description)
        self.add_arguments(self.parser)
        settings: Namespace = self.parser.parse_args(list(sys.argv[1:] if args is None else args))
        self.settings: dict[str, Any] = yaml.safe_load(self.parser.dump(settings, skip_none=False, format="yaml"))
        self.allowed = packages_to_import(self.settings["allow_import"])
        self._check()
        self.plans = self._plans()
        check_trainer(self.settings["trainer"])

    def add_arguments(self, parser: OneSentenceParser) -> None:
        """Add the flags."""
        parser.add_argument("--config", action="config", help="YAML with any of these flags")
        parser.add_argument(
            "--checkpoints",
            type=str,
            nargs="+",
            required=True,
            help="checkpoints, or run folders (all their folds)",
        )
        parser.add_argument(
            "--attacks",
            type=str,
            nargs="+",
            default=list(SEVEN),
            help=f"YAML files or names: {', '.join(ATTACKS)}, torchattacks.CLASS, adv_lib.FUNCTION",
        )
        parser.add_argument("--budgets", type=str, default="reduced", help="smoke, reduced, paper, or a YAML file")
        parser.add_argument(
            "--clips", type=int | None, default=None, help="stratified subset of each test part; all by default"
        )
        parser.add_argument("--folds", type=str | int | list[int], default="all", help="all, or numbers: 1 or 1,2")
        parser.add_argument("--seed", type=int, default=0, help="seed of random targets and of everything random")
        parser.add_argument(
            "--output", type=str | None, default=None, help="folder of the results; in the run by default"
        )
        parser.add_argument(
            "--overwrite",
            type=bool,
            nargs="?",
            const=True,
            default=False,
            help="delete results of other settings first",
        )
        parser.add_argument(
            "--save-adversarials",
            "--save_adversarials",
            type=bool,
            nargs="?",
            const=True,
            default=False,
            help="keep the maps",
        )
        parser.add_argument(
            "--checks", type=Literal["basic", "full"], default="basic", help="full adds the Square attack on 20 clips"
        )
        add_allow_import(parser)
        parser.add_argument("--data.root", type=str | None, default=None, help="where the corpus lies on this machine")
        parser.add_argument("--data.cache_dir", type=str | None, default=None, help="where caches lie on this machine")
        parser.add_argument("--data.batch_size", type=int, default=32, help="clips at once; it changes no result")
        parser.add_argument("--wandb.project", type=str, default="sound-robustness", help="W&B project")
        parser.add_argument("--wandb.mode", type=WandbMode, default="auto", help="online with an account, else offline")
        parser.add_class_arguments(Trainer, "trainer", skip=NOT_OFFERED, fail_untyped=False)
        parser.set_defaults(
            {f"trainer.{key}": value for key, value in TRAINER_DEFAULTS.items() if key not in NOT_OFFERED}
        )

    def runs(self) -> list[TrainedRun]:
        """The trained runs that were named, each with the folds to work on.

        Raises:
            UsageError: if a fold is not there.
            DataError: if a path is neither a checkpoint nor a run with one.
        """
        runs: dict[Path, TrainedRun] = {}
        for name in self.settings["checkpoints"]:
            run = TrainedRun.of(Path(name))
            known = runs.setdefault(run.path, run)
            lost = [path for fold, path in run.checkpoints.items() if known.checkpoints.get(fold, path) != path]
            if lost:
                raise UsageError(
                    f"expected one checkpoint a fold in {run.path}, got a second, {lost[0].name}; "
                    "give the others a folder of their own"
                )
            known.checkpoints.update(run.checkpoints)
        names = [run.name for run in runs.values()]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise UsageError(f"expected runs of different names, got two called {twice}; results are told apart by it")
        chosen = self.settings["folds"]
        if chosen != "all":
            numbers = chosen if isinstance(chosen, list) else str(chosen).split(",")
            try:
                folds = {int(number) for number in numbers}
            except ValueError:
                raise UsageError(f"expected --folds to be all or numbers such as 1 or 1,2, got {chosen!r}") from None
            for run in runs.values():
                run.keep_folds(folds)
        if self.settings["output"] and len(runs) > 1:
            raise UsageError(f"expected one run with --output, got {len(runs)}: {', '.join(map(str, runs))}")
        return list(runs.values())

    def attack_run(self, run: TrainedRun, *, save_adversarials: bool | None = None) -> AttackRun:
        """Load a run's checkpoints and say what is to be done with them.

        Args:
            run: the run.
            save_adversarials: keep every adversarial map; by default what the flag says.

        Raises:
            DataError: if a checkpoint cannot be used.
        """
        settings = self.settings
        beside, limits = checks_beside(self.plans, full=settings["checks"] == "full")
        keep = settings["save_adversarials"] if save_adversarials is None else save_adversarials
        return AttackRun(
            run,
            AttackStore(Path(settings["output"]) if settings["output"] else run.path / "attacks"),
            self.plans,
            beside=beside,
            limits=limits,
            budgets=settings["budgets"],
            clips=settings["clips"],
            seed=settings["seed"],
            data=settings["data"],
            save_adversarials=keep,
            precision=str(settings["trainer"]["precision"] or DEFAULT_PRECISION),
            allowed=self.allowed,
        )

    @contextmanager
    def opened(self, runs: Collection[AttackRun]) -> Iterator[None]:
        """Open the folders of several runs' results, and keep other commands away from them meanwhile.

        Raises:
            UsageError: if a folder holds results of other settings.
            DataError: if another command works on a folder, or a recording is missing or broken.
        """
        with ExitStack() as held:
            for run in runs:
                held.enter_context(run.alone())
            try:
                for run in runs:
                    run.open(overwrite=self.settings["overwrite"])
            except ValueError as error:
                raise UsageError(str(error)) from error
            yield

    def build_trainer(self, **settings: Any) -> Trainer:
        """A Trainer for tests that may differentiate."""
        return Trainer(**{**TRAINER_DEFAULTS, **self.settings["trainer"], **settings})

    def _check(self) -> None:
        """Refuse what can be told from the flags alone."""
        settings = self.settings
        require_number("--seed", settings["seed"], 0, LARGEST_SEED)
        require_number("--data.batch_size", settings["data"]["batch_size"], 1)
        require_folder("--data.cache_dir", settings["data"]["cache_dir"])
        require_folder("--output", settings["output"])

    def _plans(self) -> list[AttackPlan]:
        settings = self.settings
        refuse_deletion_by_many(settings["overwrite"])
        plans = read_plans(settings["attacks"], settings["budgets"], settings["clips"])
        doubled = {plan.name for plan in plans if sum(other.name == plan.name for other in plans) > 1}
        if doubled:
            raise UsageError(f"expected attacks of different names, got two called {min(doubled)}")
        for plan in plans:
            if plan.name in ("bim_a", "bim_b") and not all("delta" in budget for budget in plan.budgets):
                raise UsageError(
                    f"expected a delta in every budget of {plan.name}, at which the trust checks compare it, "
                    f"got {plan.budgets[0]} in {settings['budgets']}"
                )
        say_what_was_chosen(plans)
        return plans


@rank_zero_only
def say_what_was_chosen(plans: Sequence[AttackPlan]) -> None:
    """Print the budgets of attacks that were named without any."""
    for plan in plans:
        if plan.description:
            Console().print(plan.description, soft_wrap=True, highlight=False, markup=False)


def read_plans(attacks: Sequence[str], budgets: str, clips: int | None) -> list[AttackPlan]:
    """Plan the attacks that were asked for, each once.

    Args:
        attacks: names, or YAML files.
        budgets: name of a profile, or a YAML file.
        clips: size of the subset of each test part; None means all.

    Raises:
        UsageError: if one of them is impossible.
    """
    if clips is not None and clips < 1:
        raise UsageError(f"expected --clips of at least 1, got {clips}")
    together = next((name for name in attacks if "," in name and not Path(name).is_file()), None)
    if together is not None:
        raise UsageError(f"expected spaces between attacks, --attacks {together.replace(',', ' ')}, got {together!r}")
    try:
        profile = read_profile(budgets)
        return [plan_attack(name, profile) for name in dict.fromkeys(attacks)]
    except ValueError as error:
        raise UsageError(str(error)) from error


def checks_beside(plans: Sequence[AttackPlan], *, full: bool) -> tuple[list[AttackPlan], dict[str, int]]:
    """Attacks that the trust checks need beside those that were asked for.

    Args:
        plans: the attacks that are run.
        full: also the Square attack (Andriushchenko et al. 2020), which uses no gradient.

    Returns:
        Plans, and for some by name the number of clips.
    """
    chosen = {plan.name: plan for plan in plans}
    beside = []
    limits = {}
    if "bim_a" in chosen and "fgsm_untargeted" not in chosen:
        deltas = dict.fromkeys(budget["delta"] for budget in chosen["bim_a"].budgets)
        budgets = tuple({"delta": delta} for delta in deltas)
        beside.append(AttackPlan("check_fgsm_untargeted", ATTACKS["fgsm_untargeted"], budgets))
    if "bim_b" in chosen:
        beside.append(AttackPlan(UNBOUNDED, ATTACKS["bim_b"], ({"delta": 1.0, "steps": 20},)))
        if full:
            arguments = {"norm": "Linf", "n_queries": 200}
            build = partial(TorchAttacksAttack, class_path="torchattacks.Square", init_args=arguments)
            deltas = dict.fromkeys(budget["delta"] for budget in chosen["bim_b"].budgets)
            beside.append(AttackPlan(SQUARE, build, tuple({"eps": delta} for delta in deltas), definition=arguments))
            limits[SQUARE] = SQUARE_CLIPS
    return beside, limits
