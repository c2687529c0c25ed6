"""Distance against gradients: the minimal-norm attack beside those of adv-lib, on the same clips in one run.

python benchmarks/minimal_norm.py --checkpoint runs/esc10-stft/fold1/best.ckpt --data.root DIR --clips 20

It uses test clips that the classifier gets right, taking the classes in turn, and prints success, median l_2 and the
gradient rows of all clips together for each attack at several budgets. Every attack gets all clips in one batch,
through a gradient counter; the points that it returns are judged here. adv-lib is installed by ``pip install
adv-lib``; without it, only our attacks are measured. The schedules of its attacks depend on the total number of steps,
so every budget is a separate run; DeepFool and SuperDeepFool stop by themselves and have one row.

With ``--space sound`` the victim takes waveforms, and the table has the median SNR in dB instead of the distance.
adv-lib's attacks know no other bounds than [0, 1], so all attacks get waveforms moved from [-1, 1] to there.
"""

from __future__ import annotations

import argparse
import importlib
import math
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

if __name__ == "__main__":
    # Python searches the folder of a script first, where other files have the names of packages of the project.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from attacks.unit_inputs import UnitInputs
from benchmarks.attacks_comparison import Line, compare, our_attack
from benchmarks.attacks_peers import Attacker
from benchmarks.attacks_run import clean_correct
from storage import write_json

STARTS = {"map": (1.0, 0.1), "sound": (0.1, 0.01)}
"""First steps of ALMA, in units of l_2: it has no one value for all victims and stands with each."""

LEARNING_RATES = {"map": 0.01, "sound": 0.00015}
"""Of CWA: the default, and that of the budgets for sounds in units of [0, 1]."""


def our_sides(iterations: Sequence[int], learning_rates: Sequence[float]) -> Iterator[tuple[str, str, Attacker]]:
    """Our attacks: the name, settings and function of each; CWA with each of the learning rates."""
    for count in iterations:
        yield "minimal_norm", f"{count} iterations", our_attack("minimal_norm", iterations=count)
    yield "deepfool", "100 iterations", our_attack("deepfool", iterations=100)
    for rate in learning_rates:
        for searches, count in ((1, 100), (3, 100)):
            settings: dict[str, Any] = {"search_steps": searches, "iterations": count, "learning_rate": rate}
            words = f"{searches} x {count}" if len(learning_rates) == 1 else f"{searches} x {count}, rate {rate:g}"
            yield "cwa_untargeted", words, our_attack("cwa_untargeted", **settings)


def adv_lib_sides(steps: Sequence[int], starts: Sequence[float]) -> Iterator[tuple[str, str, Attacker]]:
    """The attacks of adv-lib: the name, settings and function of each.

    Raises:
        ImportError: if adv-lib is not installed.
    """
    library = importlib.import_module("adv_lib.attacks")

    def attack(name: str, victim: nn.Module, inputs: Tensor, labels: Tensor, **settings: Any) -> Tensor:
        adversarial: Tensor = getattr(library, name)(victim, inputs, labels, **settings)
        return adversarial

    for count in steps:
        for start in starts:
            settings: dict[str, Any] = {"num_steps": count, "distance": "l2", "init_lr_distance": start}
            yield "alma", f"{count} steps, first {start:g}", partial(attack, "alma", **settings)
        # 256 levels by default, which our adversarials are not held to.
        # DDN starts with a norm of 1, which in sound would be most of its steps away from the answer.
        yield "ddn", f"{count} steps", partial(attack, "ddn", steps=count, levels=None, init_norm=starts[0])
        yield "fmn", f"{count} steps", partial(attack, "fmn", norm=2, steps=count)
    yield "superdeepfool", "at most 100 steps", partial(attack, "sdf")


def main() -> None:
    """Measure, print each result when available and the table at the end, and write all if ``--output`` is given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True, help="a fold's best.ckpt of train.py")
    parser.add_argument("--data.root", dest="root", help="folder of the corpus; that of the training by default")
    parser.add_argument("--data.cache_dir", dest="cache_dir", help="folder of the caches")
    parser.add_argument("--clips", type=int, default=20)
    parser.add_argument("--space", choices=("map", "sound"), default="map")
    parser.add_argument("--iterations", type=int, nargs="*", default=(10, 20, 42, 80), help="budgets of ours")
    parser.add_argument("--learning_rates", type=float, nargs="+", help="of CWA, in units of [0, 1]")
    parser.add_argument("--steps", type=int, nargs="*", default=(25, 50, 100, 200), help="budgets of adv-lib's")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", type=Path, help="JSON file")
    arguments = parser.parse_args()

    torch.set_num_threads(arguments.threads)
    console = Console(width=None if sys.stdout.isatty() else 140)
    space, sounds = arguments.space, arguments.space == "sound"
    victim, inputs, labels = clean_correct(
        arguments.checkpoint, arguments.root, arguments.cache_dir, arguments.clips, sounds=sounds
    )
    norms = None
    if sounds:
        # In the units of [0, 1].
        norms = (inputs.double().flatten(1).norm(dim=1) / 2).tolist()
        victim = UnitInputs(victim, (-1.0, 1.0), inputs.shape[1:])
        inputs = victim.pictures(inputs)
    sides = [
        ("ours", side) for side in our_sides(arguments.iterations, arguments.learning_rates or [LEARNING_RATES[space]])
    ]
    try:
        sides += [("adv-lib", side) for side in adv_lib_sides(arguments.steps, STARTS[space])]
    except ImportError as error:
        console.print(f"ours alone, because adv-lib cannot be imported ({error}): pip install adv-lib")
    lines: list[Line] = []
    for who, (name, settings, attack) in sides:
        line = compare(name, who, settings, attack, victim, inputs, labels)
        lines.append(line)
        console.log(
            f"{who} {name}, {settings}: success {line.success:.0%}, {_size(line, norms)}, "
            f"{line.gradient_rows} gradient rows"
        )
        if arguments.output is not None:
            write_json(arguments.output, {"clips": len(inputs), "lines": [_plain(line) for line in lines]})
    console.print(_table(lines, norms))


def _size(line: Line, norms: list[float] | None) -> str:
    if norms is None:
        return f"median l2 {line.median_l2:.4f}"
    return f"median SNR {median_snr(line.l2, norms):.2f} dB"


def median_snr(l2: Sequence[float], norms: Sequence[float]) -> float:
    """Median SNR in dB of changes of these l_2 norms; a clip that is not fooled has minus infinity.

    Args:
        l2: norm of each clip's change.
        norms: norm of each clip; silent clips are left out.
    """
    pairs = [(size, norm) for size, norm in zip(l2, norms, strict=True) if norm > 0 and size > 0]
    ratios = [20 * math.log10(norm / size) if math.isfinite(size) else -math.inf for size, norm in pairs]
    return statistics.median(ratios)


def _table(lines: list[Line], norms: list[float] | None) -> Table:
    """The table of distance against gradients, cheapest first."""
    size = ("median l2", "mean l2") if norms is None else ("median SNR", "mean l2")
    table = Table("who", "attack", "settings", "success", *size, "gradient rows", "forward rows", "s")
    for line in sorted(lines, key=lambda line: line.gradient_rows):
        table.add_row(
            line.who,
            line.attack,
            line.settings,
            f"{line.success:.0%}",
            f"{line.median_l2:.4f}" if norms is None else f"{median_snr(line.l2, norms):.2f}",
            f"{sum(line.l2) / len(line.l2):.4f}",
            str(line.gradient_rows),
            str(line.forward_rows),
            f"{line.seconds:.1f}",
        )
    return table


def _plain(line: Line) -> dict[str, Any]:
    return asdict(line) | {"l2": [value if math.isfinite(value) else None for value in line.l2]}


if __name__ == "__main__":
    main()
