"""An early check that Lightning's Trainer accepts the settings of a command line, before any work is done."""

from typing import Any

from pytorch_lightning import Trainer
from pytorch_lightning.utilities.exceptions import MisconfigurationException

from commands.errors import UsageError


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
