"""What commands print before long work: the device, the model, the number of clips and where caches lie."""

import os
from collections.abc import Sequence
from pathlib import Path

from pytorch_lightning import Trainer
from pytorch_lightning.utilities import rank_zero_only
from rich.console import Console

GIB, MIB = 2**30, 2**20


def device(trainer: Trainer) -> str:
    """Devices and precision of a Trainer as text: ``cpu, 32-true`` or ``2 cuda devices, bf16-mixed``."""
    kind = trainer.strategy.root_device.type
    count = trainer.world_size
    return f"{kind if count == 1 else f'{count} {kind} devices'}, {trainer.precision}"


def cache_size(folder: Path) -> str:
    """A cache folder and its size as text: ``/home/me/.cache/sound-robustness (1.2 GiB)``."""
    size, waiting = 0, [folder]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(Path(entry.path))
                    else:
                        size += entry.stat(follow_symlinks=False).st_size
        except OSError:
            # Another process may clear a cache while this one looks.
            continue
    shown = "empty" if not size else f"{size / GIB:.1f} GiB" if size >= GIB else f"{size / MIB:.1f} MiB"
    return f"{folder} ({shown})"


def numbers(values: Sequence[int]) -> str:
    """Numbers of folds as text: ``fold 1``, ``folds 1, 2``."""
    return f"fold{'s' if len(values) > 1 else ''} {', '.join(map(str, values))}"


@rank_zero_only
def say(*lines: str) -> None:
    """Print lines unchanged, from the first process only."""
    console = Console()
    for line in lines:
        console.print(line, soft_wrap=True, highlight=False, markup=False)
