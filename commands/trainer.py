"""Devices and processes of a command: settings that Lightning's Trainer accepts, and which process acts for all."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from pytorch_lightning import Trainer
from pytorch_lightning.utilities.exceptions import MisconfigurationException

from commands.errors import UsageError
from storage.provenance import is_first_process


def check_trainer(settings: dict[str, Any]) -> Trainer:
    """A Trainer with these settings and nothing beside them, which says what is computed on.

    Raises:
        UsageError: if Lightning refuses the settings on this machine.
    """
    plain = {name: value for name, value in settings.items() if isinstance(value, bool | int | float | str | list)}
    alone: dict[str, Any] = {**plain, "logger": False, "callbacks": None, "enable_checkpointing": False}
    try:
        return Trainer(**alone)
    except (MisconfigurationException, ValueError, TypeError, RuntimeError) as error:
        raise UsageError(f"expected --trainer flags that fit together and this machine, got: {error}") from error


def chosen_device(name: str) -> torch.device:
    """The device that ``--device`` names; the GPU where there is one for ``auto``.

    Raises:
        UsageError: if there is no such device on this machine.
    """
    wanted = ("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name
    try:
        torch.zeros(1, device=wanted)
        return torch.device(wanted)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(
            f"expected --device to be cpu, cuda or another device of this machine, got {name!r}: {reason}"
        ) from error


def of_all_processes(lock: AbstractContextManager[None]) -> AbstractContextManager[None]:
    """A lock that the first of a Trainer's processes takes for all of them."""
    return lock if is_first_process() else nullcontext()
