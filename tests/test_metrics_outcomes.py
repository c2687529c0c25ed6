import math
import tempfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from metrics.cost import (
    Cost,
    batch_gradients,
    budget_mean,
    cost_auc90,
    cost_auc90_bounded,
    gradients_by_batch,
    mean_cost,
    reporting_batch,
)
from metrics.distances import (
    l0_distance,
    l2_distance,
    linf_distance,
    median_over_all,
    median_over_successes,
    snr_db,
)
from metrics.success import (
    confident_success,
    fooling_rate,
    round_to_8bit,
    round_to_16bit,
    success,
    target_hit,
    target_rate,
)
from metrics.transfer_ratio import mean_ratio_of, mean_transfer_ratio, transfer_counts, transfer_ratio
from storage.sound_file import write_sound

maps = hnp.arrays(np.float64, (3, 1, 2, 4), elements=st.floats(0, 1, width=32))


def test_the_four_judgements_of_one_answer():
    logits = torch.tensor([[2.0, 0.0, 0.0], [0.0, 0.1, 0.0], [0.0, 9.0, 0.0]])
    labels, targets = torch.tensor([0, 0, 0]), torch.tensor([1, 2, 1])
    assert success(logits, labels).tolist() == [False, True, True]
    assert target_hit(logits, targets).tolist() == [False, False, True]
    # Sure of the true label is no success, 0.36 for another label is not sure.
    assert confident_success(logits, labels).tolist() == [False, False, True]
    assert confident_success(logits, labels, confidence=0.0).tolist() == [False, True, True]
    with pytest.raises(ValueError, match="one class per clip"):
        success(logits, labels[:2])
    with pytest.raises(ValueError, match=r"expected confidence in \[0, 1\], got 1\.5"):
        confident_success(logits, labels, confidence=1.5)


def test_confidence_of_exactly_sixty_five_percent_counts():
    p = torch.tensor([[0.35, 0.65]], dtype=torch.float64)
    assert confident_success(p.log(), torch.tensor([0]), confidence=0.65 - 1e-12).item()
    assert not confident_success(p.log(), torch.tensor([0]), confidence=0.65 + 1e-12).item()


@given(maps)
def test_8bit_rounding_lands_on_a_level_moves_half_a_level_at_most_and_is_idempotent(values):
    inputs = torch.from_numpy(values)
    rounded = round_to_8bit(inputs)
    levels = rounded * 255
    assert torch.allclose(levels, levels.round(), atol=1e-9)
    assert (rounded - inputs).abs().max() <= 0.5 / 255 + 1e-12
    assert torch.allclose(round_to_8bit(rounded), rounded, atol=0)
    other = round_to_8bit(inputs * 4 - 2, bounds=(-2.0, 2.0))
    assert torch.allclose(other, rounded * 4 - 2, atol=1e-9)


@given(st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=20))
def test_16bit_rounding_gives_what_a_file_of_16_bits_holds(samples):
    sound = np.array(samples, np.float32)
    with tempfile.TemporaryDirectory() as folder:
        write_sound(Path(folder) / "sound.wav", sound, 8000)
        held, _ = soundfile.read(Path(folder) / "sound.wav", dtype="float32")
    assert round_to_16bit(torch.from_numpy(sound)).tolist() == held.tolist()


def test_8bit_rounding_refuses_bounds_out_of_order():
    with pytest.raises(ValueError, match=r"increasing order, got \(1\.0, 0\.0\)"):
        round_to_8bit(torch.zeros(1), bounds=(1.0, 0.0))


def test_rates_count_clips_and_weights_count_them_again():
    fooled = torch.tensor([True, False, True, True])
    assert float(fooling_rate(fooled)) == 0.75
    assert float(target_rate(~fooled)) == 0.25
    weights = torch.tensor([[1.0, 1, 0, 0], [0, 4, 0, 0], [0, 0, 0, 0]])
    rates = fooling_rate(fooled, weights)
    assert rates[:2].tolist() == [0.5, 0.0]
    assert math.isnan(rates[2])
    assert math.isnan(float(fooling_rate(fooled[:0])))
    with pytest.raises(ValueError, match="expected weights"):
        fooling_rate(fooled, torch.ones(3))


def test_distances_by_hand():
    clean = torch.zeros(3, 1, 2, 2)
    adversarial = clean.clone()
    adversarial[1, 0, 0, 0], adversarial[1, 0, 1, 1] = 3e-1, -4e-1
    adversarial[2, 0, 0, 0] = 5e-7
    assert l2_distance(clean, adversarial).tolist() == pytest.approx([0, 0.5, 5e-7])
    assert linf_distance(clean, adversarial).tolist() == pytest.approx([0, 0.4, 5e-7])
    assert l0_distance(clean, adversarial).tolist() == [0, 2, 0]
    assert snr_db(clean, adversarial).tolist() == [math.inf, -math.inf, -math.inf]
    loud = torch.full((1, 1, 2, 2), 0.5)
    assert snr_db(loud, loud + 0.05).item() == pytest.approx(20.0, abs=1e-5)
    with pytest.raises(ValueError, match="the same clips"):
        l2_distance(clean, adversarial[:2])


@given(maps, maps)
def test_distances_agree_with_numpy_and_order_themselves(clean, adversarial):
    a, b = torch.from_numpy(clean), torch.from_numpy(adversarial)
    difference = (adversarial - clean).reshape(3, -1)
    l2, linf, l0 = l2_distance(a, b), linf_distance(a, b), l0_distance(a, b)
    np.testing.assert_allclose(l2, np.linalg.norm(difference, axis=1), atol=1e-12)
    np.testing.assert_allclose(linf, np.linalg.norm(difference, ord=np.inf, axis=1), atol=1e-12)
    np.testing.assert_array_equal(l0, (np.abs(difference) > 1e-6).sum(axis=1))
    assert (linf <= l2 + 1e-12).all()
    assert (l2 <= linf * math.sqrt(8) + 1e-12).all()
    assert torch.equal(l2_distance(b, a), l2)


def test_medians_with_failures_as_infinite():
    values, fooled = torch.tensor([1.0, 2.0, 3.0, 4.0]), torch.tensor([True, True, True, False])
    assert median_over_successes(values, fooled) == 2.0
    assert median_over_all(values, fooled) == 2.5
    assert median_over_all(values, torch.tensor([True, True, False, False])) == math.inf
    assert median_over_all(values, torch.tensor([True, False, False, False]), failure=-math.inf) == -math.inf
    assert math.isnan(median_over_successes(values, torch.zeros(4, dtype=torch.bool)))
    with pytest.raises(ValueError, match="a value and a success for each clip"):
        median_over_all(values, fooled[:3])


def test_batch_gradients_by_hand():
    positions = torch.tensor([0, 1, 3, 4, 7])
    batches = reporting_batch(positions, size=3)
    assert batches.tolist() == [0, 0, 1, 1, 2]
    gradients = torch.tensor([5, 9, 2, 4, 7])
    cost = gradients_by_batch(gradients, batches)
    assert cost.gradients.tolist() == [9, 4, 7]
    assert cost.clips.tolist() == [2, 2, 1]
    assert float(batch_gradients(gradients, batches)) == pytest.approx((2 * 9 + 2 * 4 + 1 * 7) / 5)
    assert float(batch_gradients(torch.ones(5), batches)) == 1.0  # FGSM
    assert math.isnan(float(batch_gradients(gradients[:0], batches[:0])))
    with pytest.raises(ValueError, match="expected a reporting batch of at least 1 clip, got 0"):
        reporting_batch(positions, size=0)
    with pytest.raises(ValueError, match="a reporting batch for each clip"):
        batch_gradients(gradients, batches[:2])


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 3)), min_size=1, max_size=20), st.randoms())
def test_batch_gradients_forget_the_order_and_lie_between_mean_and_maximum(clips, random):
    gradients, batches = (torch.tensor(column) for column in zip(*clips, strict=True))
    cost = float(batch_gradients(gradients, batches))
    order = torch.tensor(random.sample(range(len(clips)), len(clips)))
    assert float(batch_gradients(gradients[order], batches[order])) == pytest.approx(cost)
    assert float(gradients.double().mean()) - 1e-9 <= cost <= float(gradients.max()) + 1e-9


def test_average_over_budgets_then_over_batches_weighted_by_clips():
    values = torch.tensor([[1.0, 10.0], [3.0, 20.0]])
    assert float(budget_mean(values, torch.tensor([3, 1]))) == pytest.approx((3 * 2 + 1 * 15) / 4)
    assert math.isnan(float(budget_mean(torch.tensor([[1.0, math.nan]]), torch.tensor([3, 1]))))
    with pytest.raises(ValueError, match="expected values"):
        budget_mean(values, torch.tensor([1]))


def test_cost_to_reach_an_auc_and_what_is_censored():
    aucs, gradients = torch.tensor([0.5, 0.95, 0.97]), torch.tensor([10.0, 400.0, 300.0])
    assert cost_auc90(aucs, gradients) == Cost(300.0, censored=False)
    # Exactly 0.9 is not above 0.9.
    missed = cost_auc90(torch.tensor([0.9, 0.2], dtype=torch.float64), torch.tensor([7.0, 3.0]))
    assert missed == Cost(7.0, censored=True)
    assert str(missed) == ">= 7"
    snr = torch.tensor([30.0, 20.0, 12.0])
    assert cost_auc90_bounded(aucs, gradients, snr) == Cost(400.0, censored=False)
    assert cost_auc90_bounded(aucs, gradients, torch.tensor([30.0, 19.9, math.nan])) == Cost(10.0, censored=True)
    assert cost_auc90_bounded(aucs, gradients, torch.zeros(3)) == Cost(0.0, censored=True)
    assert mean_cost([Cost(300.0, False), missed]) == Cost(153.5, censored=True, low=7.0, high=None)
    assert mean_cost([Cost(300.0, False), Cost(100.0, False)]) == Cost(200.0, censored=False, low=100.0, high=300.0)
    assert str(mean_cost([Cost(300.0, False)])) == "300"
    for call in (lambda: cost_auc90(aucs, gradients[:2]), lambda: cost_auc90(aucs[:0], gradients[:0])):
        with pytest.raises(ValueError, match="an AUC and a cost for each budget"):
            call()
    with pytest.raises(ValueError, match="expected an SNR for each budget"):
        cost_auc90_bounded(aucs, gradients, snr[:2])
    with pytest.raises(ValueError, match="at least one cost"):
        mean_cost([])


def test_transfer_counts_only_what_both_know_and_the_source_loses():
    source = torch.tensor([True, True, True, False])
    target = torch.tensor([True, False, True, True])
    clean = torch.tensor([True, True, False, True])
    assert transfer_counts(source, target, clean) == (1, 2)
    assert transfer_ratio(torch.tensor([1, 4]), torch.tensor([2, 8])) == 0.5
    # Sums over budgets, not a mean of ratios: 1/2 and 0/0 and 6/6.
    assert transfer_ratio(torch.tensor([1, 0, 6]), torch.tensor([2, 0, 6])) == 7 / 8


def test_transfer_to_itself_is_one_and_nothing_to_carry_is_missing():
    fools = torch.tensor([True, False, True])
    everything = torch.ones(3, dtype=torch.bool)
    assert transfer_counts(fools, fools, everything) == (2, 2)
    assert math.isnan(transfer_ratio(torch.tensor([0]), torch.tensor([0])))
    assert mean_transfer_ratio(torch.tensor([0.5, math.nan, 1.0])) == (0.75, 2)
    # A mean that is compared with another is over the same attacks, or unknown.
    both, fools, nobody = torch.tensor([1.0, 0.0]).double(), torch.tensor([2.0, 2.0]).double(), torch.zeros(2).double()
    mean = mean_ratio_of([(both, fools), (both, torch.tensor([1.0, 0.0]).double())])
    assert mean(torch.tensor([[1.0, 1.0], [1.0, 0.0]]).double()).tolist() == [0.625, 0.75]
    assert mean_ratio_of([(both, fools), (nobody, nobody)])(torch.ones(2).double()).isnan()
    mean, attacks = mean_transfer_ratio(torch.tensor([math.nan]))
    assert math.isnan(mean)
    assert attacks == 0
    with pytest.raises(ValueError, match="expected numerators not above"):
        transfer_ratio(torch.tensor([3]), torch.tensor([2]))
    with pytest.raises(ValueError, match="results on the same clips"):
        transfer_counts(fools, fools[:2], everything)
