"""The order of the training clips and who gets which test clip."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datamodules import GlobalBatches

sizes = st.tuples(st.integers(1, 200), st.integers(1, 40), st.integers(1, 5)).filter(
    lambda size: size[0] >= size[2] and size[1] >= size[2]
)


def shares(positions, batch_size, processes, **settings):
    return [
        list(GlobalBatches(positions, batch_size=batch_size, rank=rank, processes=processes, **settings))
        for rank in range(processes)
    ]


@given(sizes)
def test_every_position_is_served_once_over_all_processes(size):
    positions, batch_size, processes = size
    served = [item for share in shares(positions, batch_size, processes) for batch in share for item in batch]
    assert sorted(served) == list(range(positions))


@given(sizes)
def test_all_processes_see_as_many_batches_as_the_length_says(size):
    positions, batch_size, processes = size
    for settings in ({}, {"shuffle": True, "drop_last": True}):
        counts = {len(share) for share in shares(positions, batch_size, processes, **settings)}
        assert counts == {len(GlobalBatches(positions, batch_size=batch_size, processes=processes, **settings))}


@given(sizes, st.integers(0, 3))
def test_the_global_order_does_not_depend_on_the_number_of_processes(size, epoch):
    positions, batch_size, processes = size
    alone = GlobalBatches(positions, batch_size=batch_size, shuffle=True, drop_last=True, seed=7)
    alone.set_epoch(epoch)
    together = []
    for rank in range(processes):
        share = GlobalBatches(
            positions, batch_size=batch_size, shuffle=True, drop_last=True, seed=7, rank=rank, processes=processes
        )
        share.set_epoch(epoch)
        together.append(list(share))
    for index, batch in enumerate(alone):
        assert sorted(item for share in together for item in share[index]) == sorted(batch)


def test_the_order_changes_with_epoch_and_seed_and_repeats_for_the_same():
    first = GlobalBatches(50, batch_size=10, shuffle=True, seed=1)
    again = GlobalBatches(50, batch_size=10, shuffle=True, seed=1)
    other = GlobalBatches(50, batch_size=10, shuffle=True, seed=2)
    epoch_0 = list(first)
    assert epoch_0 == list(again)
    assert epoch_0 != list(other)
    first.set_epoch(1)
    assert epoch_0 != list(first)


def test_more_processes_than_clips_are_refused():
    with pytest.raises(ValueError, match="expected at least one clip for each of the 3 processes, got 2"):
        GlobalBatches(2, batch_size=4, processes=3)
    with pytest.raises(ValueError, match="expected a batch size of at least the 3 processes, got 2"):
        GlobalBatches(9, batch_size=2, processes=3)
