import numpy as np
import pytest
import torch
from torch import nn

from datamodules.map_cache import MapCache
from representations import MFCC, STFT
from tests.test_waveform_cache import make_cache, write_table


class Blocks(nn.Module):
    """Mean power of blocks of the clip as a map of 2 x 5."""

    def __init__(self, scale=1.0):
        super().__init__()
        self.scale = scale
        self.calls = []

    @property
    def settings(self):
        return {"class": "Blocks"}

    def forward(self, waveform):
        self.calls.append(len(waveform))
        return self.scale * waveform.square().reshape(len(waveform), 1, 2, 5, -1).mean(-1)


@pytest.fixture
def waveforms(tmp_path):
    cache = make_cache(write_table(tmp_path, 7), tmp_path / "cache", augmentation="none")
    cache.prepare(range(7))
    return cache


ENTRIES = [(clip, 0) for clip in range(7)]


@pytest.mark.parametrize(
    "representation", [Blocks(), STFT(sample_rate=8000), MFCC(sample_rate=8000)], ids=["blocks", "stft", "mfcc"]
)
def test_maps_are_byte_for_byte_those_of_the_uncached_path(waveforms, tmp_path, representation):
    maps = MapCache(waveforms, representation, cache_dir=tmp_path / "cache")
    maps.prepare(ENTRIES, batch_size=3)
    batch = torch.stack([torch.from_numpy(waveforms.read(*entry))[None] for entry in ENTRIES])
    uncached = representation(batch)
    cached = torch.stack([maps.read(*entry) for entry in ENTRIES])
    assert cached.dtype == torch.float32
    assert cached.numpy().tobytes() == uncached.numpy().tobytes()


def test_what_is_there_is_not_computed_again(waveforms, tmp_path):
    maps = MapCache(waveforms, Blocks(), cache_dir=tmp_path / "cache")
    maps.prepare(ENTRIES[:2])
    again = MapCache(waveforms, Blocks(), cache_dir=tmp_path / "cache")
    again.prepare(ENTRIES, batch_size=4)
    again.prepare(ENTRIES)
    again.read(0, 0)
    # One map of the probe signal, then the five that are missing.
    assert again.representation.calls == [1, 4, 1]


def test_another_computation_under_the_same_settings_is_another_store(waveforms, tmp_path):
    first = MapCache(waveforms, Blocks(), cache_dir=tmp_path)
    assert MapCache(waveforms, Blocks(), cache_dir=tmp_path).store.path == first.store.path
    assert MapCache(waveforms, Blocks(scale=1 + 1e-6), cache_dir=tmp_path).store.path != first.store.path


def test_a_corrupted_map_is_computed_anew_with_a_warning_that_names_it(waveforms, tmp_path):
    maps = MapCache(waveforms, Blocks(), cache_dir=tmp_path / "cache")
    maps.prepare(ENTRIES)
    before = [maps.read(*entry) for entry in ENTRIES]
    with (maps.store.path / "entries.f32").open("rb+") as file:
        file.seek(2 * maps.store.entry_bytes)
        file.write(b"\x11")
    fresh = MapCache(waveforms, Blocks(), cache_dir=tmp_path / "cache")
    with pytest.warns(UserWarning, match=r"cached map of 2.wav \(original\) is computed anew: its checksum") as caught:
        after = [fresh.read(*entry) for entry in ENTRIES]
    assert len(caught) == 1
    for one, other in zip(before, after, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)
    repaired = MapCache(waveforms, Blocks(), cache_dir=tmp_path / "cache")
    assert torch.equal(repaired.read(2, 0), before[2])


def test_the_representation_stays_as_it_was(waveforms, tmp_path):
    representation = nn.Sequential(Blocks()).train()
    representation.settings = {}
    maps = MapCache(waveforms, representation, cache_dir=tmp_path / "cache")
    maps.prepare(ENTRIES)
    assert representation.training
    assert representation[0].calls == []
    assert np.isfinite(maps.read(0, 0).numpy()).all()
