"""Versions, commit and processes: what a result was computed with, stored beside it so that it can be traced."""

import os
import platform
import subprocess
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, cast

from storage.summaries import Maker

PACKAGES = (
    "torch",
    "torchvision",
    "torchaudio",
    "pytorch-lightning",
    "librosa",
    "soxr",
    "numpy",
    "scikit-learn",
    "torchattacks",
    "adv-lib",
)


def is_launched() -> bool:
    """Whether another process of the same program started this one, as Lightning does for each further GPU."""
    return "LOCAL_RANK" in os.environ


def is_one_of_many() -> bool:
    """Whether torchrun or SLURM started this process together with others, so that none of them is the parent."""
    variables = os.environ
    return "TORCHELASTIC_RUN_ID" in variables or (
        "SLURM_PROCID" in variables and int(variables.get("SLURM_NTASKS", "1")) > 1
    )


def is_first_process() -> bool:
    """Whether this is the first of a Trainer's processes, whatever started them."""
    # Lightning takes seconds to import, and who asks this has a Trainer.
    from pytorch_lightning.utilities import rank_zero_only

    return bool(getattr(rank_zero_only, "rank", 0) == 0)


def package_versions() -> dict[str, str]:
    """Versions, by name, of Python and of the packages that can affect a result."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def git_commit() -> str | None:
    """Hash of the checked-out commit, with ``+changes`` if tracked files differ from it; None outside a checkout."""
    checkout = Path(__file__).resolve().parent.parent
    try:
        commit = _git(checkout, "rev-parse", "HEAD")
        return commit + ("+changes" if _git(checkout, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def makers_in(settings: Mapping[str, Any]) -> dict[str, list[Maker]]:
    """What attacked clips with each attack, by its name, from the settings of a folder of attacks or its summary.

    Files of earlier versions hold an entry without folds for each attack, the first, instead of a list.
    """
    found = settings.get("made_by", {})
    listed = {attack: makers if isinstance(makers, list) else [makers] for attack, makers in found.items()}
    return {
        attack: [cast(Maker, maker) for maker in makers if isinstance(maker, dict)] for attack, makers in listed.items()
    }


def with_maker(
    makers: Mapping[str, list[Maker]], fold: int, attacks: Iterable[str], maker: Maker
) -> dict[str, list[Maker]]:
    """Add what attacks clips of a fold now; each commit and set of versions is listed once for an attack.

    Args:
        makers: what attacked clips before, by the name of the attack.
        fold: number of the fold.
        attacks: names of the attacks.
        maker: the commit and the versions.
    """
    added = dict(makers)
    for attack in attacks:
        before = added.get(attack, [])
        known = [one for one in before if all(one.get(name) == maker[name] for name in ("git_commit", "versions"))]
        if not known:
            added[attack] = [*before, {**maker, "folds": [fold]}]
        elif "folds" in known[0]:
            now: Maker = {**known[0], "folds": sorted({*known[0]["folds"], fold})}
            added[attack] = [now if one is known[0] else one for one in before]
    return added


def _git(checkout: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(checkout), *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()
