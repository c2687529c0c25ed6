"""What the Trainer runs: reproducible random numbers, refused settings."""

import pytest
import torch
from pytorch_lightning import Trainer

from datamodules import Batch
from lightning_modules import SoundClassifier


def tiny(**settings):
    torch.manual_seed(0)
    return SoundClassifier(num_classes=3, architecture="resnet56", **settings)


class MeanClassifier(torch.nn.Module):
    """A classifier of the mean of a map."""

    def __init__(self):
        super().__init__()
        self.weights = torch.nn.Linear(1, 3)

    def forward(self, maps):
        return self.weights(maps.mean((2, 3)))


def fit(model, epochs=4):
    generator = torch.Generator().manual_seed(0)
    maps, labels = torch.rand(8, 1, 16, 16, generator=generator), torch.arange(8) % 3
    batches = [Batch(maps[:4], labels[:4], torch.arange(4)), Batch(maps[4:], labels[4:], torch.arange(4, 8))]
    trainer = Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(model, torch.utils.data.DataLoader(batches, batch_size=None))
    return trainer


def test_training_is_the_same_for_the_same_seed_and_not_for_another():
    models = []
    for seed in (0, 0, 1):
        model = tiny(seed=seed)
        model.classifier = MeanClassifier()
        torch.manual_seed(5)
        torch.nn.init.normal_(model.classifier.weights.weight)
        fit(model)
        models.append(model.classifier.weights.weight.detach().clone())
    assert torch.equal(models[0], models[1])
    assert not torch.equal(models[0], models[2])


def test_the_learning_rate_ends_near_zero_unless_it_is_constant():
    rates = {}
    for schedule in ("one_cycle", "cosine", "constant"):
        model = tiny(schedule=schedule)
        model.classifier = MeanClassifier()
        trainer = fit(model, epochs=20)
        rates[schedule] = trainer.optimizers[0].param_groups[0]["lr"]
    assert rates["constant"] == 2e-3
    assert rates["one_cycle"] < 1e-4
    assert rates["cosine"] < 1e-4


def test_alexnet_learns_at_a_lower_rate_unless_one_is_given(monkeypatch):
    monkeypatch.setattr("lightning_modules.sound_classifier.build_classifier", lambda *_, **__: MeanClassifier())
    rates = [
        SoundClassifier(num_classes=3, architecture=architecture, learning_rate=rate).hparams["learning_rate"]
        for architecture, rate in (("alexnet", None), ("resnet18", None), ("alexnet", 1e-3))
    ]
    assert rates == [5e-4, 2e-3, 1e-3]


def test_the_parameter_count_survives_freezing():
    model = tiny()
    counted = model.parameter_count
    model.requires_grad_(False)
    assert model.parameter_count == counted == sum(value.numel() for value in model.classifier.parameters())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"label_smoothing": 1.0}, "expected label_smoothing from 0 to below 1, got 1.0"),
        ({"mixup": -1.0}, "expected mixup of at least 0, got -1.0"),
        ({"learning_rate": 0.0}, "expected a learning rate above 0, got 0.0"),
        ({"weight_decay": -0.1}, "expected weight_decay of at least 0, got -0.1"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        tiny(**settings)


def test_instance_norm_takes_level_and_range_of_each_map_away():
    plain, normalised = tiny().eval(), tiny(instance_norm=True).eval()
    generator = torch.Generator().manual_seed(1)
    maps = torch.rand(4, 1, 64, 64, generator=generator)
    shifted = maps * torch.tensor([0.6, 0.9, 0.7, 1.0]).view(4, 1, 1, 1) + torch.tensor([0.1, 0, 0.3, 0]).view(
        4, 1, 1, 1
    )
    torch.testing.assert_close(normalised(shifted), normalised(maps), rtol=1e-3, atol=1e-3)
    assert not torch.allclose(plain(shifted), plain(maps), rtol=1e-3, atol=1e-3)
    # The same weights on maps that NumPy normalised.
    by_hand = maps.numpy() - maps.numpy().mean((2, 3), keepdims=True)
    by_hand /= maps.numpy().std((2, 3), keepdims=True)
    torch.testing.assert_close(normalised(maps), plain(torch.from_numpy(by_hand)), rtol=1e-3, atol=1e-3)
    assert normalised.parameter_count == plain.parameter_count


def test_instance_norm_of_silence_has_finite_gradients():
    silence = torch.zeros(2, 1, 64, 64, requires_grad=True)
    tiny(instance_norm=True).eval()(silence).sum().backward()
    assert silence.grad is not None
    assert torch.isfinite(silence.grad).all()
