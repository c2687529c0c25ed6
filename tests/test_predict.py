"""predict.py end to end on a classifier of own sounds: files, folders, long recordings, broken files, formats."""

import csv
import io
import json
import re
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch
from pytorch_lightning import Callback, Trainer

import predict
import train
from commands.errors import UsageError, run_command
from commands.predict_command import FileClassifier, _as_table
from datamodules.audio import fit_length, read_sound
from lightning_modules.trained_classifier import load_classifier
from storage import DataError
from tests.corpus_fixtures import write_class_folders, write_sound

pytestmark = pytest.mark.slow
CLASSES = ("bell", "horn", "wind")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A checkpoint that tells three tones apart, trained at random on 30 files with two recordings per class."""
    folder = tmp_path_factory.mktemp("predict")
    root = write_class_folders(folder / "own", classes=CLASSES, files=10, seconds=0.5, recordings=2)
    flags = ["--data", "Folder", "--data.root", str(root), "--data.cache_dir", str(folder / "cache"), "--folds", "1"]
    flags += ["--data.split", "random", "--data.folds", "2", "--data.augmentation", "none", "--wandb.mode", "disabled"]
    flags += ["--data.recording_pattern", r"([a-z]+-\d+)-\d+", "--data.representation", "STFT"]
    flags += ["--data.representation.sample_rate", "8000", "--data.representation.resize", "32"]
    flags += ["--data.batch_size", "7", "--model.architecture", "sb_cnn", "--model.learning_rate", "0.02"]
    flags += ["--trainer.max_epochs", "25", "--trainer.accelerator", "cpu"]
    summary = train.main([*flags, "--runs_dir", str(folder / "runs"), "--name", "own"])
    assert (summary["corpus"], summary["clip_seconds"]) == ("Folder", 0.5)
    assert summary["leakage"] == 1.0
    return folder / "runs" / "own" / "fold1" / "best.ckpt", root, folder / "cache"


class Logits(Callback):
    """Keeps what the test step returns, by clip."""

    def __init__(self):
        self.of = {}

    def on_test_batch_end(self, trainer, pl_module, outputs, batch, batch_idx, dataloader_idx=0):
        self.of |= zip(batch.clips.tolist(), outputs, strict=True)


def test_logits_are_those_of_the_test_step_to_the_last_bit(trained):
    checkpoint, _, cache = trained
    classifier = load_classifier(checkpoint)
    data = classifier.data(cache_dir=str(cache), batch_size=1)
    kept = Logits()
    trainer = Trainer(accelerator="cpu", logger=False, callbacks=[kept], enable_progress_bar=False)
    trainer.test(classifier.model, datamodule=data, verbose=False)
    assert len(kept.of) == 9
    files = FileClassifier(load_classifier(checkpoint), torch.device("cpu"))
    for clip, logits in kept.of.items():
        assert torch.equal(files.classify(data.table.files[clip]).logits, logits[None])


def test_a_file_of_forty_seconds_is_judged_by_all_its_windows(trained, tmp_path, capsys):
    checkpoint, _, _ = trained
    write_sound(tmp_path / "long.flac", seconds=40.1, sample_rate=11025, subtype=None, tone_hz=1000.0)
    (prediction,) = predict.main([str(checkpoint), str(tmp_path / "long.flac"), "--format", "json", "--each-window"])
    assert len(prediction.starts) == 81
    assert prediction.starts[-1] == pytest.approx(39.6, abs=2e-3)
    assert np.max(np.diff(prediction.starts)) <= 0.5
    # Once more from the whole file, without this command.
    classifier = load_classifier(checkpoint)
    representation = classifier.data().representation
    whole = read_sound(tmp_path / "long.flac", 8000, 60.0).waveform
    windows = np.stack([fit_length(whole[round(start * 8000) :], 4000, "pad") for start in prediction.starts])
    with torch.no_grad():
        logits = classifier.model(representation(torch.from_numpy(windows)[:, None]))
    torch.testing.assert_close(prediction.logits, logits, atol=1e-3, rtol=1e-3)
    means = prediction.logits.double().log_softmax(dim=1).mean(dim=0).exp()
    printed = json.loads(capsys.readouterr().out)
    assert (printed["clip_seconds"], printed["classes"], printed["failed"]) == (0.5, list(CLASSES), [])
    assert [row["start"] for row in printed["predictions"]] == [None, *prediction.starts]
    top = printed["predictions"][0]["top"]
    assert top[0]["class"] == CLASSES[int(means.argmax())]
    assert {one["class"]: one["probability"] for one in top} == pytest.approx(
        dict(zip(CLASSES, (means / means.sum()).tolist(), strict=True))
    )
    (first,) = predict.main([str(checkpoint), str(tmp_path / "long.flac"), "--windows", "first"])
    torch.testing.assert_close(first.logits, prediction.logits[:1], atol=1e-4, rtol=0.0)


def test_broken_files_are_named_and_the_others_go_on(trained, tmp_path, capsys):
    checkpoint, root, _ = trained
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.wav").write_text("no sound")
    whole = (root / "bell" / "bell-0-0.wav").read_bytes()
    (tmp_path / "cut.wav").write_bytes(whole[: len(whole) // 2])
    names = [root / "wind", tmp_path / "text.wav", root / "bell" / "bell-0-0.wav", tmp_path / "cut.wav"]
    names += [tmp_path / "missing.wav", tmp_path / "empty"]
    output = tmp_path / "predictions.csv"
    arguments = [str(checkpoint), *map(str, names), "--format", "csv", "--top", "2", "--output", str(output)]
    with pytest.raises(SystemExit) as ended:
        run_command(lambda: predict.main(arguments))
    assert ended.value.code == 1
    (line,) = [one for one in capsys.readouterr().err.splitlines() if one.startswith("error:")]
    assert "expected sound in every file, found 4 that cannot be used:" in line
    for name, reason in (("text", "not audio"), ("cut", "truncated"), ("missing", "missing")):
        assert f"{name}.wav ({reason}" in line
    assert "empty (a folder without audio files)" in line
    rows = list(csv.DictReader(output.open(newline="")))
    assert len(rows) == 2 * 11
    right = [row["class"] == ("wind" if "wind" in row["file"] else "bell") for row in rows if row["rank"] == "1"]
    assert sum(right) >= 9
    assert all(0 <= float(row["probability"]) <= 1 and row["windows"] == "1" for row in rows)


def test_a_table_for_people_and_the_findings_of_files(trained, tmp_path, capsys):
    checkpoint, _, _ = trained
    soundfile.write(tmp_path / "loud.wav", 2 * np.sin(np.arange(4000) / 3), 8000, subtype="FLOAT")
    with pytest.warns(UserWarning, match=r"1 of 1 files hold samples beyond .*loud\.wav"):
        predict.main([str(checkpoint), str(tmp_path / "loud.wav")])
    printed = capsys.readouterr().out
    assert "file" in printed
    assert "%" in printed


def test_many_classes_are_listed_below_each_other_each_whole(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    classes = ["crackling_fire", "rain", "sea_waves", "helicopter", "clock_tick", "chainsaw"]
    top = [{"class": name, "probability": 0.1} for name in classes]
    row = {"file": "a/long/name/of/a/folder/and/of/a/recording.wav", "start": None, "windows": 1, "top": top}
    text = _as_table([row], SimpleNamespace(clip_seconds=5.0), to_terminal=True)
    assert re.findall(r"(\w+) 10\.0%", text) == classes
    assert max(map(len, text.splitlines())) <= 80


def test_ctrl_c_keeps_what_was_heard_and_is_one_line(trained, tmp_path, capsys, monkeypatch):
    checkpoint, root, _ = trained
    files = sorted((root / "horn").glob("*.wav"))
    classify = FileClassifier.classify

    def interrupted(self, file, starts=(0.0,)):
        if file == files[2]:
            raise KeyboardInterrupt
        return classify(self, file, starts)

    monkeypatch.setattr(FileClassifier, "classify", interrupted)
    with pytest.raises(SystemExit) as ended:
        run_command(lambda: predict.main([str(checkpoint), *map(str, files), "--format", "csv", "--top", "1"]))
    assert ended.value.code == 130
    captured = capsys.readouterr()
    assert [row["file"] for row in csv.DictReader(io.StringIO(captured.out))] == list(map(str, files[:2]))
    said = [line for line in captured.err.splitlines() if "interrupted" in line]
    assert said == [f"interrupted after 2 of {len(files)} files; their predictions are written"]


@pytest.mark.parametrize(
    ("flags", "error", "message"),
    [
        (["--top", "0"], UsageError, "expected --top of at least 1, got 0"),
        (["--device", "abacus"], UsageError, "expected --device to be cpu, cuda or another device of this machine"),
        (["--allow-import", "a b"], UsageError, "expected --allow-import to name packages"),
    ],
)
def test_impossible_flags_are_one_sentence(trained, flags, error, message):
    with pytest.raises(error, match=message):
        predict.main([str(trained[0]), "a.wav", *flags])


def test_what_is_no_checkpoint_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"expected a checkpoint at .*, found no file"):
        predict.main([str(tmp_path / "none.ckpt"), "a.wav"])
    with pytest.raises(UsageError, match=r"expected FILES on the command line, found none"):
        predict.main([str(tmp_path / "none.ckpt")])
