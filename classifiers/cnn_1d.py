"""The one-dimensional CNN of Abdoli, Cardinal and Koerich (2019) on windows of samples."""

from torch import nn

from classifiers.waveform_windows import OverWindows, require_random_weights

SAMPLES = 16_000
"""Window length of the best variant of the publication, 1 s at 16 kHz; nine windows cover a clip of 5 s."""
# Number of filters, their length, their stride, and the size of the max pooling after them (0 for none).
CONVOLUTIONS = ((16, 64, 2, 8), (32, 32, 2, 8), (64, 16, 2, 0), (128, 8, 2, 0))
FLATTENED = 1024
DROPOUT = 0.25


def build_cnn_1d(num_classes: int, pretrained: bool = False) -> nn.Module:
    """Build the variant for 16,000 samples at 16 kHz, 256,538 parameters, without the gammatone initialisation.

    Four convolutions, each followed by ReLU and batch normalisation and the first two by max pooling as well; then two
    dense layers with dropout.

    Args:
        num_classes: number of logits.
        pretrained: must be False.

    Raises:
        ValueError: if ``pretrained``, because no weights are published.

    References:
        S. Abdoli, P. Cardinal and A. L. Koerich, "End-to-end environmental sound classification using a 1D
        convolutional neural network", Expert Systems with Applications 136, 2019 (arXiv:1904.08990).
    """
    require_random_weights("cnn_1d", pretrained)
    layers: list[nn.Module] = []
    channels = 1
    for filters, length, step, pool in CONVOLUTIONS:
        layers += [nn.Conv1d(channels, filters, length, stride=step), nn.ReLU(), nn.BatchNorm1d(filters)]
        layers += [nn.MaxPool1d(pool)] if pool else []
        channels = filters
    layers += [nn.Flatten(), nn.Linear(FLATTENED, 128), nn.ReLU(), nn.Dropout(DROPOUT)]
    layers += [nn.Linear(128, 64), nn.ReLU(), nn.Dropout(DROPOUT), nn.Linear(64, num_classes)]
    return OverWindows(nn.Sequential(*layers), SAMPLES)
