"""The moving average of weights: what is judged, what is kept, and what a resumed fold continues with."""

from types import SimpleNamespace

import pytest
import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import ModelCheckpoint

from lightning_modules.weight_average import WeightAverage, keep_average


class Line(LightningModule):
    """Two weights that move by a known amount every step."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 1, bias=False)
        torch.nn.init.zeros_(self.layer.weight)
        self.register_buffer("steps", torch.tensor(0))
        self.walked, self.judged = [], []

    def training_step(self, batch, batch_idx):
        self.steps += 1
        return self.layer(batch).sum()

    def on_train_batch_end(self, *_):
        self.walked.append(self.layer.weight.detach().clone())

    def validation_step(self, batch, batch_idx):
        self.judged.append(self.layer.weight.detach().clone())
        self.log("val/loss", -self.layer.weight.sum())

    def test_step(self, batch, batch_idx):
        self.tested = self.layer.weight.detach().clone()

    def on_save_checkpoint(self, checkpoint):
        keep_average(self.trainer, checkpoint)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.5)


def loader():
    return torch.utils.data.DataLoader(torch.tensor([[1.0, -2.0], [3.0, 1.0], [-1.0, 0.5]]), batch_size=1)


def fit(folder, epochs, resume=None):
    model = Line()
    best = ModelCheckpoint(folder, "best", monitor="val/loss", save_weights_only=True, enable_version_counter=False)
    last = ModelCheckpoint(folder, "last", save_on_train_epoch_end=True, enable_version_counter=False)
    trainer = Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[WeightAverage(0.5), best, last],
        num_sanity_val_steps=0,
    )
    trainer.fit(model, loader(), loader(), ckpt_path=resume, weights_only=True)
    return model, trainer


def averaged(walk, decay=0.5):
    """The definition, step by step; the first step is taken as it is."""
    average = walk[0]
    for step, weights in enumerate(walk[1:], start=1):
        share = min(decay, (1 + step) / (10 + step))
        average = share * average + (1 - share) * weights
    return average


def test_validation_judges_the_average_and_training_goes_on_from_the_current_weights(tmp_path):
    model, _ = fit(tmp_path, 2)
    torch.testing.assert_close(model.judged[-1], averaged(model.walked))
    torch.testing.assert_close(model.judged[0], averaged(model.walked[:3]))
    # A step of this model is the same wherever it stands, so a detour would show.
    assert len(model.walked) == 6
    torch.testing.assert_close(model.walked[3] - model.walked[2], model.walked[0])


def test_the_best_checkpoint_holds_the_average_alone_and_is_what_is_tested(tmp_path):
    model, trainer = fit(tmp_path, 2)
    checkpoint = torch.load(tmp_path / "best.ckpt", weights_only=True)
    assert not {"current_model_state", "averaging_state", "optimizer_states"} & set(checkpoint)
    kept = checkpoint["state_dict"]["layer.weight"]
    assert any(torch.equal(kept, judged) for judged in model.judged)
    assert not any(torch.equal(kept, walked) for walked in model.walked)
    trainer.test(model, loader(), ckpt_path=str(tmp_path / "best.ckpt"), weights_only=True, verbose=False)
    torch.testing.assert_close(model.tested, kept)


def test_a_resumed_fold_ends_with_the_same_average(tmp_path):
    whole, _ = fit(tmp_path / "whole", 3)
    fit(tmp_path / "halves", 1)
    resumed, _ = fit(tmp_path / "halves", 3, resume=str(tmp_path / "halves" / "last.ckpt"))
    torch.testing.assert_close(resumed.judged[-1], whole.judged[-1], rtol=0, atol=0)
    assert int(resumed.steps) == int(whole.steps) == 9


def test_the_average_is_made_where_the_module_will_be_trained():
    # A device that every machine has and that is not the CPU.
    trainer = SimpleNamespace(strategy=SimpleNamespace(root_device=torch.device("meta")))
    model, average = Line(), WeightAverage()
    average.setup(trainer, model, "fit")
    assert model.layer.weight.device.type == "cpu"
    assert {tensor.device.type for tensor in average._average_model.state_dict().values()} == {"meta"}


@pytest.mark.parametrize("decay", [0.0, 1.0, -0.5])
def test_a_decay_outside_its_range_is_refused(decay):
    with pytest.raises(ValueError, match="expected a decay between 0 and 1"):
        WeightAverage(decay)
