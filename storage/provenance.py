"""Versions, commit and processes: what a result was computed with, stored beside it so that it can be traced."""

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

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


def _git(checkout: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(checkout), *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()
