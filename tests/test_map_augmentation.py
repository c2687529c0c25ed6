"""Random changes of training maps."""

import torch

from lightning_modules.map_augmentation import mix_up, roll_in_time


def test_each_map_is_rolled_by_its_own_amount_and_nothing_is_lost():
    maps = torch.rand(50, 1, 4, 16)
    rolled = roll_in_time(maps, torch.Generator().manual_seed(0))
    shifts = set()
    for before, after in zip(maps, rolled, strict=True):
        matching = [shift for shift in range(16) if torch.equal(before.roll(shift, -1), after)]
        assert len(matching) == 1
        shifts.add(matching[0])
    assert len(shifts) > 10


def test_maps_and_labels_are_mixed_in_the_same_proportion():
    labels = torch.eye(8)
    maps = labels[:, None, None, :].clone()
    mixed_maps, mixed_labels = mix_up(maps, labels, 0.3, torch.Generator().manual_seed(1))
    assert torch.equal(mixed_maps[:, 0, 0], mixed_labels)
    assert torch.allclose(mixed_labels.sum(1), torch.ones(8))


def test_the_proportions_follow_the_beta_distribution():
    generator = torch.Generator().manual_seed(2)
    labels = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    shares = torch.cat([mix_up(labels[:, None, None], labels, 0.3, generator)[1][:1, 0] for _ in range(4000)])
    # Half of the pairs are a clip with itself (share 1); the others follow Beta(0.3, 0.3), whose variance is
    # 1 / (4 (2 * 0.3 + 1)) about 1/2, clipped to nothing.
    others = shares[shares < 1]
    assert abs(others.mean().item() - 0.5) < 0.03
    assert abs(others.var().item() - 1 / (4 * 1.6)) < 0.01


def test_the_same_generator_state_gives_the_same_batch():
    maps, labels = torch.rand(6, 1, 3, 5), torch.eye(6)
    first = mix_up(maps, labels, 0.3, torch.Generator().manual_seed(3))
    second = mix_up(maps, labels, 0.3, torch.Generator().manual_seed(3))
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])
