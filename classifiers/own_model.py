"""A classifier from outside the project: built from its import path, and checked before any work starts.

The import path names a class or a function that is called with keyword arguments: always ``num_classes``, the number
of logits, and, where its signature has a parameter of that name,

- ``input_shape``, the shape of one map as a tuple ``(channels, rows, columns)``;
- ``in_channels``, the first entry of that shape.

It returns a :class:`torch.nn.Module` in float32 on the CPU, from maps ``(batch, channels, rows, columns)`` in [0, 1] to
logits ``(batch, classes)``. Whatever preprocessing the network needs (repeating the channel, resizing, normalising)
belongs in its ``forward``.
"""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from storage.untrusted import shortened

PROBED = 2
"""Number of maps on which a network is checked before any work is done with it."""


def build_own_model(
    builder: Callable[..., nn.Module], name: str, num_classes: int, input_shape: tuple[int, ...] | None
) -> nn.Module:
    """Call the class or function of an import path and check what it returns.

    Args:
        builder: the class or function.
        name: the import path, for error messages.
        num_classes: number of logits.
        input_shape: shape of one input ``(channels, rows, columns)``; None if it is unknown, in which case the outputs
            are not checked.

    Returns:
        The module, in training mode like a built-in one.

    Raises:
        ValueError: if the builder takes other arguments or raises, or if what it returns is not a module, is not on the
            CPU in float32, or does not return one row of ``num_classes`` finite logits per input.
    """
    arguments = _arguments(builder, name, num_classes, input_shape)
    try:
        module = builder(**arguments)
    # The network is third-party code and may raise any exception.
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
    """Raise ``ValueError`` unless all parameters and buffers are on the CPU and the floating-point ones in float32."""
    for key, tensor in _tensors(module).items():
        # A lazy layer has no values before its first input.
        if torch.nn.parameter.is_lazy(tensor):
            continue
        if tensor.device.type != "cpu":
            raise ValueError(
                f"expected {name} to be built on the CPU, got {key} on {tensor.device}; remove its .to() or "
                ".cuda(): --trainer.accelerator chooses the device"
            )
        if (tensor.is_floating_point() or tensor.is_complex()) and tensor.dtype != torch.float32:
            raise ValueError(
                f"expected {name} to be built in float32, got {key} in {str(tensor.dtype).removeprefix('torch.')}; "
                "call float() on it: --trainer.precision chooses the precision of the computation"
            )


def check_outputs(module: nn.Module, name: str, num_classes: int, input_shape: tuple[int, ...]) -> None:
    """Evaluate a network on two inputs in evaluation mode and check its outputs.

    Weights, running statistics and the state of the random number generator are left unchanged.

    Args:
        module: the network; it is left in evaluation mode.
        name: the import path, for error messages.
        num_classes: number of logits.
        input_shape: shape of one input ``(channels, rows, columns)``.

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
            "conversions that the network needs, such as to three channels or another size, belong in its forward"
        ) from error
    if not isinstance(logits, Tensor):
        raise ValueError(
            f"expected {name} to return one tensor of logits, got {type(logits).__name__}; return the logits alone"
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
            f"expected {name} to return logits, got probabilities (each row sums to 1): remove its softmax, or "
            "return the logarithm of its output"
        )


def _arguments(
    builder: Callable[..., Any], name: str, num_classes: int, input_shape: tuple[int, ...] | None
) -> dict[str, Any]:
    """Keyword arguments for the builder, according to its signature."""
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
            f"expected {name} to take num_classes, got the parameters ({', '.join(parameters)}); rename the parameter "
            "for the number of logits, or wrap it in a function that takes num_classes"
        )
    offered: Mapping[str, Any] = {}
    if input_shape is not None:
        offered = {"input_shape": tuple(input_shape), "in_channels": input_shape[0]}
    return {"num_classes": num_classes, **{key: value for key, value in offered.items() if key in by_name}}


def _tensors(module: nn.Module) -> dict[str, Tensor]:
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}
