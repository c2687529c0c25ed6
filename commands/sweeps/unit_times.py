"""Durations of the basic operations of training and attacks, measured on this machine or read from a file."""

import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
import torch.nn.functional as F
import yaml
from torch import nn

from attacks.victim import frozen
from classifiers import ARCHITECTURES, WAVEFORM_ARCHITECTURES
from commands.errors import UsageError
from datamodules.augmentation import make_copy
from lightning_modules.sound_classifier import SoundClassifier
from representations import DWT, MFCC, STFT, Representation
from storage import write_text
from storage.yaml_file import read_yaml

ONE_CORE = Path(__file__).parents[2] / "configs" / "unit_times" / "one_core.yaml"
CLASSES = 10
BATCH_SIZE = 32
RATE_HZ = 22050
CLIP_SECONDS = 5
REPETITIONS = 3


@dataclass(frozen=True)
class UnitTimes:
    """Seconds per clip of each basic operation, in batches of 32.

    Attributes:
        machine: the machine on which they were measured.
        cores: number of processor cores used: one on a CPU.
        train: one training step, by architecture of maps.
        gradient: one gradient of the logits with respect to the map, forward and backward, by architecture.
        forward: one forward, by architecture.
        representation: one map of 128 x 128 of a clip of 5 s, by representation.
        copy: one pitch-shifted copy of a clip of 5 s.
        rows: gradient rows per clip that each attack has spent at each profile of budgets, where that was measured.
    """

    machine: str
    cores: int
    train: dict[str, float]
    gradient: dict[str, float]
    forward: dict[str, float]
    representation: dict[str, float]
    copy: float
    rows: dict[str, dict[str, float]] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> "UnitTimes":
        """Read what :meth:`write` has written.

        Raises:
            UsageError: if the file is missing or does not hold unit times.
        """
        try:
            content = read_yaml(path)
            times = cls(**content)
            numbers = [times.copy, *(number for group in times._groups() for number in group.values())]
            if not all(isinstance(number, float | int) and 0 <= number < float("inf") for number in numbers):
                raise ValueError("numbers that are no times")
        except (ValueError, TypeError, AttributeError) as error:
            raise UsageError(
                f"expected unit times in {path}, found: {error}; "
                f"`python -m commands.sweeps.paper_cost --measure {path}` measures them"
            ) from error
        return times

    def write(self, path: Path) -> None:
        """Write the times, rounded to four digits, with the command that measures them."""
        content = {
            name: {key: _rounded(value) for key, value in group.items()} if isinstance(group, dict) else _rounded(group)
            for name, group in asdict(self).items()
        }
        # The path of this machine says nothing on another one.
        command = f"# python -m commands.sweeps.paper_cost --measure configs/unit_times/{path.name}"
        said = "# Seconds per clip; on a CPU, processor time of one core."
        write_text(path, f"{command}\n{said}\n" + yaml.safe_dump(content, sort_keys=False))

    def _groups(self) -> list[dict[str, float]]:
        return [self.train, self.gradient, self.forward, self.representation, *self.rows.values()]


def measure(device: str = "cpu", say: Callable[[str], None] = print) -> UnitTimes:
    """Measure every unit on this machine, medians of three after a first that is not counted.

    On a CPU one core is measured by the processor's own clock, so that other programs on it change little.

    Args:
        device: ``cpu``, or ``cuda``.
        say: called with the name of what is being measured.
    """
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    maps = torch.rand(BATCH_SIZE, 1, 128, 128, generator=generator).to(device)
    labels = torch.randint(CLASSES, (BATCH_SIZE,), generator=generator).to(device)
    train, gradient, forward = {}, {}, {}
    for name in [name for name in ARCHITECTURES if name not in WAVEFORM_ARCHITECTURES]:
        say(f"measuring {name}")
        model = SoundClassifier(num_classes=CLASSES, architecture=name).classifier.to(device)
        train[name] = _train_seconds(model, maps, labels)
        gradient[name], forward[name] = _attack_seconds(model, maps, labels)
    waveforms = torch.rand(BATCH_SIZE, 1, RATE_HZ * CLIP_SECONDS, generator=generator).mul(2).sub(1).to(device)
    representations: dict[str, Representation] = {"MFCC": MFCC(), "STFT": STFT(), "DWT": DWT()}
    mapped = {}
    for name, representation in representations.items():
        say(f"measuring {name}")
        clips = waveforms[:, :, : representation.sample_rate * CLIP_SECONDS]
        representation = representation.to(device)
        mapped[name] = _seconds(lambda module=representation, x=clips: module(x), device) / BATCH_SIZE  # type: ignore[misc]
    say("measuring pitch shifts")
    clip = waveforms[0, 0].cpu().numpy()
    copied = _seconds(lambda: make_copy(clip, RATE_HZ, "pitch_shift", 1.15), device)
    return UnitTimes(
        machine=torch.cuda.get_device_name() if device == "cuda" else _processor(),
        cores=1,
        train=train,
        gradient=gradient,
        forward=forward,
        representation=mapped,
        copy=copied,
    )


def _train_seconds(model: nn.Module, maps: torch.Tensor, labels: torch.Tensor) -> float:
    optimizer = torch.optim.AdamW(model.train().parameters(), lr=2e-3, fused=True)

    def step() -> None:
        optimizer.zero_grad()
        F.cross_entropy(model(maps), labels).backward()
        optimizer.step()

    return _seconds(step, maps.device.type) / BATCH_SIZE


def _attack_seconds(model: nn.Module, maps: torch.Tensor, labels: torch.Tensor) -> tuple[float, float]:
    def gradient() -> None:
        points = maps.detach().requires_grad_()
        torch.autograd.grad(F.cross_entropy(model(points), labels), points)

    with frozen(model):
        both = _seconds(gradient, maps.device.type) / BATCH_SIZE
        with torch.no_grad():
            return both, _seconds(lambda: model(maps), maps.device.type) / BATCH_SIZE


def _seconds(work: Callable[[], object], device: str) -> float:
    """Median duration of a function in seconds; the first call, which loads and plans, is not counted."""
    cuda = device == "cuda"
    clock = time.perf_counter if cuda else time.process_time
    taken = []
    for _ in range(REPETITIONS + 1):
        started = clock()
        work()
        if cuda:
            torch.cuda.synchronize()
        taken.append(clock() - started)
    return statistics.median(taken[1:])


def _processor() -> str:
    names = [line for line in _lines(Path("/proc/cpuinfo")) if line.startswith("model name")]
    return names[0].partition(":")[2].strip() if names else platform.processor() or platform.machine()


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []


def _rounded(value: object) -> object:
    if isinstance(value, dict):
        return {key: _rounded(entry) for key, entry in value.items()}
    return float(f"{value:.4g}") if isinstance(value, float) else value
