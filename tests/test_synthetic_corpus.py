"""The embedded corpus: the same for everybody, in the layout of ESC-50, too hard for a linear model."""

import subprocess
import sys

import numpy as np
import pytest
import soundfile
import torch

from datamodules import SyntheticSounds
from datamodules.esc50 import read_esc_table
from datamodules.splits import make_split
from datamodules.synthetic_sounds import CLIP_SECONDS, CLIPS, write_synthetic_corpus
from representations import STFT


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return write_synthetic_corpus(tmp_path_factory.mktemp("synthetic"), clips_per_class=20)


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*.wav"))}


def test_it_reads_as_a_download_and_sources_hold_several_clips(corpus):
    table = read_esc_table(corpus, only_esc10=True, published_clips=200)
    assert len(table) == 200
    assert len(table.class_names) == 10
    _, clips_of_source = np.unique(table.sources, return_counts=True)
    assert clips_of_source.min() >= 3
    for source in np.unique(table.sources):
        assert len(set(table.folds[table.sources == source])) == 1
    for file in table.files:
        samples, rate = soundfile.read(file)
        assert len(samples) == CLIP_SECONDS * rate
        assert 0.05 < np.abs(samples).max() < 1


def test_it_is_the_same_wherever_it_is_written_and_another_seed_is_another_corpus(corpus, tmp_path):
    again = write_synthetic_corpus(tmp_path, clips_per_class=20)
    assert contents(again) == contents(corpus)
    other = write_synthetic_corpus(tmp_path, clips_per_class=20, seed=1)
    assert contents(other) != contents(corpus)


def test_a_complete_corpus_is_left_alone_and_an_interrupted_one_completed(corpus):
    expected = contents(corpus)
    stamps = {path: path.stat().st_mtime_ns for path in corpus.rglob("*.wav")}
    removed = sorted(corpus.rglob("*.wav"))[7]
    removed.unlink()
    (corpus / "meta" / "esc50.csv").unlink()
    write_synthetic_corpus(corpus.parent, clips_per_class=20)
    assert contents(corpus) == expected
    assert {path for path in stamps if path.stat().st_mtime_ns != stamps[path]} == {removed}


def test_two_writers_at_once_make_one_corpus(corpus, tmp_path):
    code = "import sys; from pathlib import Path; from datamodules.synthetic_sounds import write_synthetic_corpus;"
    code += "print('ready', flush=True); sys.stdin.readline();"
    code += "write_synthetic_corpus(Path(sys.argv[1]), clips_per_class=20)"
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    # The other process imports PyTorch first; then both begin at the same moment.
    assert other.stdout.readline() == "ready\n"
    other.stdin.write("begin\n")
    other.stdin.flush()
    write_synthetic_corpus(tmp_path, clips_per_class=20)
    other.communicate()
    assert other.returncode == 0
    (written,) = tmp_path.iterdir()
    assert contents(written) == contents(corpus)


def test_an_uneven_size_is_refused(tmp_path):
    with pytest.raises(ValueError, match="expected clips_per_class to be a positive multiple of 20, got 30"):
        write_synthetic_corpus(tmp_path, clips_per_class=30)


@pytest.mark.slow
def test_a_linear_model_on_the_maps_stays_under_80_percent(tmp_path):
    from sklearn.linear_model import RidgeClassifier

    data = SyntheticSounds(root=str(tmp_path))
    table = data.read_table()
    assert len(table) == CLIPS
    representation = STFT(sample_rate=16000, n_fft=512, hop_length=256)
    waveforms = np.stack([soundfile.read(file, dtype="float32")[0] for file in table.files])
    maps = torch.cat([representation(torch.from_numpy(part)[:, None]) for part in np.array_split(waveforms, 10)])
    cells = maps.flatten(1).numpy()
    split = make_split(table, protocol="grouped", fold=1)
    learnt = np.concatenate([split.train, split.validation])
    model = RidgeClassifier(alpha=100.0).fit(cells[learnt], table.labels[learnt])
    accuracy = (model.predict(cells[split.test]) == table.labels[split.test]).mean()
    assert 0.1 < accuracy < 0.8
