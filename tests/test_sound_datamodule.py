"""A corpus as a LightningDataModule: every corpus of the registry, what is trained on, what reaches the device."""

import os

import pytest
import torch

from classifiers import ARCHITECTURES
from classifiers.baselines import BASELINES
from commands.parser import CHOICES
from datamodules import CORPORA, ESC10, ESC50, SoundDataModule, SyntheticSounds, UrbanSound8K
from representations import DWT, MFCC, REPRESENTATIONS, STFT
from storage import DataError
from tests.corpus_fixtures import write_class_folders, write_esc_corpus, write_table, write_urbansound8k_corpus


@pytest.fixture(scope="module")
def roots(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpora")
    esc = write_esc_corpus(folder / "esc", classes=11)
    urban = write_urbansound8k_corpus(folder / "urban", clips_per_fold=8)
    own = write_class_folders(folder / "own", classes=("bell", "wind"), files=8)
    own_rows = [
        {"file": path.relative_to(own).as_posix(), "label": path.parts[-2], "fold": number % 4}
        for number, path in enumerate(sorted(own.rglob("*.wav")))
    ]
    write_table(own / "own.csv", own_rows[0], own_rows)
    roots = {"ESC50": esc, "ESC10": esc, "UrbanSound8K": urban, "SyntheticSounds": folder / "synthetic"}
    return roots | {"Folder": own, "Table": own}


@pytest.fixture
def build(roots, tmp_path_factory):
    """Build a corpus with small maps and a cache of its own kind."""

    def build_corpus(name, **settings):
        settings = {
            "representation": STFT(sample_rate=8000, resize=16),
            "augmentation": "none",
            "split": "grouped" if name == "Folder" else "official",
            **({"csv": "own.csv", "fold_column": "fold"} if name == "Table" else {}),
        } | settings
        cache = roots["ESC50"].parent / "cache"
        return CORPORA[name](root=str(roots[name]), cache_dir=str(cache), **settings)

    return build_corpus


def all_batches(data, part):
    data.prepare_data()
    data.setup("fit")
    return [data.on_after_batch_transfer(batch, 0) for batch in getattr(data, f"{part}_dataloader")()]


@pytest.mark.filterwarnings("ignore:.*fewer than the .* published ones")
@pytest.mark.parametrize("name", CORPORA)
def test_every_corpus_gives_maps_and_tests_each_clip_once(name, build):
    data = build(name, batch_size=7)
    batches = all_batches(data, "test")
    maps = torch.cat([batch.inputs for batch in batches])
    assert maps.shape[1:] == (1, 16, 16)
    assert maps.min() >= 0
    assert maps.max() <= 1
    clips = torch.cat([batch.clips for batch in batches])
    assert sorted(clips.tolist()) == data.split.test.tolist()
    labels = torch.cat([batch.labels for batch in batches])
    assert labels.tolist() == data.table.labels[clips].tolist()
    assert labels.max() < data.num_classes


@pytest.mark.parametrize("representation", [STFT(sample_rate=8000), MFCC(sample_rate=8000), DWT(sample_rate=8000)])
@pytest.mark.filterwarnings("ignore:.*fewer than the .* published ones")
def test_cached_maps_are_those_of_the_uncached_path_to_the_last_bit(build, representation):
    cached = all_batches(build("ESC10", representation=representation, batch_size=5), "test")
    uncached = all_batches(build("ESC10", representation=representation, batch_size=3, cache_maps=False), "test")
    assert uncached[0].inputs.ndim == 4
    assert torch.equal(torch.cat([batch.inputs for batch in cached]), torch.cat([batch.inputs for batch in uncached]))


@pytest.mark.filterwarnings("ignore:.*fewer than the .* published ones")
def test_only_training_clips_have_copies(build):
    data = build(
        "ESC10", augmentation="pitch_shift", split="grouped", folds=3, representation=STFT(sample_rate=8000, resize=16)
    )
    data.prepare_data()
    data.setup("fit")
    split = data.split
    assert sorted({clip for clip, _ in data.train_set.entries}) == split.train.tolist()
    assert len(data.train_set) == 5 * len(split.train)
    for dataset, part in ((data.validation_set, split.validation), (data.test_set, split.test)):
        assert dataset.entries == [(clip, 0) for clip in part.tolist()]
    assert data.leakage == 0
    # Nothing was augmented on the disk either but the training clips.
    others = [data.waveforms.entry(clip, 1) for clip in (*split.validation.tolist(), *split.test.tolist())]
    assert data.waveforms.store.missing(others) == others


@pytest.mark.filterwarnings("ignore:.*fewer than the .* published ones")
def test_the_sample_rate_is_the_representations(build):
    data = build("ESC10", representation=STFT(sample_rate=4000, resize=16), cache_maps=False)
    data.prepare_data()
    data.setup("fit")
    waveform, _, _ = data.test_set[0]
    assert waveform.shape == (1, 5 * 4000)


@pytest.mark.filterwarnings("ignore:.*fewer than the .* published ones")
def test_the_split_is_told_with_its_leakage(build):
    sentence = build("ESC10", split="random").describe_split()
    assert sentence.startswith(
        "ESC10, split=random, fold 1 of 5: 56 training, 14 validation and 30 test clips; leakage"
    )


def test_a_corpus_without_a_folder_is_refused():
    with pytest.raises(DataError, match=r"expected the folder of UrbanSound8K, got none: give it with --data\.root"):
        UrbanSound8K().check()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"test_fraction": 1.5}, "expected test_fraction between 0 and 1, got 1.5"),
        ({"folds": 1}, "expected at least 2 folds, got 1"),
        ({"fold": 0}, "expected fold from 1, got 0"),
        ({"batch_size": 0}, "expected a batch size of at least 1, got 0"),
    ],
)
def test_impossible_settings_are_refused_at_once(settings, message):
    with pytest.raises(ValueError, match=message):
        ESC50(**settings)


def test_flags_offer_exactly_what_the_registries_hold():
    assert CHOICES["--model.architecture"] == (*ARCHITECTURES, *BASELINES)
    assert not {*ARCHITECTURES} & {*BASELINES}
    assert CHOICES["--data"] == tuple(CORPORA)
    assert CHOICES["--data.representation"] == tuple(REPRESENTATIONS)
    assert {corpus.__name__ for corpus in CORPORA.values()} == set(CORPORA)
    assert {representation.__name__ for representation in REPRESENTATIONS.values()} == set(REPRESENTATIONS)
    assert all(issubclass(corpus, SoundDataModule) for corpus in CORPORA.values())


@pytest.mark.skipif("ESC10_ROOT" not in os.environ, reason="the real ESC-10 is not on this machine")
def test_the_real_esc10_splits_by_its_official_folds(tmp_path):
    root = os.environ["ESC10_ROOT"]
    data = ESC10(root=root, split="official", cache_dir=str(tmp_path), representation=STFT(), augmentation="none")
    assert len(data.table) == 400
    data.check()
    split = data.split
    assert [len(part) for part in (split.train, split.validation, split.test)] == [240, 80, 80]
    assert set(data.table.folds[split.test]) == {1}
    assert data.leakage < 0.02
    leaking = ESC10(root=root, split="random", cache_dir=str(tmp_path))
    assert leaking.leakage == pytest.approx(0.33, abs=0.12)


def test_caches_and_the_embedded_corpus_lie_in_one_folder_which_may_begin_with_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    data = SyntheticSounds(cache_dir="~/cache", representation=STFT(sample_rate=8000, resize=16))
    assert data.cache_dir == tmp_path / "cache"
