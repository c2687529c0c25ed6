"""The work of attack.py: attack every fold of every run, and show the results."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from pytorch_lightning.utilities import rank_zero_only
from rich.console import Console

from commands.attack_cli import AttackCLI
from commands.attack_run import AttackRun, kept
from commands.attack_table import show_attacks, show_checks
from commands.errors import interruptible, quieten
from commands.flags import AttackFlags
from commands.loggers import record_attacks
from commands.outlook import cache_size, numbers, say
from lightning_modules.progress import AttackProgress
from lightning_modules.weights_and_biases import save_examples
from storage.summaries import AttackSummary


def attack(flags: AttackFlags) -> dict[str, AttackSummary]:
    """Attack what is not finished yet and summarise every run.

    Args:
        flags: what is asked for, checked.

    Returns:
        The content of each run's ``attacks/summary.json``, by the name of the run.

    Raises:
        UsageError: if a flag or a combination of flags is invalid.
        DataError: if a checkpoint or a recording is missing or broken.
    """
    quieten()
    cli = AttackCLI(flags, output=flags.output, save_adversarials=flags.save_adversarials)
    trained = cli.runs()
    runs = {run.name: cli.attack_run(run) for run in trained}
    summaries = {}
    with cli.opened(runs.values()):
        pending = {name: run.pending() for name, run in runs.items()}
        lines = [line for name, run in runs.items() for line in outlook(name, run, pending[name])]
        # Runs usually share their caches, which are named once.
        say(f"on {cli.device}", *dict.fromkeys(lines))
        progress = AttackProgress(sum(map(len, pending.values())))
        for name, run in runs.items():
            for fold in pending[name]:
                with interruptible(lambda: kept(runs.values())):
                    run.attack_fold(fold, cli.build_trainer(logger=False, callbacks=[progress]))
            summaries[name] = finish(cli, name, run)
    finished = {name: summary for name, summary in summaries.items() if summary is not None}
    if finished:
        say(next_step(trained[0].path, runs[trained[0].name]))
    return finished


def next_step(trained: Path, run: AttackRun) -> str:
    """The line at the end: the next command, or, where ``--output`` has put results that no command reads, their files.

    Args:
        trained: folder of the trained run.
        run: the attacks on it.
    """
    store = run.store
    if store.path.resolve() == (trained / run.space.folder).resolve():
        return f"next: python report.py {shlex.quote(str(trained.parent))} --output report"
    return (
        f"next: read {store.summary_file}, every number, and {store.outcomes_file}, one row per clip and budget; "
        f"report.py reads {trained / run.space.folder} only"
    )


def outlook(name: str, run: AttackRun, pending: Sequence[int]) -> list[str]:
    """Lines about a run to print before it is attacked: model, clips, caches and what is finished."""
    trained, data = next(iter(run.trained.values())), next(iter(run.data.values()))
    model = f"{trained.model.hparams['architecture']}, {trained.model.parameter_count:,} parameters"
    lines = [f"{name}: {model}; {len(data.tested)} test clips of {data.corpus}, {numbers(list(run.data))}"]
    if not pending:
        lines.append(f"{name}: everything is finished already; what follows is computed from {run.store.path}")
    elif before := kept([run]):
        lines.append(f"{name}: goes on from what was {before}")
    return [*lines, f"caches in {cache_size(data.cache_dir)}"]


@rank_zero_only
def finish(cli: AttackCLI, name: str, run: AttackRun) -> AttackSummary:
    """Write, log and print a run's summary."""
    summary = run.write_summary()
    save_examples(run.store.path, run.examples)
    record_attacks(cli.flags, name, run.store.path, summary, run.store.stored_settings())
    console = Console()
    show_attacks(console, name, summary, run.lines())
    show_checks(console, summary["checks"])
    say(f"results in {run.store.path}")
    return summary
