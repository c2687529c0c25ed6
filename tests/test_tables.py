import csv
import os
from pathlib import Path

import numpy as np
import pytest

from datamodules.esc50 import read_esc_table
from datamodules.urbansound8k import read_urbansound8k_table
from storage import DataError
from tests.corpus_fixtures import write_esc_corpus, write_table, write_urbansound8k_corpus

pytestmark = pytest.mark.filterwarnings("ignore:.*fewer than the.*published")


def change_esc_table(root: Path, change):
    path = root / "meta" / "esc50.csv"
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    change(rows)
    write_table(path, rows[0] if rows else ["filename"], rows)


@pytest.fixture
def esc(tmp_path):
    return write_esc_corpus(tmp_path / "ESC-50", seconds=0.01)


def test_every_row_becomes_a_clip_with_its_file_source_and_fold(esc):
    table = read_esc_table(esc, only_esc10=False)
    assert len(table) == 50
    assert table.corpus == "ESC50"
    assert all(file.is_file() and file.is_absolute() for file in table.files)
    # The name of an ESC clip says it all: fold-source-take-target.
    for clip, name in enumerate(table.names):
        fold, source, _, target = name.removesuffix(".wav").split("-")
        assert (int(fold), source, int(target)) == (
            table.folds[clip], table.sources[clip], 10 * table.labels[clip],
        )  # fmt: skip
    assert table.class_names == ("dog", "rooster", "rain", "sea_waves", "crackling_fire")
    assert (table.clip_seconds, table.number_of_folds) == (5.0, 5)
    assert table.labels.dtype == table.folds.dtype == np.int64


def test_esc10_keeps_its_rows_and_numbers_the_classes_anew(esc):
    change_esc_table(esc, lambda rows: [row.update(esc10=row["target"] in ("10", "30", "40")) for row in rows])
    table = read_esc_table(esc, only_esc10=True)
    assert len(table) == 30
    assert table.class_names == ("rooster", "sea_waves", "crackling_fire")
    assert sorted(set(table.labels.tolist())) == [0, 1, 2]


def test_fewer_clips_than_published_are_one_warning_with_their_number(esc):
    with pytest.warns(UserWarning, match="50 clips of ESC50, 1950 fewer than the 2000") as caught:
        read_esc_table(esc, only_esc10=False)
    assert len(caught) == 1
    with pytest.warns(UserWarning, match="40 clips of ESC10, 360 fewer than the 400"):
        read_esc_table(esc, only_esc10=True)


@pytest.mark.filterwarnings("error")
def test_a_corpus_in_the_same_layout_says_how_many_clips_it_has(esc):
    table = read_esc_table(esc, only_esc10=False, corpus="Mine", published_clips=50)
    assert table.corpus == "Mine"


def test_urbansound8k_finds_its_files_in_the_folders_of_the_folds(tmp_path):
    root = write_urbansound8k_corpus(tmp_path / "UrbanSound8K")
    with pytest.warns(UserWarning, match="40 clips of UrbanSound8K, 8692 fewer than the 8732"):
        table = read_urbansound8k_table(root)
    assert len(table) == 40
    assert all(
        file.is_file() and file.parent.name == f"fold{fold}"
        for file, fold in zip(table.files, table.folds, strict=True)
    )
    assert (table.clip_seconds, table.number_of_folds, table.class_names[1]) == (4.0, 10, "car_horn")
    assert table.sources[0] == table.sources[1] != table.sources[2]


def test_a_missing_folder_table_or_column_is_one_sentence(tmp_path, esc):
    with pytest.raises(DataError, match=r"expected the corpus in the folder .*nowhere, found none: set --data.root"):
        read_esc_table(tmp_path / "nowhere", only_esc10=False)
    with pytest.raises(DataError, match=r"expected the table meta/esc50.csv below .*, found none"):
        read_esc_table(tmp_path / "ESC-50" / "audio", only_esc10=False)
    with pytest.raises(DataError, match=r"expected the table metadata/UrbanSound8K.csv below .*, found none"):
        read_urbansound8k_table(esc)
    change_esc_table(esc, lambda rows: [row.pop("src_file") for row in rows])
    with pytest.raises(DataError, match=r"expected the columns filename, fold.*, found no src_file"):
        read_esc_table(esc, only_esc10=False)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"fold": "6"}, r"expected a fold in 1\.\.5 in line 3 of .*, found 6"),
        ({"fold": "0"}, r"expected a fold in 1\.\.5 in line 3 of .*, found 0"),
        ({"fold": "one"}, "expected a whole number as fold in line 3 of .*, found 'one'"),
        ({"target": "1.5"}, "expected a whole number as target in line 3 of .*, found '1.5'"),
        ({"esc10": "yes"}, "expected True or False as esc10 in line 3 of .*, found 'yes'"),
        (
            {"filename": "../secret.wav"},
            "expected a plain file name as filename in line 3 of .*, found '../secret.wav'",
        ),
        ({"filename": ""}, "expected a plain file name as filename in line 3"),
        ({"category": "cat"}, "expected one class name for target 0 in .*, found 'dog' and 'cat' .line 3."),
        ({"filename": "1-1000-A-0.wav"}, "expected every clip once in .*, found 1-1000-A-0.wav in lines 2 and 3"),
    ],
)
def test_an_impossible_row_is_named_by_its_line(esc, cells, message):
    change_esc_table(esc, lambda rows: rows[1].update(cells))
    with pytest.raises(DataError, match=message):
        read_esc_table(esc, only_esc10="esc10" in cells)


def test_the_spellings_of_spreadsheets_are_read(esc):
    published = read_esc_table(esc, only_esc10=True)
    spelt = {"True": "TRUE", "False": "0.0"}

    def respell(rows):
        for row in rows:
            row.update(esc10=spelt[row["esc10"]], fold=f"{row['fold']}.0", target=f"{row['target']}.00")
            row.update(src_file=f"{row['src_file']}.0")
            # Never read.
            row.pop("take")

    change_esc_table(esc, respell)
    path = esc / "meta" / "esc50.csv"
    path.write_bytes(b"\xef\xbb\xbf" + b"\r\n".join(path.read_bytes().splitlines()) + b"\r\n")
    respelt = read_esc_table(esc, only_esc10=True)
    assert respelt.digest == published.digest
    spelt.update(TRUE="1", **{"0.0": "FALSE"})
    change_esc_table(esc, lambda rows: [row.update(esc10=spelt[row["esc10"]]) for row in rows])
    assert read_esc_table(esc, only_esc10=True).digest == published.digest
    change_esc_table(esc, lambda rows: [row.pop("esc10") for row in rows])
    assert len(read_esc_table(esc, only_esc10=False)) == 50
    with pytest.raises(DataError, match=r"expected the columns filename, .*esc10 in .*, found no esc10 among filename"):
        read_esc_table(esc, only_esc10=True)
    for mark, name in ((";", "semicolons"), ("\t", "tabs")):
        path.write_text(path.read_text().replace(",", mark).replace(";", mark))
        with pytest.raises(DataError, match=f"expected cells separated by commas in .*, found {name}: save the table"):
            read_esc_table(esc, only_esc10=False)


ESC_LAYOUTS = {
    "Kaggle": ("esc50.csv", "audio/audio"),
    "one level above": ("ESC-50-master/meta/esc50.csv", "ESC-50-master/audio"),
    "by rate": ("meta/esc50.csv", "audio/44100"),
    "Kaggle by rate": ("esc50.csv", "audio/audio/44100"),
    "Kaggle one level above": ("ESC-50/esc50.csv", "ESC-50/audio/audio"),
}


@pytest.mark.parametrize("layout", ESC_LAYOUTS)
def test_layouts_of_esc50_are_found_and_said_once(esc, tmp_path, caplog, layout):
    official = read_esc_table(esc, only_esc10=False)
    root = tmp_path / "other" / layout
    for old, new in zip(("meta/esc50.csv", "audio"), ESC_LAYOUTS[layout], strict=True):
        (root / new).parent.mkdir(parents=True, exist_ok=True)
        (esc / old).rename(root / new)
    caplog.set_level("INFO", logger="datamodules")
    for _ in range(2):
        found = read_esc_table(root, only_esc10=False)
    assert found.digest == official.digest
    assert all(file.is_file() for file in found.files)
    table, sounds = (root / part for part in ESC_LAYOUTS[layout])
    assert [record.message for record in caplog.records] == [f"ESC-50 is read from {table} and {sounds}"]


@pytest.mark.parametrize("layout", ["Kaggle", "one level above", "Kaggle one level above"])
def test_layouts_of_urbansound8k_are_found(tmp_path, layout):
    official = write_urbansound8k_corpus(tmp_path / "official")
    digest = read_urbansound8k_table(official).digest
    root = tmp_path / "root"
    top = root / "UrbanSound8K" if layout.endswith("above") else root
    top.parent.mkdir(exist_ok=True)
    if layout.startswith("Kaggle"):
        (official / "audio").rename(top)
        (official / "metadata" / "UrbanSound8K.csv").rename(top / "UrbanSound8K.csv")
    else:
        official.rename(top)
    found = read_urbansound8k_table(root)
    assert found.digest == digest
    assert all(file.is_file() for file in found.files)


def test_a_table_that_is_no_text_or_has_ragged_or_no_rows_is_named(esc):
    path = esc / "meta" / "esc50.csv"
    text = path.read_text()
    path.write_text(text + "1-1-A-0.wav,1\n")
    with pytest.raises(DataError, match="expected 7 cells in line 52"):
        read_esc_table(esc, only_esc10=False)
    path.write_text(text.splitlines()[0] + "\n")
    with pytest.raises(DataError, match=r"expected clips of ESC50 in .*, found none"):
        read_esc_table(esc, only_esc10=False)
    path.write_bytes(b"\xff\xfe\x00\x81" * 20)
    with pytest.raises(DataError, match="expected comma-separated UTF-8 text"):
        read_esc_table(esc, only_esc10=False)


@pytest.mark.skipif("ESC10_ROOT" not in os.environ, reason="needs the recordings of ESC-10 at ESC10_ROOT")
@pytest.mark.filterwarnings("error")
def test_the_real_esc10_has_forty_clips_of_each_class():
    table = read_esc_table(Path(os.environ["ESC10_ROOT"]), only_esc10=True)
    assert np.bincount(table.labels).tolist() == [40] * 10
    assert np.bincount(table.folds)[1:].tolist() == [80] * 5
    assert table.class_names[0] == "dog"
