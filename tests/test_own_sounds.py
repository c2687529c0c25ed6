"""Corpora of one's own: classes from folders or a table, recordings from a pattern or a column, and clear refusals."""

import re

import numpy as np
import pytest
import soundfile

from datamodules import Folder, Table
from datamodules.audio_files import audio_files, audio_suffixes
from datamodules.progress import say_once
from representations import STFT
from storage import DataError
from tests.corpus_fixtures import write_class_folders, write_sound, write_table

CLASSES = ("bell", "horn", "wind")


@pytest.fixture
def folders(tmp_path):
    return write_class_folders(tmp_path / "own", classes=CLASSES, files=10, seconds=0.05, recordings=2)


def folder(root, **settings):
    return Folder(root=str(root), representation=STFT(sample_rate=8000), cache_dir=str(root / ".cache"), **settings)


def test_thirty_files_in_folders_with_two_recordings_per_class(folders):
    data = folder(folders, recording_pattern=r"([a-z]+-\d+)-\d+\.wav", split="random")
    table = data.table
    assert (len(table), table.class_names, table.recordings_known) == (30, CLASSES, True)
    assert set(table.sources) == {f"{name}-{recording}" for name in CLASSES for recording in (0, 1)}
    assert "bell/bell-0-0.wav" in table.names
    assert "bell/more/bell-1-1.wav" in table.names
    for name, label, file in zip(table.names, table.labels, table.files, strict=True):
        assert table.class_names[label] == name.split("/")[0]
        assert file == folders / name
    # Whatever the draw, clips of two recordings stand on both sides.
    assert data.leakage == 1.0
    assert "leakage 100.0%" in data.describe_split()
    with pytest.raises(
        DataError, match=r"at least 6 recordings of every class .*found 2 of class 'bell' in Folder; .*folds 1"
    ):
        _ = folder(folders, recording_pattern=r"([a-z]+-\d+)-\d+\.wav").split
    grouped = folder(folders, recording_pattern=r"([a-z]+-\d+)-\d+\.wav", folds=1, validation="none")
    assert grouped.leakage == 0
    assert [len(part) for part in (grouped.split.train, grouped.split.validation, grouped.split.test)] == [15, 0, 15]


def test_without_recordings_leakage_is_a_lower_bound_and_said(folders, caplog):
    caplog.set_level("INFO", logger="datamodules")
    # Another test may have had it to say.
    say_once.cache_clear()
    data = folder(folders)
    assert not data.table.recordings_known
    assert set(data.table.sources) == set(data.table.names)
    assert "leakage at least 0.0%" in data.describe_split()
    said = " ".join(record.message for record in caplog.records)
    assert "leakage cannot be known" in said


def test_the_length_of_clips_is_that_of_the_longest_file_up_to_ten_seconds(folders, caplog):
    caplog.set_level("INFO", logger="datamodules")
    write_sound(folders / "wind" / "long.wav", seconds=0.4375)
    assert folder(folders).table.clip_seconds == 0.438
    write_sound(folders / "wind" / "longer.wav", seconds=12.0)
    assert folder(folders).table.clip_seconds == 10.0
    said = [record.message for record in caplog.records if "clips last" in record.message]
    assert re.search(r"clips last 0\.438 s, as the longest file does \(wind/long\.wav, 0\.44 s\);", said[0])
    assert re.search(r"clips last 10 s, .*\(wind/longer\.wav, 12\.00 s\) at most, and --data\.windows says", said[1])
    data = folder(folders, clip_seconds=5.0, windows="all")
    assert [name for name in data.table.names if "longer" in name] == [
        f"wind/longer.wav@{start}s" for start in ("0.000", "5.000", "7.000")
    ]


def test_what_is_no_class_or_no_sound_is_left_out_and_named(folders, caplog):
    caplog.set_level("INFO", logger="datamodules")
    (folders / "notes").mkdir()
    (folders / "notes" / "plan.txt").write_text("no sound")
    (folders / "bell" / ".hidden.wav").write_bytes(b"")
    (folders / "loose.wav").write_bytes(b"")
    assert folder(folders, clip_seconds=1.0).table.class_names == CLASSES
    said = [record.message for record in caplog.records]
    assert any("2 files are no audio of a class and left out: notes/plan.txt, loose.wav" in one for one in said)
    assert any("1 folders hold no audio and are no classes: notes" in one for one in said)


def test_every_format_that_libsndfile_writes_is_found(tmp_path):
    assert {".wav", ".flac", ".ogg", ".mp3", ".aif", ".aiff", ".au", ".caf", ".w64"} <= audio_suffixes()
    for suffix in ("wav", "FLAC", "ogg", "mp3", "aiff"):
        soundfile.write(tmp_path / f"a.{suffix}", np.zeros(8000), 8000)
    (tmp_path / "a.txt").write_text("")
    audio, others = audio_files(tmp_path)
    assert ([len(audio), len(others)], others[0].name) == ([5, 1], "a.txt")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((), "found 0 folders without audio"),
        (("train", "test"), r"found parts of a corpus \(test, train\): set --data.root to one of them"),
        (("fold1", "fold10"), "found parts of a corpus"),
        (("bell",), "expected at least 2 classes of Folder"),
    ],
)
def test_folders_that_are_no_classes_are_refused(tmp_path, names, message):
    for name in names:
        write_sound(tmp_path / name / "a.wav", seconds=0.01)
    with pytest.raises(DataError, match=message):
        _ = folder(tmp_path).table


def test_impossible_settings_of_own_corpora_are_one_sentence(folders, tmp_path):
    with pytest.raises(DataError, match=r"expected the folder of sounds with a folder for each class, got none"):
        _ = Folder().table
    with pytest.raises(DataError, match=r"found no such folder: set --data\.root"):
        _ = folder(tmp_path / "nowhere").table
    with pytest.raises(DataError, match=r"a column of folds with split=official, found none in Folder: name it with"):
        _ = folder(folders, split="official").split
    with pytest.raises(ValueError, match=r"expected a regular expression as recording_pattern, got '\(': "):
        folder(folders, recording_pattern="(")
    with pytest.raises(DataError, match=r"pattern 'bell' in the name of every file, found 20 of 30 without it: horn/"):
        _ = folder(folders, recording_pattern="bell").table
    with pytest.raises(ValueError, match="expected recording_column or recording_pattern, got both"):
        Table(recording_column="a", recording_pattern="b")


@pytest.fixture
def listed(folders):
    rows = [
        {
            "path": path.relative_to(folders).as_posix(),
            "kind": path.relative_to(folders).parts[0],
            "tape": path.stem.rsplit("-", 1)[0],
            "part": "abc"[number % 3],
            "note": "never read",
        }
        for number, path in enumerate(sorted(folders.rglob("*.wav")))
    ]
    write_table(folders / "lists" / "all.csv", rows[0], rows)
    return folders, rows


def table(root, **settings):
    named = {"csv": "lists/all.csv", "file_column": "path", "label_column": "kind", "clip_seconds": 1.0}
    return Table(root=str(root), cache_dir=str(root / ".cache"), **{**named, **settings})


def test_a_table_says_files_labels_recordings_and_folds(listed, caplog):
    caplog.set_level("INFO", logger="datamodules")
    root, rows = listed
    data = table(root, recording_column="tape", fold_column="part", split="official")
    assert data.table.names == tuple(row["path"] for row in rows)
    assert [data.table.class_names[label] for label in data.table.labels] == [row["kind"] for row in rows]
    assert data.table.sources.tolist() == [row["tape"] for row in rows]
    assert data.table.folds.tolist() == ["abc".index(row["part"]) + 1 for row in rows]
    assert data.number_of_folds == 3
    assert "Table: folds are numbered from 1: a is 1, b is 2, c is 3" in [record.message for record in caplog.records]
    assert [len(part) for part in (data.split.train, data.split.validation, data.split.test)] == [10, 10, 10]
    # The table's own folder is the root where none is named, and a pattern says recordings as in Folder.
    (root / "lists" / "all.csv").rename(root / "all.csv")
    alone = table(root, csv=str(root / "all.csv"), recording_pattern=r"(\w+)-(\d+)-\d+\.wav")
    alone.root = None
    assert alone.table.files == data.table.files
    assert alone.table.sources.tolist() == data.table.sources.tolist()


def test_labels_that_are_numbers_come_in_their_order(tmp_path):
    rows = [{"file": f"{number}.wav", "label": f"{label}.0"} for number, label in enumerate((10, 9, 2, 2, 9, 10))]
    write_table(tmp_path / "own.csv", rows[0], rows)
    own = Table(csv=str(tmp_path / "own.csv"), clip_seconds=1.0)
    assert own.table.class_names == ("2", "9", "10")
    assert own.table.labels.tolist() == [2, 1, 0, 0, 1, 2]
    assert own.table.files[0] == tmp_path / "0.wav"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"csv": None}, r"expected a table of files and labels, got none: name it with --data\.csv"),
        ({"csv": "none.csv"}, "expected a table at .*none.csv, found none"),
        ({"label_column": "class"}, "found no class among path, kind, tape, part, note; --data.file_column, .* name"),
        ({"recording_column": "note2"}, "found no note2"),
        ({"split": "official"}, "expected a column of folds with split=official, found none in Table"),
    ],
)
def test_tables_that_cannot_be_read_are_one_sentence(listed, settings, message):
    with pytest.raises(DataError, match=message):
        _ = table(listed[0], **settings).split


def test_an_empty_cell_or_a_file_twice_is_named_by_its_line(listed):
    root, rows = listed
    rows[4]["kind"] = " "
    write_table(root / "lists" / "all.csv", rows[0], rows)
    with pytest.raises(DataError, match=r"expected a value as kind in line 6 of .*, found an empty cell"):
        _ = table(root).table
    rows[4] = rows[3]
    write_table(root / "lists" / "all.csv", rows[0], rows)
    with pytest.raises(DataError, match=r"expected every clip once in .*, found bell/.* in lines 5 and 6"):
        _ = table(root).table
