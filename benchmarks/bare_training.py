"""A bare PyTorch loop trains the classifier of a checkpoint again: does it get the same weights?

python -m benchmarks.bare_training runs/esc10-m11/fold1/best.ckpt --root DIR [--epochs 60]

The loop has no Lightning, DataLoader or callback. It takes the same clips in the same order with the same augmentation,
AdamW, one-cycle schedule and moving average of the weights, on the CPU. The run has no validation, and its settings are
the defaults but for the network, the epochs and the numbers that a checkpoint names.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from classifiers import build_classifier
from lightning_modules.map_augmentation import mix_up, roll_in_time
from lightning_modules.trained_classifier import load_classifier, read_checkpoint

AVERAGE = 0.99
"""Decay of the moving average, train.py's default."""


@dataclass(frozen=True)
class Comparison:
    """The classifier of a checkpoint beside that of the bare loop.

    Attributes:
        difference: largest absolute difference between two weights.
        accuracies: share of the test clips that each classifies correctly, that of the checkpoint first.
        clips: number of test clips.
    """

    difference: float
    accuracies: tuple[float, float]
    clips: int


def compare(checkpoint: Path, root: Path | None, epochs: int | None = None) -> Comparison:
    """Train the classifier of a checkpoint again, and compare the two.

    Args:
        checkpoint: file of a fold that was trained without validation.
        root: folder of the corpus; None for the one that the checkpoint names.
        epochs: number of epochs; that of the checkpoint by default.
    """
    trained = load_classifier(checkpoint)
    settings = trained.model.hparams
    data = trained.data() if root is None else trained.data(root=str(root))
    data.prepare_data()

    def read(clips: Tensor) -> tuple[Tensor, Tensor]:
        waveforms = torch.stack([torch.from_numpy(data.waveforms.read(int(clip), 0).copy()) for clip in clips])
        with torch.no_grad():
            return data.representation(waveforms[:, None]), torch.from_numpy(data.table.labels)[clips]

    torch.manual_seed(settings["seed"])
    classifier = build_classifier(settings["architecture"], settings["num_classes"])
    if settings["instance_norm"]:
        classifier = nn.Sequential(nn.InstanceNorm2d(1), classifier)
    epochs = read_checkpoint(checkpoint)["epoch"] + 1 if epochs is None else epochs
    training, batch_size = torch.from_numpy(data.split.train), data.batch_size
    optimizer = torch.optim.AdamW(
        classifier.parameters(), settings["learning_rate"], weight_decay=settings["weight_decay"], fused=True
    )
    steps = epochs * (len(training) // batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings["learning_rate"], total_steps=steps)
    classifier.train()
    average = {name: tensor.clone() for name, tensor in classifier.state_dict().items()}
    done = 0
    for epoch in range(epochs):
        seed = settings["seed"] * 1_000_003 + epoch
        order = torch.randperm(len(training), generator=torch.Generator().manual_seed(seed))
        torch.manual_seed(seed * 1_009)
        generator = torch.Generator().manual_seed(seed * 1_009)
        for batch in order[: steps // epochs * batch_size].split(batch_size):
            inputs, labels = read(training[batch])
            targets = F.one_hot(labels, settings["num_classes"]).float()
            inputs, targets = mix_up(roll_in_time(inputs, generator), targets, settings["mixup"], generator)
            loss = F.cross_entropy(classifier(inputs), targets, label_smoothing=settings["label_smoothing"])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            decay = min(AVERAGE, (1 + done) / (10 + done)) if done else 0.0
            for name, tensor in classifier.state_dict().items():
                average[name] = average[name].lerp(tensor, 1 - decay) if tensor.is_floating_point() else tensor.clone()
            done += 1
    classifier.load_state_dict(average)
    classifier.eval()
    weights = trained.model.classifier.state_dict()
    difference = max(
        float((tensor.double() - weights[name].double()).abs().max())
        for name, tensor in classifier.state_dict().items()
    )
    tested = torch.from_numpy(data.split.test)

    def accuracy(network: nn.Module) -> float:
        right = 0
        for clips in tested.split(batch_size):
            inputs, labels = read(clips)
            with torch.no_grad():
                right += int((network(inputs).argmax(1) == labels).sum())
        return right / len(tested)

    return Comparison(difference, (accuracy(trained.model.classifier), accuracy(classifier)), len(tested))


def main() -> None:
    """Print the accuracies of both and how far their weights are apart."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--root", type=Path, help="folder of the corpus; the one that the checkpoint names by default")
    parser.add_argument("--epochs", type=int, help="those of the checkpoint by default")
    arguments = parser.parse_args()
    found = compare(arguments.checkpoint, arguments.root, arguments.epochs)
    first, second = (f"{accuracy:.1%}" for accuracy in found.accuracies)
    print(f"train.py {first}, bare loop {second} of {found.clips} test clips;")
    print(f"largest difference between two weights {found.difference:.3g}")


if __name__ == "__main__":
    main()
