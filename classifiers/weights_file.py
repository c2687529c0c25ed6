"""Loading weights of a model trained elsewhere, from a PyTorch state dict or a safetensors file.

Nothing in the file is executed: ``torch.load`` with ``weights_only=True`` builds only tensors and plain values, and a
safetensors file holds only tensors.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from storage import DataError
from storage.errors import named
from storage.untrusted import shortened

PREFIXES = ("module.", "model.", "net.", "network.", "classifier.")
"""Prefixes that wrappers add to every key: DataParallel, Lightning modules, this project's own checkpoints."""
MOST_KEYS = 3
"""Largest number of keys that a message names."""


def load_weights(module: nn.Module, path: Path | str, name: str) -> None:
    """Load the weights of a file into a module; all keys must match in name and shape.

    A prefix that all keys of the file share and the module's keys lack (``module.``, ``model.``) is removed. In a file
    that holds more than weights, they are read from ``state_dict``, where Lightning writes them.

    Args:
        module: the network, on the CPU; it is changed only if everything matches.
        path: ``*.safetensors``, or a file written by ``torch.save``.
        name: name of the network in messages.

    Raises:
        DataError: if the file is missing, damaged, or holds other weights; the message names the first keys that do not
            match.
    """
    path = Path(path)
    found = _without_prefix(read_weights(path), module.state_dict().keys())
    expected = module.state_dict()
    # Batch norms of PyTorch before 2018 did not count their batches; the count does not affect the output.
    missing = sorted(key for key in expected.keys() - found.keys() if not key.endswith(".num_batches_tracked"))
    unknown = sorted(found.keys() - expected.keys())
    other = sorted(key for key in expected.keys() & found.keys() if expected[key].shape != found[key].shape)
    problems = []
    if missing:
        problems.append(f"no {named(missing, MOST_KEYS)}")
    if unknown:
        problems.append(f"{named(unknown, MOST_KEYS)}, which it does not have")
    if other:
        shapes = [f"{key} {tuple(found[key].shape)} instead of {tuple(expected[key].shape)}" for key in other]
        problems.append(named(shapes, MOST_KEYS))
    if problems:
        raise DataError(f"expected the weights of {name} in {path}, found {'; '.join(problems)}")
    for key, values in found.items():
        if expected[key].is_floating_point() != values.is_floating_point():
            raise DataError(f"expected {key} in {expected[key].dtype} in {path}, found {values.dtype}")
        if not bool(values.isfinite().all()):
            raise DataError(f"expected finite weights in {path}, found NaN or infinity in {key}")
    module.load_state_dict(found, strict=False)


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a weights file by key.

    Raises:
        DataError: if the file does not exist, cannot be read, or does not hold a dictionary of tensors.
    """
    if not path.is_file():
        raise DataError(f"expected a file of weights at {path}, found {'a folder' if path.is_dir() else 'no file'}")
    content: Any
    try:
        if path.suffix == ".safetensors":
            content = load_file(path, device="cpu")
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except SafetensorError as error:
        raise DataError(f"expected weights in {path}, found no safetensors file: {shortened(str(error))}") from error
    # A damaged or forged archive can make the unpickler raise almost any exception.
    except Exception as error:
        raise DataError(
            f"expected weights in {path}, found a file that cannot be read as a state dict, or that holds more than "
            "tensors and plain values; save module.state_dict(), not the module"
        ) from error
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    if not isinstance(content, Mapping) or not content:
        raise DataError(f"expected weights by name in {path}, found {_kind(content)}")
    wrong = next((key for key, value in content.items() if not (isinstance(key, str) and _is_dense(value))), None)
    if wrong is not None:
        raise DataError(
            f"expected tensors by name in {path}, found {_kind(content[wrong])} under {shortened(wrong)}; save "
            "module.state_dict() alone"
        )
    return dict(content)


def _without_prefix(found: dict[str, Tensor], expected: Any) -> dict[str, Tensor]:
    """Remove prefixes that all keys share, as long as no key matches an expected one."""
    while not found.keys() & expected:
        prefix = next((one for one in PREFIXES if all(key.startswith(one) for key in found)), None)
        if prefix is None:
            break
        found = {key.removeprefix(prefix): values for key, values in found.items()}
    return found


def _is_dense(value: Any) -> bool:
    return isinstance(value, Tensor) and value.layout == torch.strided and value.device.type == "cpu"


def _kind(value: Any) -> str:
    return "nothing" if isinstance(value, Mapping) and not value else type(value).__name__
