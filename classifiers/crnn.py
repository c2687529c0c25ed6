"""A convolutional recurrent network (CRNN) for one-channel maps: convolutions over both axes, an LSTM over time.

Convolutions followed by an LSTM are one of the designs on which the robustness of sound classifiers is studied
(arXiv:2204.07018); the widths are our own, chosen for a few hundred to a few thousand clips.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WIDTHS = (16, 32, 64)
ROWS = 4
"""Number of frequency bands to which the features are averaged for the LSTM."""
HIDDEN = 64


class CRNN(nn.Module):
    """Three blocks of convolution, batch norm, ReLU and pooling by 2; then an LSTM with outputs averaged over time.

    The features are averaged to four frequency bands, so that maps of any size from 8 x 8 fit.

    Args:
        num_classes: number of logits.
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        channels_in = 1
        for channels in WIDTHS:
            blocks += [
                nn.Conv2d(channels_in, channels, kernel_size=3, padding=1, bias=False),
                nn.BatchNorm2d(channels),
                nn.ReLU(),
                nn.MaxPool2d(2),
            ]
            channels_in = channels
        self.features = nn.Sequential(*blocks)
        self.bands = nn.AdaptiveAvgPool2d((ROWS, None))
        self.lstm = nn.LSTM(WIDTHS[-1] * ROWS, HIDDEN, batch_first=True)
        self.dropout = nn.Dropout(0.5)
        self.fc = nn.Linear(HIDDEN, num_classes)

    def forward(self, maps: Tensor) -> Tensor:
        """Map ``(batch, 1, rows, columns)`` in [0, 1] to logits ``(batch, classes)``."""
        sequence = self.bands(self.features(maps)).flatten(1, 2).transpose(1, 2)
        return self.fc(self.dropout(lstm_outputs(self.lstm, sequence).mean(1)))


def lstm_outputs(lstm: nn.LSTM, sequence: Tensor) -> Tensor:
    """Compute the outputs of a one-layer LSTM step by step from differentiable operations.

    An attack differentiates a classifier in evaluation mode, which cuDNN's LSTM refuses ("cudnn RNN backward can only
    be called in training mode"); nor does cuDNN's LSTM have a second derivative. The steps here have neither limit, are
    the same on every device, and do not need cuDNN to be disabled for the whole process.

    Args:
        lstm: module that holds the weights; one layer, one direction, with biases.
        sequence: ``(batch, time, inputs)``.

    Returns:
        ``(batch, time, hidden)``.
    """
    of_input, of_state, bias, other_bias = lstm.all_weights[0]
    inputs = F.linear(sequence, of_input, bias + other_bias)
    state = sequence.new_zeros(len(sequence), lstm.hidden_size)
    memory = torch.zeros_like(state)
    outputs = []
    for step in inputs.unbind(1):
        entrance, forget, candidate, exit_ = (step + F.linear(state, of_state)).chunk(4, 1)
        memory = forget.sigmoid() * memory + entrance.sigmoid() * candidate.tanh()
        state = exit_.sigmoid() * memory.tanh()
        outputs.append(state)
    return torch.stack(outputs, 1)


def build_crnn(num_classes: int, pretrained: bool) -> nn.Module:
    """Build a CRNN: 0.11 million parameters at ten classes.

    Raises:
        ValueError: if ``pretrained``, because no ImageNet weights of this network exist.
    """
    if pretrained:
        raise ValueError("expected pretrained=False for crnn, got True; no ImageNet weights of it exist")
    return CRNN(num_classes)
