"""The command lines of attack.py and transfer.py: which checkpoints, which attacks, which budgets."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, fields
from functools import partial
from pathlib import Path
from typing import Any

from pytorch_lightning import Trainer
from pytorch_lightning.utilities import rank_zero_only
from rich.console import Console

from attacks import ATTACKS
from attacks.budgets import read_profile
from attacks.plan import AttackPlan, plan_attack
from attacks.torchattacks_adapter import TorchAttacksAttack
from commands.attack_run import AttackRun
from commands.config_file import NOT_SETTINGS, as_yaml, settings_in
from commands.errors import UsageError
from commands.flags import CraftingFlags
from commands.named_runs import named_runs
from commands.outlook import device
from commands.trainer import check_trainer
from metrics.trust_checks import SQUARE, UNBOUNDED
from storage import write_text
from storage.attack_store import DEFAULT_PRECISION, AttackStore
from storage.space import MAP, SPACES, Space
from storage.trained_run import TrainedRun
from storage.untrusted import allowed_packages

SQUARE_CLIPS = 20
TRAINER_DEFAULTS: dict[str, Any] = {
    # The DataModule divides batches among processes itself, each clip once.
    "use_distributed_sampler": False,
    # Attacks differentiate; inference mode would forbid it.
    "inference_mode": False,
    "enable_checkpointing": False,
    "enable_model_summary": False,
}


class AttackCLI:
    """The flags of a command that attacks checkpoints, turned into runs, plans and Trainers.

    Args:
        flags: the flags, checked (:meth:`CraftingFlags.check`).
        output: folder of the results of the only run; in each run by default.
        save_adversarials: store every adversarial.

    Raises:
        UsageError: if an attack, its budgets or the Trainer's settings are invalid.
    """

    def __init__(self, flags: CraftingFlags, *, output: str | None = None, save_adversarials: bool = False) -> None:
        self.flags = flags
        self.output = output
        self.save_adversarials = save_adversarials
        self.space = SPACES[flags.space]
        self.allowed = allowed_packages(flags.allow_import)
        self.plans = self._plans()
        trainer = check_trainer(asdict(flags.trainer))
        self.device, self.root_device = device(trainer), trainer.strategy.root_device

    def runs(self) -> list[TrainedRun]:
        """The trained runs that were named, each with the folds to work on.

        Raises:
            UsageError: if a fold is not there.
            DataError: if a path is neither a checkpoint nor a run with one.
        """
        runs = named_runs(self.flags.checkpoints, self.flags.folds)
        if self.output and len(runs) > 1:
            raise UsageError(
                f"expected one run with --output, got {len(runs)}: {', '.join(str(run.path) for run in runs)}"
            )
        return runs

    def attack_run(self, run: TrainedRun) -> AttackRun:
        """Load a run's checkpoints and plan the attacks on them.

        Raises:
            DataError: if a checkpoint cannot be used.
        """
        flags = self.flags
        beside, limits = checks_beside(self.plans, full=flags.checks == "full", space=self.space)
        folder = Path(self.output) if self.output else run.path / self.space.folder
        return AttackRun(
            run,
            AttackStore(folder, self.space, flags.sound_format),
            self.plans,
            beside=beside,
            limits=limits,
            budgets=flags.budgets,
            clips=flags.clips,
            seed=flags.seed,
            data=asdict(flags.data),
            save_adversarials=self.save_adversarials,
            precision=str(flags.trainer.precision or DEFAULT_PRECISION),
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
                    run.open(overwrite=self.flags.overwrite)
                    self.write_config(run)
            except ValueError as error:
                raise UsageError(str(error)) from error
            yield

    @rank_zero_only
    def write_config(self, run: AttackRun) -> None:
        """Write ``config.yaml``: the flags of attack.py that repeat all attacks in a folder, earlier commands' too.

        Raises:
            UsageError: if the file of an earlier command cannot be read.
        """
        file = run.store.path / "config.yaml"
        try:
            earlier = settings_in(file) if file.is_file() else {}
        except ValueError as error:
            raise UsageError(f"{error}; remove it") from error
        named = {field.name for field in fields(CraftingFlags)} - set(NOT_SETTINGS)
        settings = {name: value for name, value in asdict(self.flags).items() if name in named}
        settings["save_adversarials"] = self.save_adversarials
        checkpoints = [str(trained.path) for _, trained in sorted(run.trained.items())]
        settings["checkpoints"] = list(dict.fromkeys([*earlier.get("checkpoints", []), *checkpoints]))
        settings["attacks"] = list(dict.fromkeys([*earlier.get("attacks", []), *self.flags.attacks]))
        # Where a repetition writes its results is decided by its own command line.
        write_text(file, as_yaml({**settings, "folds": "all", "output": None}))

    def build_trainer(self, **settings: Any) -> Trainer:
        """A Trainer for tests that may differentiate."""
        return Trainer(**{**TRAINER_DEFAULTS, **asdict(self.flags.trainer), **settings})

    def _plans(self) -> list[AttackPlan]:
        plans = read_plans(self.flags.attacks, self.flags.budgets, self.allowed, self.space)
        doubled = {plan.name for plan in plans if sum(other.name == plan.name for other in plans) > 1}
        if doubled:
            raise UsageError(f"expected attacks of different names, got two called {min(doubled)}")
        for plan in plans:
            missing = next((budget for budget in plan.budgets if self.space.size not in budget), None)
            if plan.name in ("bim_a", "bim_b") and missing is not None:
                size = "a delta" if self.space == MAP else "an snr_db"
                raise UsageError(
                    f"expected {size} in every budget of {plan.name}, at which the trust checks compare it, "
                    f"got {missing} in {self.flags.budgets}"
                )
        say_what_was_chosen(plans)
        return plans


@rank_zero_only
def say_what_was_chosen(plans: Sequence[AttackPlan]) -> None:
    """Print the budgets of attacks that were named without any."""
    for plan in plans:
        if plan.description:
            Console().print(plan.description, soft_wrap=True, highlight=False, markup=False)


def read_plans(
    attacks: Sequence[str], budgets: str, allowed: Collection[str] = (), space: Space = MAP
) -> list[AttackPlan]:
    """Plan the requested attacks, each once.

    Args:
        attacks: names, or YAML files.
        budgets: name of a profile, or a YAML file.
        allowed: packages whose attacks a YAML file may name.
        space: what is attacked.

    Raises:
        UsageError: if one of them is invalid.
    """
    try:
        profile = read_profile(budgets, space)
        return [plan_attack(name, profile, allowed) for name in dict.fromkeys(attacks)]
    except ValueError as error:
        raise UsageError(str(error)) from error


def checks_beside(
    plans: Sequence[AttackPlan], *, full: bool, space: Space = MAP
) -> tuple[list[AttackPlan], dict[str, int]]:
    """Attacks that the trust checks need in addition to those that were asked for.

    Args:
        plans: the attacks that are run.
        full: also the Square attack (Andriushchenko et al. 2020), which uses no gradient.
        space: what is attacked.

    Returns:
        Plans, and the number of clips, by name, for attacks that are not run on all.
    """
    chosen = {plan.name: plan for plan in plans}
    beside = []
    limits = {}
    if "bim_a" in chosen and "fgsm_untargeted" not in chosen:
        sizes = dict.fromkeys(budget[space.size] for budget in chosen["bim_a"].budgets)
        budgets = tuple({space.size: size} for size in sizes)
        beside.append(AttackPlan("check_fgsm_untargeted", ATTACKS["fgsm_untargeted"], budgets))
    if "bim_b" in chosen:
        beside.append(AttackPlan(UNBOUNDED, ATTACKS["bim_b"], ({"delta": space.width, "steps": 20},)))
        if full:
            arguments = {"norm": "Linf", "n_queries": 200}
            build = partial(TorchAttacksAttack, class_path="torchattacks.Square", init_args=arguments)
            sizes = dict.fromkeys(budget[space.size] for budget in chosen["bim_b"].budgets)
            bound = "eps" if space == MAP else space.size
            beside.append(AttackPlan(SQUARE, build, tuple({bound: size} for size in sizes), definition=arguments))
            limits[SQUARE] = SQUARE_CLIPS
    return beside, limits
