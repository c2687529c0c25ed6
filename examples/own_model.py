"""A network of your own: one for three colour channels that resizes its input, with weights from elsewhere.

.venv/bin/python examples/own_model.py
PYTHONPATH=examples .venv/bin/python train.py --model.architecture own_model.pictures --model.weights FILE \
    --trainer.max_epochs 0 --folds 1 --name mine
PYTHONPATH=examples .venv/bin/python attack.py --checkpoints runs/mine --allow-import own_model
"""

import tempfile
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision.models import mobilenet_v3_small

from attacks import DeepFool
from classifiers import build_classifier, load_weights


class Pictures(nn.Module):
    """A network for colour pictures of 96 x 96 that accepts maps with one channel and of any size."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, maps: Tensor) -> Tensor:
        """Map ``(batch, 1, rows, columns)`` in [0, 1] to logits ``(batch, classes)``."""
        pictures = F.interpolate(maps, size=(96, 96), mode="bilinear", align_corners=False)
        return self.network(pictures.expand(-1, 3, -1, -1))


def pictures(num_classes: int) -> nn.Module:
    """Build the network; ``--model.architecture own_model.pictures`` calls this."""
    return Pictures(mobilenet_v3_small(num_classes=num_classes))


if __name__ == "__main__":
    torch.manual_seed(0)
    model = build_classifier("own_model.pictures", 10, input_shape=(1, 128, 128), allowed=["own_model"])
    with tempfile.TemporaryDirectory() as folder:
        save_file(pictures(10).state_dict(), Path(folder) / "weights.safetensors")  # yours: trained elsewhere
        load_weights(model, Path(folder) / "weights.safetensors", "own_model.pictures")
    maps = torch.rand(4, 1, 128, 128)
    labels = model.eval()(maps).argmax(dim=1)
    outcome = DeepFool(model, bounds=(0.0, 1.0)).run(maps, labels)
    print(f"fooled {int(outcome.success.sum())} of {len(outcome)}, {outcome.gradients.tolist()} gradients")
