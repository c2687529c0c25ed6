"""The work of transfer.py: attack every ConvNet, evaluate every classifier on the adversarials, show the ratios."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from pytorch_lightning.utilities import rank_zero_only
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from commands.attack_command import outlook
from commands.attack_run import AttackRun, kept
from commands.errors import interruptible, quieten
from commands.flags import TransferFlags
from commands.loggers import record_transfer
from commands.outlook import say
from commands.transfer_cli import TransferCLI
from commands.transfer_run import refuse_trained_targets, transfer_rows
from commands.transfer_store import TransferStore
from lightning_modules.progress import AttackProgress
from storage.summaries import TransferCell, TransferSummary
from storage.trained_run import TrainedRun


def transfer(flags: TransferFlags) -> dict[str, TransferSummary]:
    """Attack every ConvNet that is not attacked yet, and evaluate all classifiers on the adversarials.

    Args:
        flags: what is asked for, checked.

    Returns:
        The content of each source's ``transfer/<name>/summary.json``, by the name of the source.

    Raises:
        UsageError: if the runs are not of one setting.
        DataError: if a checkpoint or a recording is missing or broken, or a run was trained on another's test clips.
    """
    quieten()
    cli = TransferCLI(flags)
    runs = cli.comparable_runs()
    sources = {run.name: cli.attack_run(run) for run in runs if not run.is_baseline}
    refuse_trained_targets(sources, runs)
    summaries: dict[str, TransferSummary] = {}
    with cli.opened(sources.values()):
        pending = {name: source.pending() for name, source in sources.items()}
        lines = [line for name, run in sources.items() for line in outlook(name, run, pending[name])]
        say(f"on {cli.device}", *dict.fromkeys(lines))
        progress = AttackProgress(sum(map(len, pending.values())))
        for name, source in sources.items():
            for fold in pending[name]:
                with interruptible(lambda: kept(sources.values())):
                    source.attack_fold(fold, cli.build_trainer(logger=False, callbacks=[progress]))
        for run in runs:
            if run.name not in sources:
                continue
            say(f"{run.name}: {len(runs)} classifiers are evaluated on its adversarials")
            with interruptible(
                lambda: f"{kept(sources.values())}, {len(summaries)} of {len(sources)} sources evaluated"
            ):
                # Every process but the first gets None.
                summary = evaluate(cli, run, sources[run.name], runs)
            if summary is not None:
                summaries[run.name] = summary
    show(summaries)
    return summaries


@rank_zero_only
def evaluate(cli: TransferCLI, run: TrainedRun, source: AttackRun, targets: Sequence[TrainedRun]) -> TransferSummary:
    """Evaluate all targets on one source's adversarials; write and log the result."""
    store = TransferStore(run.path / cli.space.beside("transfer") / cli.name)
    crafted = source.write_summary()
    rows = transfer_rows(source, run, targets, cli.allowed, device=cli.root_device)
    summary = store.write(rows, crafted)
    record_transfer(cli.flags, run.name, store.path, summary)
    return summary


@rank_zero_only
def show(summaries: dict[str, TransferSummary]) -> None:
    """Print the matrix: rows are sources, columns targets; means over the six attacks, or each attack without them."""
    targets = list(dict.fromkeys(cell["target_run"] for one in summaries.values() for cell in one["rows"]))
    console = Console()
    console.print(
        "Of the adversarials that fool the source (row), the share that also fools the target (column), in % [95 %]; "
        "below it the numbers of adversarials, of all budgets and folds together.",
        highlight=False,
    )
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), collapse_padding=True, pad_edge=False)
    # Names of runs often differ at their end only, which a narrow terminal would cut.
    table.add_column("source", overflow="fold")
    table.add_column("attack", overflow="fold")
    for target in targets:
        table.add_column(target, justify="right", overflow="fold")
    for source, summary in summaries.items():
        cells = {(c["attack"], c["target_run"]): c for c in summary["rows"] if c["fold"] is None}
        attacks = list(dict.fromkeys(attack for attack, _ in cells))
        table.add_section()
        for attack in [None] if None in attacks else attacks:
            row = (_cell(cells.get((attack, target))) for target in targets)
            table.add_row(source, attack or "mean of\nthe six", *row)
    console.print(table)
    for name, summary in summaries.items():
        console.print(f"{name}: results in {summary['path']}", soft_wrap=True, highlight=False)
    if summaries:
        folder = shlex.quote(str(Path(next(iter(summaries.values()))["path"]).parents[2]))
        console.print(f"next: python report.py {folder} --output report", soft_wrap=True, highlight=False)


def _cell(cell: TransferCell | None) -> str:
    if cell is None or cell["ratio"] is None:
        return "-"
    # Fewer than ten recordings have no interval.
    low, high = cell["ratio_low"], cell["ratio_high"]
    ends = "" if low is None or high is None else f" \\[{100 * low:.0f}, {100 * high:.0f}]"
    return f"{100 * cell['ratio']:.1f}{ends}\n{cell['numerator']} of {cell['denominator']}"
