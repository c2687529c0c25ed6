"""The flags of round_trip.py, fragility.py and scalar_test.py, which work on stored adversarials."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from commands.errors import (
    LARGEST_SEED,
    packages_to_import,
    quieten,
    refuse_deletion_by_many,
    require_folder,
    require_number,
)
from commands.flags import chosen_folds
from commands.help import Example
from commands.parser import read_flags
from commands.start import say
from storage.space import SpaceName

ROUND_TRIP_EXAMPLES = (
    Example("python round_trip.py --checkpoints runs/esc10-stft", "of what attack.py --save-adversarials has kept"),
    Example("python round_trip.py --checkpoints runs/esc10-stft --attacks fgsm --sounds wav", "sounds to listen to"),
)
FRAGILITY_EXAMPLES = (
    Example("python fragility.py --checkpoints runs/esc10-stft", "every disturbance"),
    Example("python fragility.py --checkpoints runs/esc10-stft --attacks bim_b --transforms noise mp3", ""),
    Example("python fragility.py --checkpoints runs/esc10-m11 --space sound", "after attack.py --space sound"),
)


@dataclass
class CorpusFlags:
    """Where a checkpoint's corpus lies on this machine.

    Args:
        root: folder of the corpus on this machine; the one that the checkpoint names by default.
        cache_dir: folder of the caches on this machine; the user's cache folder by default.
    """

    root: str | None = None
    cache_dir: str | None = None


@dataclass
class StoredFlags:
    """Which stored adversarials a command works on.

    Args:
        checkpoints: checkpoints, or folders of runs, which stand for all their folds.
        attacks: names of attacks whose adversarials were kept; all of them by default.
        folds: all, or the numbers of some folds, such as 1 or 1,2.
        overwrite: delete the results first.
        allow_import: packages whose classes checkpoints may name; importing one runs its code, so name only what you
            trust.
        device: cpu, cuda or another of PyTorch's; auto is the GPU where there is one.
        data: where the corpus lies on this machine.
    """

    checkpoints: list[str]
    attacks: list[str] | None = None
    folds: str | int | list[int] = "all"
    overwrite: bool = False
    allow_import: list[str] = field(default_factory=list)
    device: str = "auto"
    data: CorpusFlags = field(default_factory=CorpusFlags)

    def check(self) -> None:
        """Refuse what can be told from the flags alone.

        Raises:
            UsageError: if a number lies outside its range, or a folder is a file.
        """
        chosen_folds(self.folds)
        require_folder("--data.cache_dir", self.data.cache_dir)
        packages_to_import(self.allow_import)
        refuse_deletion_by_many(self.overwrite)


@dataclass
class RoundTripFlags(StoredFlags):
    """What round_trip.py does with stored adversarial maps.

    Args:
        sounds: write the sounds and the clean clips beside the results, with 16 bits, in this format.
    """

    sounds: Literal["wav", "flac"] | None = None


@dataclass
class FragilityFlags(StoredFlags):
    """What fragility.py does with stored adversarials.

    Args:
        space: sounds of adversarial maps, or the sounds that attack.py --space sound has kept.
        transforms: kinds of disturbances (gain, noise, bits, resample, low_pass, shift, ogg, mp3, room); all by
            default.
        seed: seed of the noise that is added to each clip; no other disturbance is random.
    """

    space: SpaceName = "map"
    transforms: list[str] | None = None
    seed: int = 0

    def check(self) -> None:
        """As :meth:`StoredFlags.check`, and the seed."""
        super().check()
        require_number("--seed", self.seed, 0, LARGEST_SEED)


@dataclass
class ScalarFlags(StoredFlags):
    """What scalar_test.py does with stored adversarials.

    Args:
        space: adversarial maps and their sounds, or the sounds that attack.py --space sound has kept.
        seed: seed of the random scalars of each clip; the fixed gains have none.
    """

    space: SpaceName = "map"
    seed: int = 0

    def check(self) -> None:
        """As :meth:`StoredFlags.check`, and the seed."""
        super().check()
        require_number("--seed", self.seed, 0, LARGEST_SEED)


def read_scalar_flags(args: Sequence[str] | None) -> ScalarFlags:
    """Read and check the flags of scalar_test.py.

    Raises:
        UsageError: if one is impossible.
    """
    quieten()
    flags = read_flags(
        ScalarFlags,
        "scalar_test.py",
        args,
        description="Multiply stored adversarial maps, and their sounds, by scalars, and classify them again.",
        examples=(Example("python scalar_test.py --checkpoints runs/esc10-stft", "20 draws and ten fixed gains"),),
    )
    flags.check()
    say(f"scalar_test.py: adversarials of {_named(flags.checkpoints)}, times scalars")
    return flags


def read_round_trip_flags(args: Sequence[str] | None) -> RoundTripFlags:
    """Read and check the flags of round_trip.py.

    Raises:
        UsageError: if one is impossible.
    """
    quieten()
    flags = read_flags(
        RoundTripFlags,
        "round_trip.py",
        args,
        description="Make sounds of stored adversarial maps, and classify the sounds.",
        examples=ROUND_TRIP_EXAMPLES,
    )
    flags.check()
    say(f"round_trip.py: sounds of the adversarial maps of {_named(flags.checkpoints)}")
    return flags


def read_fragility_flags(args: Sequence[str] | None) -> FragilityFlags:
    """Read and check the flags of fragility.py.

    Raises:
        UsageError: if one is impossible.
    """
    quieten()
    flags = read_flags(
        FragilityFlags,
        "fragility.py",
        args,
        description="Make sounds of stored adversarial maps, disturb them and their clean clips, classify both again.",
        examples=FRAGILITY_EXAMPLES,
    )
    flags.check()
    say(f"fragility.py: adversarial sounds of {_named(flags.checkpoints)}, disturbed")
    return flags


def _named(paths: Sequence[str]) -> str:
    return ", ".join(Path(path).name for path in paths)
