"""The scalar test: closed forms, independence of order, stored adversarials end to end."""

import math

import pandas as pd
import pytest
import torch

import attack
import scalar_test as scalar_command
from attacks.scalar_test import GAINS_DB, draw_scalars, scalar_test
from commands.errors import UsageError
from storage.columns import differing_columns
from storage.tables import ScalarRow
from tests.trained_run_fixture import write_trained_run


def above_a_level(level):
    """Class 1 where the first sample is above a level, else class 0."""
    return lambda inputs: torch.stack([level - inputs[:, 0, 0], inputs[:, 0, 0] - level], dim=1)


def test_labels_come_back_exactly_where_the_product_crosses_the_level():
    adversarials = torch.tensor([[[0.8]], [[0.3]]], dtype=torch.float64)
    clean = torch.tensor([[[0.1]], [[0.1]]], dtype=torch.float64)
    labels, ids = torch.tensor([0, 0]), torch.tensor([5, 9])
    result = scalar_test(above_a_level(0.2), adversarials, clean, labels, ids, seed=3)
    assert torch.equal(result.restored, result.scalars * adversarials[:, 0] < 0.2)
    assert result.clean_correct.all()
    # 0.8 and 0.3 fall below 0.2 at -12.04 and -3.52 dB; the clean 0.1 rises above it at 6.02 dB.
    assert result.restored_at_gain.tolist() == [
        [gain < -12.04 for gain in GAINS_DB],
        [gain < -3.52 for gain in GAINS_DB],
    ]
    assert result.clean_correct_at_gain[0].tolist() == [gain < 6.02 for gain in GAINS_DB]
    # One clean input stands for all adversarials of a clip.
    ids = torch.tensor([5, 5])
    twice, once = (scalar_test(above_a_level(0.05), adversarials, some, labels, ids) for some in (clean, clean[:1]))
    assert all(torch.equal(getattr(twice, name), getattr(once, name)) for name in vars(twice))


def test_products_stay_within_the_bounds():
    seen = []

    def classify(inputs):
        seen.append(inputs)
        return torch.zeros(len(inputs), 2)

    loud = torch.tensor([[[-0.9, 0.9]]])
    scalar_test(classify, loud, loud, torch.tensor([0]), torch.tensor([1]), bounds=(-1.0, 1.0))
    assert torch.stack(seen).abs().max() == 1.0


def test_a_sound_beyond_full_scale_is_not_clipped_by_a_scalar_below_one():
    # A sound made of a map that fools by its peak of 3; clipped to 1 it would not.
    beyond, clean = torch.tensor([[[3.0]]]), torch.tensor([[[0.1]]])
    result = scalar_test(above_a_level(2.0), beyond, clean, torch.tensor([0]), torch.tensor([1]), bounds=(-1.0, 1.0))
    assert torch.equal(result.restored, result.scalars * 3 < 2)
    assert result.restored_at_gain[0].tolist() == [gain < 20 * math.log10(2 / 3) for gain in GAINS_DB]


def test_a_clips_scalars_follow_from_clip_and_seed_alone_and_are_uniform():
    ids = torch.arange(500)
    scalars = draw_scalars(ids, seed=0)
    assert scalars.shape == (500, 20)
    assert torch.equal(draw_scalars(ids.flip(0), seed=0).flip(0), scalars)
    assert torch.equal(draw_scalars(ids[7:8], seed=0), scalars[7:8])
    assert not torch.equal(draw_scalars(ids, seed=1), scalars)
    assert scalars.min() > 0
    assert scalars.max() < 1
    # The Kolmogorov-Smirnov distance of 10,000 uniform numbers exceeds 0.0195 once in a thousand draws.
    ordered = scalars.flatten().sort().values
    places = torch.arange(1, len(ordered) + 1) / len(ordered)
    assert (ordered - places).abs().max() < 0.0195
    with pytest.raises(ValueError, match=r"expected clean inputs \(1, 1, 2\), got \(1, 1, 3\)"):
        scalar_test(lambda x: x, torch.zeros(1, 1, 2), torch.zeros(1, 1, 3), torch.tensor([0]), torch.tensor([0]))


def test_stored_adversarials_are_multiplied_as_maps_and_as_sounds(tmp_path):
    run = write_trained_run(tmp_path, "tones")
    budgets = tmp_path / "budgets.yaml"
    budgets.write_text("fgsm: {delta: [0.02, 0.3]}\n")
    common = ["--checkpoints", str(run), "--data.cache_dir", str(tmp_path / "cache")]
    attacked = [
        *(*common, "--attacks", "fgsm", "--budgets", str(budgets), "--save-adversarials", "--clips", "12"),
        *("--wandb.mode", "disabled", "--trainer.accelerator", "cpu"),
    ]
    attack.main(attacked)
    summary = scalar_command.main([*common, "--device", "cpu"])["tones"]
    rows = pd.read_parquet(run / "scalar-test" / "rows.parquet")
    assert differing_columns(ScalarRow, list(rows)) == []
    assert set(rows["input"]) == {"map", "sound"}
    assert rows.loc[rows["kind"] == "draw", "scalar"].between(0, 1, inclusive="neither").all()
    # A gain of 0 dB changes nothing: what fools goes on fooling.
    unchanged = rows[(rows["kind"] == "gain") & (rows["scalar"] == 1.0)]
    assert (unchanged["restored"] == ~unchanged["fools"]).all()
    assert unchanged.loc[unchanged["input"] == "map", "fools"].all()
    draws = (
        rows[(rows["kind"] == "draw") & rows["fools"]].groupby(["attack", "budget_index", "input"])["restored"].mean()
    )
    for cell in summary["cells"]:
        if cell["gain_db"] is None and cell["restored"]["n"]:
            assert cell["restored"]["share"] == pytest.approx(
                draws[cell["attack"], cell["budget_index"], cell["input"]]
            )
    # A second call computes nothing anew.
    again = scalar_command.main([*common, "--device", "cpu"])["tones"]
    assert again["cells"] == summary["cells"]
    # Where nothing fools there is nothing to multiply, and what was there before stays.
    budgets.write_text("fgsm: {delta: [1.0e-6]}\n")
    attack.main([*attacked, "--overwrite"])
    with pytest.raises(UsageError, match="expected adversarials of tones that fool it, found none"):
        scalar_command.main([*common, "--device", "cpu", "--overwrite"])
    pd.testing.assert_frame_equal(pd.read_parquet(run / "scalar-test" / "rows.parquet"), rows)
