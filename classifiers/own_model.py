"""A classifier that lies outside the project: built from its import path, and looked at before any work starts.

The import path is that of a class or a function that is called with keyword arguments: always ``num_classes``, the
number of logits, and where its signature has a parameter of that name

- ``input_shape``, the shape of one map as a tuple ``(channels, rows, columns)``;
- ``in_channels``, the first number of it.

It returns a :class:`torch.nn.Module` in float32 on the CPU, from maps ``(batch, channels, rows, columns)`` in [0, 1] to
logits ``(batch, classes)``. Whatever else the network needs it does itself in ``forward``: repeating the one channel,
resizing, normalising.
"""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from storage.untrusted import shortened

PROBED = 2
"""Number of maps that a network is shown before any work is done with it."""


def build_own_model(
    builder: Callable[..., nn.Module], name: str, num_classes: int, input_shape: tuple[int, ...] | None
) -> nn.Module:
    """Call the class or function of an import path and check what it returns.

    Args:
        builder: what the import path names.
        name: the import path, for error messages.
        num_classes: number of logits.
        input_shape: shape of one input ``(channels, rows, columns)``; None if it is not known, which leaves out the
            check of the outputs.

    Returns:
        The module, in training mode as a built-in one is.

    Raises:
        ValueError: if the builder takes other arguments or raises, or what it returns is no module, lies on another
            device, has another precision, or does not give one row of ``num_classes`` finite logits per input.
    """
    arguments = _arguments(builder, name, num_classes, input_shape)
    try:
        module = builder(**arguments)
    # The network is somebody else's code and may raise anything.
    except Exception as error:
        given = ", ".join(f"{key}={value}" for key, value in arguments.items())
        raise ValueError(
            f"expected {name}({given}) to build a network, got {type(error).__name__}: {shortened(str(error))}"
        ) from error
    if not isinstance(module, nn.Module):
        raise ValueError(f"expected {name} to return a torch.nn.Module, got {type(module).__name__}")
    check_tensors(module, name)
    if input_shape is not None:
        check_outputs(module, name, num_classes, input_shape)
    return module.train()


def check_tensors(module: nn.Module, name: str) -> None:
    """Raise ``ValueError`` unless all parameters and buffers lie on the CPU, those with fractions in float32."""
    for key, tensor in _tensors(module).items():
        # A lazy layer has no values before its first input.
        if torch.nn.parameter.is_lazy(tensor):
            continue
        if tensor.device.type != "cpu":
            raise ValueError(
                f"expected {name} to be built on the CPU, got {key} on {tensor.device}; leave out its .to() or "
                ".cuda(): --trainer.accelerator chooses the device"
            )
        if (tensor.is_floating_point() or tensor.is_complex()) and tensor.dtype != torch.float32:
            raise ValueError(
                f"expected {name} to be built in float32, got {key} in {str(tensor.dtype).removeprefix('torch.')}; "
                "call float() on it: --trainer.precision chooses what is computed in"
            )


def check_outputs(module: nn.Module, name: str, num_classes: int, input_shape: tuple[int, ...]) -> None:
    """Show a network two inputs in evaluation mode, and look at what it returns.

    Its weights and statistics, and the state of the random numbers, are afterwards as they were.

    Raises:
        ValueError: if it raises, stays in training mode, or returns anything but finite logits, one row per input.
    """
    module.eval()
    still = [key or "the module itself" for key, part in module.named_modules() if part.training]
    if still:
        raise ValueError(f"expected {name} in evaluation mode after eval(), got {still[0]} in training mode")
    inputs = torch.linspace(0, 1, PROBED * torch.Size(input_shape).numel()).reshape(PROBED, *input_shape)
    shape = f"(batch, {', '.join(map(str, input_shape))})"
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            logits = module(inputs)
    except Exception as error:
        raise ValueError(
            f"expected {name} to take inputs of shape {shape}, got {type(error).__name__}: {shortened(str(error))}; "
            "what the network needs beyond that, such as three channels or another size, it has to do in its forward"
        ) from error
    if not isinstance(logits, Tensor):
        raise ValueError(
            f"expected {name} to return one tensor of logits, got {type(logits).__name__}; return its part that holds "
            "the logits"
        )
    if logits.shape != (PROBED, num_classes):
        raise ValueError(
            f"expected {name} to return logits of shape {(PROBED, num_classes)} for {PROBED} inputs and {num_classes} "
            f"classes, got {tuple(logits.shape)}"
        )
    if not logits.is_floating_point():
        raise ValueError(f"expected {name} to return logits in float32, got {logits.dtype}")
    if not bool(logits.isfinite().all()):
        raise ValueError(f"expected {name} to return finite logits, got NaN or infinity")
    if bool((logits >= 0).all()) and bool(((logits.sum(dim=1) - 1).abs() < 1e-4).all()):
        raise ValueError(
            f"expected {name} to return logits, got probabilities (each row adds up to 1): leave out its softmax, or "
            "return the logarithm of its output"
        )


def _arguments(
    builder: Callable[..., Any], name: str, num_classes: int, input_shape: tuple[int, ...] | None
) -> dict[str, Any]:
    """What the builder is called with, as its signature asks for."""
    try:
        parameters = inspect.signature(builder).parameters
    except (ValueError, TypeError) as error:
        raise ValueError(f"expected {name} to have a signature with num_classes, got none") from error
    takes_any = any(parameter.kind == parameter.VAR_KEYWORD for parameter in parameters.values())
    by_name = {
        key
        for key, parameter in parameters.items()
        if parameter.kind in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    }
    if "num_classes" not in by_name and not takes_any:
        raise ValueError(
            f"expected {name} to take num_classes, got the parameters ({', '.join(parameters)}); name the number of "
            "logits so, or write a function that does"
        )
    offered: Mapping[str, Any] = {}
    if input_shape is not None:
        offered = {"input_shape": tuple(input_shape), "in_channels": input_shape[0]}
    return {"num_classes": num_classes, **{key: value for key, value in offered.items() if key in by_name}}


def _tensors(module: nn.Module) -> dict[str, Tensor]:
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}
