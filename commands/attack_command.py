"""What attack.py does: attack every fold of every run, and say what came out."""

import wandb
from pytorch_lightning.utilities import rank_zero_only
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from commands.attack_cli import AttackCLI
from commands.attack_run import AttackRun
from commands.flags import AttackFlags
from lightning_modules.progress import AttackProgress
from lightning_modules.weights_and_biases import (
    attack_logger,
    config_of,
    log_attacks,
    save_examples,
    set_config,
)
from storage.summaries import AttackSummary


def attack(flags: AttackFlags) -> dict[str, AttackSummary]:
    """Attack what is not finished yet and summarise every run.

    Args:
        flags: what is asked for, checked.

    Returns:
        The content of each run's ``attacks/summary.json``, by the name of the run.

    Raises:
        UsageError: if a flag or a combination of flags is impossible.
        DataError: if a checkpoint or a recording is missing or broken.
    """
    cli = AttackCLI(flags)
    runs = {run.name: cli.attack_run(run) for run in cli.runs()}
    summaries = {}
    with cli.opened(runs.values()):
        pending = {name: run.pending() for name, run in runs.items()}
        progress = AttackProgress(sum(map(len, pending.values())))
        for name, run in runs.items():
            for fold in pending[name]:
                run.attack_fold(fold, cli.build_trainer(logger=False, callbacks=[progress]))
            summaries[name] = finish(cli, name, run)
    return {name: summary for name, summary in summaries.items() if summary is not None}


@rank_zero_only
def finish(cli: AttackCLI, name: str, run: AttackRun) -> AttackSummary:
    """Write, log and print a run's summary."""
    summary = run.write_summary()
    save_examples(run.store.path, run.examples)
    settings = cli.settings["wandb"]
    logger = attack_logger(name, run.store.path, project=settings["project"], mode=settings["mode"])
    if logger is not None:
        set_config(logger.experiment, config_of(summary), {"settings": run.store.stored_settings()})
        log_attacks(logger.experiment, summary, run.store.path)
        wandb.finish()
    show(name, run, summary)
    return summary


def show(name: str, run: AttackRun, summary: AttackSummary) -> None:
    """Print a table of the attacks, the checks that failed, and where the results lie."""
    console = Console()
    table = Table(
        title=f"{name}: {summary['corpus']}, {summary['architecture']}\n{summary['n']} of {summary['n_test']} test "
        f"clips are right when clean; means over the budgets of {summary['profile']}",
        box=SIMPLE_HEAD,
    )
    headings = ("attack", "fooling rate\n% [95 %]", "AUC", "target\nhit", "batch\ngradients", "cost to\nAUC > 0.9")
    for heading in headings:
        table.add_column(heading, justify="left" if heading == "attack" else "right", no_wrap=True)
    for attack, mean in summary["means"].items():
        cost = mean["cost_auc90"]
        # Fewer than ten recordings have no interval.
        low, rate, high = (
            None if share is None else 100 * share
            for share in (mean["fooling_rate_low"], mean["fooling_rate"], mean["fooling_rate_high"])
        )
        table.add_row(
            attack,
            f"{rate:.1f}" if low is None or high is None else f"{rate:.1f} \\[{low:.1f}, {high:.1f}]",
            # A single clip has no other to be compared with.
            "-" if mean["auc"] is None else f"{mean['auc']:.3f}",
            "-" if mean["target_rate"] is None else f"{mean['target_rate']:.1%}",
            f"{mean['batch_gradients']:.0f}",
            f"{'>= ' if cost['censored'] else ''}{cost['gradients']:.0f}",
        )
    console.print(table)
    failed = [check for check in summary["checks"] if not check["passed"]]
    for check in failed:
        place = f"fold {check['fold']}" + (f", {check['attack']}" if check["attack"] else "")
        console.print(
            f"[yellow]check failed[/yellow] ({check['kind']}, {place}) {check['name']}: {check['found']}; "
            f"{check['remedy']}",
            soft_wrap=True,
            highlight=False,
        )
    held = len(summary["checks"]) - len(failed)
    console.print(f"{held} of {len(summary['checks'])} trust checks hold; results in {run.store.path}", soft_wrap=True)
