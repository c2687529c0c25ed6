"""ImageNet weights for one-channel maps: the first layer is folded so that a grey image has the same features."""

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pickle import UnpicklingError

import torch
from torch import Tensor
from torchvision.models import WeightsEnum

from storage import DataError

# Mean and standard deviation per channel with which the images were normalised for training.
MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)

STALLED_AFTER_SECONDS = 20.0


def imagenet_state(weights: WeightsEnum) -> dict[str, Tensor]:
    """Read pretrained weights from torch's own cache, or download them there.

    Raises:
        DataError: if they are not on this machine and cannot be downloaded, or are damaged.
    """
    try:
        with _socket_timeout(STALLED_AFTER_SECONDS):
            return dict(weights.get_state_dict(progress=True, check_hash=True))
    except (OSError, RuntimeError, EOFError, UnpicklingError) as error:
        raise DataError(
            f"expected the ImageNet weights of {weights.url}, got {error}; connect this machine, or put the "
            f"file into {torch.hub.get_dir()}/checkpoints, or train with pretrained=False"
        ) from error


def fold_first_layer(
    state: dict[str, Tensor],
    convolution: str,
    shift: str,
    *,
    mean: Sequence[float] = MEAN,
    deviation: Sequence[float] = DEVIATION,
) -> dict[str, Tensor]:
    """Fold the first convolution so that it reads one channel in [0, 1] instead of three normalised ones.

    On a grey image x in every channel it gives sum_c w_c * (x - m_c) / s_c, which is (sum_c w_c / s_c) * x minus a
    constant per filter. The first factor becomes the new kernel. The constant moves into ``shift``: it is added to the
    running mean of the batch normalisation that follows, or subtracted from the bias of the convolution. Both are exact
    except under the zero padding at the edges, where the old network saw the mean colour and the new one sees 0.

    Args:
        state: weights of a network; not modified.
        convolution: key of the first kernel, ``(filters, 3, height, width)``.
        shift: key of the ``running_mean`` or ``bias`` that takes the constant, ``(filters,)``.
        mean: m_c of the normalisation in training, per channel.
        deviation: s_c of the normalisation in training, per channel.

    Returns:
        The weights with a first kernel of ``(filters, 1, height, width)``.
    """
    scaled = state[convolution] / torch.tensor(deviation).view(1, 3, 1, 1)
    constant = (scaled * torch.tensor(mean).view(1, 3, 1, 1)).sum(dim=(1, 2, 3))
    sign = -1.0 if shift.endswith("bias") else 1.0
    return {**state, convolution: scaled.sum(dim=1, keepdim=True), shift: state[shift] + sign * constant}


@contextmanager
def _socket_timeout(seconds: float) -> Iterator[None]:
    # torch.hub opens the URL without a timeout and would hang for minutes behind a firewall that drops packets.
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
