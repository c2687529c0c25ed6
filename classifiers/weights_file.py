"""Weights of a model that was trained elsewhere: a state dict of PyTorch or a safetensors file, put into a module.

Nothing in the file is executed: ``torch.load`` with ``weights_only=True`` builds nothing but tensors and plain values,
and safetensors holds nothing else.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from storage import DataError
from storage.untrusted import shortened

PREFIXES = ("module.", "model.", "net.", "network.", "classifier.")
"""What wrappers put in front of every key: DataParallel, Lightning systems, this project's own checkpoints."""
NAMED = 3
"""How many keys a message names."""


def load_weights(module: nn.Module, path: Path | str, name: str) -> None:
    """Put the weights of a file into a module; every key has to fit, in name and shape.

    A prefix that all keys of the file share and the module's do not (``module.``, ``model.``) is left out. Files with
    more than weights hold them under ``state_dict``, as Lightning writes them.

    Args:
        module: the network, on the CPU; it is changed only if everything fits.
        path: ``*.safetensors``, or a file of ``torch.save``.
        name: what the network is called in messages.

    Raises:
        DataError: if the file is missing, broken, or holds other weights; the first keys that do not fit are named.
    """
    path = Path(path)
    found = _without_prefix(read_weights(path), module.state_dict().keys())
    expected = module.state_dict()
    # Batch norms of before 2018 did not count their batches, which changes no output.
    missing = sorted(key for key in expected.keys() - found.keys() if not key.endswith(".num_batches_tracked"))
    unknown = sorted(found.keys() - expected.keys())
    other = sorted(key for key in expected.keys() & found.keys() if expected[key].shape != found[key].shape)
    problems = []
    if missing:
        problems.append(f"no {_listed(missing)}")
    if unknown:
        problems.append(f"{_listed(unknown)}, which it does not have")
    if other:
        shapes = [f"{key} {tuple(found[key].shape)} instead of {tuple(expected[key].shape)}" for key in other]
        problems.append(_listed(shapes))
    if problems:
        raise DataError(f"expected the weights of {name} in {path}, found {'; '.join(problems)}")
    for key, values in found.items():
        if expected[key].is_floating_point() != values.is_floating_point():
            raise DataError(f"expected {key} in {expected[key].dtype} in {path}, found {values.dtype}")
        if not bool(values.isfinite().all()):
            raise DataError(f"expected finite weights in {path}, found NaN or infinity in {key}")
    module.load_state_dict(found, strict=False)


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a weights file by their keys.

    Raises:
        DataError: if there is no such file, it cannot be read as one, or it holds anything but tensors by name.
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
    # What a broken or forged archive makes the unpickler raise is not limited to a few kinds.
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
    """Leave out prefixes that all keys share, as long as no key is one of those that are expected."""
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


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
