"""An estimate of the whole paper's computing time: every sweep on three corpora, on two cores and on 1, 8 and 64 GPUs.

python -m commands.sweeps.paper_cost
python -m commands.sweeps.paper_cost --measure configs/unit_times/gpu.yaml --device cuda
python -m commands.sweeps.paper_cost --rows runs/esc10-stft/attacks          # into the file of --unit-times
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import torch
from rich.console import Console
from rich.table import Table
from torch.utils.flop_counter import FlopCounterMode

from attacks.plan import AttackPlan
from classifiers import ARCHITECTURES, WAVEFORM_ARCHITECTURES
from commands.attack_cli import checks_beside, read_plans
from commands.errors import UsageError, run_command
from commands.flags import SEVEN
from commands.help import Example
from commands.parser import read_flags
from commands.sweeps.cost import COPIES, RIGHT_WHEN_CLEAN, Estimate, Hours
from commands.sweeps.file import SweepFile
from commands.sweeps.point import Point
from commands.sweeps.point_cli import PointCLI
from commands.sweeps.study import SWEEPS
from commands.sweeps.unit_times import CLIP_SECONDS, ONE_CORE, RATE_HZ, UnitTimes, measure
from datamodules import CORPORA
from lightning_modules.sound_classifier import SoundClassifier
from storage.attack_store import AttackStore

NOT_OF_THE_PAPER = ("demo", "map_resize", "map_resize_window")
GPU_FLOPS = 10e12
"""Floating-point operations per second that a GPU is assumed to sustain on maps of 128 x 128: a sixth of the peak of a
current data-centre card in single precision."""
GPU_FRONT_END = 100.0
"""Assumed speed of a GPU at computing maps, relative to one core."""
CORES_PER_GPU = 8
"""Processor cores beside each GPU, which make the shifted copies."""
EFFICIENCY = 0.9
"""Assumed utilisation of several GPUs; the rest is waiting for the longest unit and for files."""
SECONDS_PER_HOUR = 3600.0


@dataclass
class CostFlags:
    """Unit times of the estimate, or what to measure instead.

    Args:
        unit_times: measured times of one core; configs/unit_times/one_core.yaml by default.
        gpu_times: measured times of one GPU; assumed ones by default.
        measure: measure this machine, write this file and stop.
        device: device that --measure measures.
        rows: folders of finished attacks; their gradient rows per clip are written into the file of --unit-times.
    """

    unit_times: str = str(ONE_CORE)
    gpu_times: str | None = None
    measure: str | None = None
    device: Literal["cpu", "cuda"] = "cpu"
    rows: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class PaperCost:
    """Estimated computing time of the whole paper.

    Attributes:
        settings: number of different settings; one that several tables use counts once.
        folds: number of models that are trained.
        hours: seconds of training and attacks, one after the other.
        longest: seconds of the longest single fold, trained and attacked; a lower bound for any number of machines.
        preparation: seconds of one core for shifted and stretched copies, once for each corpus and sampling rate.
    """

    settings: int
    folds: int
    hours: Hours
    longest: float
    preparation: float


def paper_points(say: Callable[[str], None] = print) -> list[Point]:
    """Every setting of the paper's sweeps, each once, with the budgets that the sweeps name.

    Args:
        say: called with a line about each sweep that is read.
    """
    parser = PointCLI()
    points: dict[tuple[object, ...], Point] = {}
    for file in sorted(SWEEPS.glob("*.yaml")):
        if file.stem in NOT_OF_THE_PAPER:
            continue
        say(f"reading {file.name}")
        sweep = SweepFile.read(file)
        for parameters in sweep.points():
            # In a folder without runs nothing counts as finished.
            parser.read([*sweep.arguments(parameters), "--runs_dir", "/nonexistent"])
            point = Point(parser)
            points.setdefault(point.work, point)
    return list(points.values())


def paper_cost(points: list[Point], times: UnitTimes) -> PaperCost:
    """Add up the estimates of all points.

    Args:
        points: :func:`paper_points`.
        times: unit times of one core, or of one GPU.
    """
    estimate = Estimate(times)
    total, longest = Hours(), 0.0
    models: dict[str, int] = {}
    prepared: dict[tuple[str, int, str], float] = {}
    for point in points:
        data = point.settings["data"]
        name = str(data["class_path"]).rsplit(".", 1)[-1]
        corpus, clip_seconds = CORPORA[name].published_size, CORPORA[name].default_clip_seconds
        assert corpus is not None, "the paper's corpora are published"
        assert clip_seconds is not None, "their clips have one length"
        init_args = data["init_args"]
        rate = int((init_args["representation"].get("init_args") or {}).get("sample_rate") or RATE_HZ)
        copies = COPIES[init_args["augmentation"]] - 1
        key = (name, rate, str(init_args["augmentation"]))
        prepared[key] = corpus.clips * copies * times.copy * rate / RATE_HZ * clip_seconds / CLIP_SECONDS
        for architecture, run in point.runs.items():
            if str(run.path) not in models:
                models[str(run.path)] = corpus.folds
                total += Hours(training=corpus.folds * estimate.training(point, architecture, corpus))
        if point.settings["transfer"] or point.attacked:
            folds = list(range(1, corpus.folds + 1))
            total += estimate.attacking(point, point.architectures, corpus, folds)
            one = estimate.attacking(point, point.architectures[:1], corpus, [1])
            longest = max(longest, estimate.training(point, point.architectures[0], corpus) + one.attacks)
    return PaperCost(len(models), sum(models.values()), total, longest, sum(prepared.values()))


def assumed_gpu(cpu: UnitTimes) -> UnitTimes:
    """Unit times of a GPU that was not measured, from the operations of each classifier.

    A step of training takes three forwards (Kaplan et al. 2020, arXiv:2001.08361, section 2.1), a gradient with respect
    to the map two, because no gradient of weights is made.

    Args:
        cpu: measured times, from which those of everything but classifiers are taken.
    """
    forward = {}
    for name in [name for name in ARCHITECTURES if name not in WAVEFORM_ARCHITECTURES]:
        model = SoundClassifier(num_classes=10, architecture=name).classifier.eval()
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            model(torch.zeros(1, 1, 128, 128))
        forward[name] = counter.get_total_flops() / GPU_FLOPS
    return UnitTimes(
        machine=f"a GPU that sustains {GPU_FLOPS / 1e12:.0f} TFLOP/s (assumed, not measured)",
        cores=CORES_PER_GPU,
        train={name: 3 * seconds for name, seconds in forward.items()},
        gradient={name: 2 * seconds for name, seconds in forward.items()},
        forward=forward,
        representation={name: seconds / GPU_FRONT_END for name, seconds in cpu.representation.items()},
        copy=cpu.copy,
        rows=cpu.rows,
    )


def show_paper_cost(console: Console, times: UnitTimes, gpu: UnitTimes | None = None) -> None:
    """Print a table of estimated hours per machine, and the assumptions.

    Args:
        console: where it is printed.
        times: measured unit times of one core.
        gpu: unit times of one GPU; assumed ones by default.
    """
    gpu = gpu or assumed_gpu(times)
    points = paper_points(lambda text: console.print(text, highlight=False))
    on_core, on_gpu = paper_cost(points, times), paper_cost(points, gpu)
    table = Table(
        title=f"The whole paper: {on_core.settings} models of {on_core.folds} folds, budgets of profile paper"
    )
    for heading in ("machine", "preparation", "training", "attacks", "attacks at most", "in all", "in all at most"):
        table.add_column(heading, justify="right")
    rows = [("2 cores", on_core, 2.0, 2.0)]
    rows += [(f"{n} GPU", on_gpu, n * (EFFICIENCY if n > 1 else 1.0), float(n * CORES_PER_GPU)) for n in (1, 8, 64)]
    for name, cost, at_once, cores in rows:
        prepared = cost.preparation / cores
        least = max(cost.hours.seconds / at_once, cost.longest)
        most = max((cost.hours.training + cost.hours.attacks_at_most) / at_once, cost.longest)
        parts = (
            prepared,
            cost.hours.training / at_once,
            cost.hours.attacks / at_once,
            cost.hours.attacks_at_most / at_once,
        )
        table.add_row(name, *map(_hours, parts), _hours(prepared + least), _hours(prepared + most))
    console.print(table)
    for sentence in (
        f"Cores: one core of {times.machine}, measured. GPU: {gpu.machine}, with {CORES_PER_GPU} cores beside it.",
        "Training: all epochs of each configuration, no early stopping; maps are made once, as on a CPU; folds of the "
        "corpora's official splits.",
        "Attacks: gradient rows per clip as measured at the profile that the unit times name; where paper was not "
        "measured, DeepFool as many rows, the others the same share of what they may spend. At most: all that the "
        "budgets allow.",
        f"{RIGHT_WHEN_CLEAN:.0%} of the test clips of every fold are classified correctly when clean, and attacked.",
        f"Several GPUs work on folds and clips of their own and are used to {EFFICIENCY:.0%}.",
    ):
        console.print(sentence, soft_wrap=True, highlight=False, markup=False)


def measured_rows(folders: Sequence[Path]) -> dict[str, dict[str, float]]:
    """Mean gradient rows per clip of finished attacks, by profile and attack; budgets that share a run count once.

    Args:
        folders: ``runs/NAME/attacks`` of finished attacks.

    Raises:
        UsageError: if a folder holds no finished attacks.
    """
    spent: dict[str, dict[str, list[float]]] = {}
    for folder in folders:
        store = AttackStore(folder)
        if not store.summary_file.is_file():
            raise UsageError(f"expected finished attacks in {folder}, found no {store.summary_file.name}")
        profile = str(store.stored_settings()["common"]["budgets"])
        for name, rows in store.outcomes().groupby("attack"):
            plan = next((plan for plan in _plans(profile) if plan.name == name), None)
            if plan is None:
                continue
            last = rows[rows["budget_index"].isin(plan.longest_budgets())]
            per_clip = last.groupby(["fold", "clip"])["gradients"].sum()
            spent.setdefault(profile, {}).setdefault(str(name), []).extend(per_clip.tolist())
    return {
        profile: {name: sum(values) / len(values) for name, values in attacks.items()}
        for profile, attacks in spent.items()
    }


def _plans(profile: str) -> list[AttackPlan]:
    plans = read_plans(SEVEN, profile)
    return [*plans, *checks_beside(plans, full=False)[0]]


def main(args: Sequence[str] | None = None) -> None:
    """Print the estimate, or measure unit times and write them to a file.

    Args:
        args: command line; that of the process by default.

    Raises:
        UsageError: if a flag or a file is invalid.
    """
    settings = read_flags(
        CostFlags,
        "python -m commands.sweeps.paper_cost",
        args,
        description="Estimate the computing time of the whole paper from unit times, without running any of it.",
        examples=(Example("python -m commands.sweeps.paper_cost", ""),),
    )
    console = Console()
    if settings.measure is not None:
        if settings.device == "cuda" and not torch.cuda.is_available():
            raise UsageError("expected a GPU that PyTorch sees for --device cuda, found none")
        times = measure(settings.device, lambda text: console.print(text, highlight=False))
        times.write(Path(settings.measure))
        console.print(f"unit times of {times.machine} in {settings.measure}", soft_wrap=True, highlight=False)
        return
    if settings.rows:
        rows = measured_rows([Path(folder) for folder in settings.rows])
        replace(UnitTimes.read(Path(settings.unit_times)), rows=rows).write(Path(settings.unit_times))
        console.print(f"gradient rows per clip in {settings.unit_times}", soft_wrap=True, highlight=False)
        return
    gpu = None if settings.gpu_times is None else UnitTimes.read(Path(settings.gpu_times))
    show_paper_cost(console, UnitTimes.read(Path(settings.unit_times)), gpu)


def _hours(seconds: float) -> str:
    hours = seconds / SECONDS_PER_HOUR
    return f"{hours:.1f} h" if hours < 100 else f"{hours / 24:,.0f} days"


if __name__ == "__main__":
    run_command(main)
