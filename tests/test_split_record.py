"""What a fold records of its clips, and what becomes of it when the metadata table changes."""

import csv
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from datamodules import ESC10, UrbanSound8K
from datamodules.split_record import SplitRecord
from datamodules.splits import PROTOCOLS
from lightning_modules.recorded_split import refuse_learned_clips, seen_clips
from storage import DataError
from tests.corpus_fixtures import write_table

pytestmark = pytest.mark.filterwarnings("ignore:.*the .* published ones")
RECORD = SplitRecord(
    names=("a.wav", "b.wav", "c.wav", "d, e.wav"),
    recordings=("1", "1", "2", "3"),
    labels=(0, 0, 1, 1),
    parts=("train", "validation", "test", "test"),
    class_names=("dog", 'the "rain"'),
)


def urban_rows() -> list[dict[str, object]]:
    """As UrbanSound8K: recordings of one to many clips, each in one of ten folds."""
    random = np.random.default_rng(0)
    rows: list[dict[str, object]] = []
    for label in range(10):
        for recording in range(60):
            for take in range(min(20, int(np.ceil(random.lognormal(0.3, 1.0))))):
                source = 1000 * (label + 1) + recording
                rows.append(
                    {
                        "slice_file_name": f"{source}-{label}-0-{take}.wav",
                        **{"fsID": source, "start": 0, "end": 1, "salience": 1, "fold": recording % 10 + 1},
                        **{"classID": label, "class": f"class {label}"},
                    }
                )
    return rows


def esc_rows() -> list[dict[str, object]]:
    """As ESC-10: forty clips of each of ten classes, a third of which share a recording."""
    return [
        {
            "filename": f"{clip % 5 + 1}-{label}-{clip}-A-{label}.wav",
            **{"fold": clip % 5 + 1, "target": label, "category": f"class {label}", "esc10": True},
            **{"src_file": 100 * label + (clip - 5 if clip % 10 >= 5 and clip < 20 else clip), "take": "A"},
        }
        for label in range(10)
        for clip in range(40)
    ]


def corpus_of(folder: Path, kind, rows, protocol, fold=1):
    table = "metadata/UrbanSound8K.csv" if kind is UrbanSound8K else "meta/esc50.csv"
    write_table(folder / table, rows[0], rows)
    return kind(root=str(folder), split=protocol, fold=fold, cache_dir=str(folder / "cache"))


def parts_by_name(data):
    return {part: {data.table.names[clip] for clip in getattr(data.split, part)} for part in ("train", "test")}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(("kind", "make_rows", "lost"), [(UrbanSound8K, urban_rows, 1), (ESC10, esc_rows, 3)])
def test_a_shorter_table_moves_no_clip_from_training_to_test(tmp_path, protocol, kind, make_rows, lost):
    rows = make_rows()
    name = next(iter(rows[0]))
    trained = corpus_of(tmp_path / "then", kind, rows, protocol)
    record, then = trained.record, parts_by_name(trained)
    recordings = [row[next(key for key in ("fsID", "src_file") if key in row)] for row in rows]
    # Clips that are their recording's only one: without them the recordings are fewer too.
    alone = [row for row, recording in zip(rows, recordings, strict=True) if recordings.count(recording) == 1]
    gone = {str(row[name]) for row in alone[:: len(alone) // lost][:lost]}
    fewer = [row for row in rows if row[name] not in gone]
    drawn = corpus_of(tmp_path / "now", kind, fewer, protocol)
    seen = seen_clips(record, drawn)
    tested = parts_by_name(drawn)["test"]
    assert seen["n_seen"] == len(tested - then["test"])
    if protocol == "official":
        assert seen["n_seen"] == 0
    else:
        # The fault: a split that is drawn again tests what was learnt.
        assert seen["n_seen"] > {"grouped": 0.5, "random": 0.15}[protocol] * len(tested)
    data = corpus_of(tmp_path / "now", kind, fewer, protocol)
    data.follow(record)
    with pytest.warns(UserWarning, match=f"has lost {lost} of the {len(rows)} clips of the model's split"):
        assert parts_by_name(data) == {part: names - gone for part, names in then.items()}
    assert seen_clips(record, data)["n_seen"] == 0
    # Every clip keeps its number, and therefore its random target.
    assert data.table.names == trained.table.names
    assert set(data.split.test) <= set(trained.split.test.tolist())
    assert np.array_equal(data.assigned.test, trained.split.test)
    assert data.leakage == pytest.approx(trained.leakage, abs=0.02)
    if protocol == "grouped":
        assert data.leakage == 0
        assert seen_clips(record, data)["n_seen_recordings"] == 0


def test_a_record_comes_back_from_a_checkpoint_and_from_its_table(tmp_path):
    torch.save({"clips": RECORD.as_plain()}, tmp_path / "best.ckpt")
    plain = torch.load(tmp_path / "best.ckpt", weights_only=True)["clips"]
    assert SplitRecord.from_plain(plain, "best.ckpt") == RECORD
    RECORD.write_csv(tmp_path / "split.csv")
    with (tmp_path / "split.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["clip", "recording", "label", "class_name", "part"]
    assert rows[4] == ["d, e.wav", "3", "1", 'the "rain"', "test"]
    assert SplitRecord.read_csv(tmp_path / "split.csv") == RECORD


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"parts": ["train", "validation", "test"]}, r"in here\.ckpt, found one that cannot be: .* got \[3, 4\]"),
        ({"parts": ["train", "train", "exam", "test"]}, "expected parts called train, validation, test, got 'exam'"),
        ({"labels": [0, 0, 1, 2]}, r"expected labels in 0\.\.1, got 2"),
        ({"labels": [0, 0, 1, True]}, r"expected labels in 0\.\.1, got True"),
        ({"names": ["a", "a", "c", "d"]}, "expected every clip once, got one twice"),
        ({"names": ["a", 3, "c", "d"]}, "got something that is no text"),
        ({"recordings": None}, r"a record of the clips that the model was trained on in here\.ckpt, found something"),
    ],
)
def test_what_is_no_record_is_refused(change, message):
    with pytest.raises(DataError, match=message):
        SplitRecord.from_plain({**RECORD.as_plain(), **change}, "here.ckpt")


def test_a_table_that_is_no_record_is_refused(tmp_path):
    with pytest.raises(DataError, match="found none: a run of an older version does not say it; train again"):
        SplitRecord.read_csv(tmp_path / "split.csv")
    (tmp_path / "split.csv").write_text("clip,part\na.wav,train\n")
    with pytest.raises(DataError, match="expected the columns clip, recording, label, class_name, part"):
        SplitRecord.read_csv(tmp_path / "split.csv")


@pytest.fixture
def esc(tmp_path):
    """A record and the rows it was made from."""
    rows = esc_rows()
    return corpus_of(tmp_path / "then", ESC10, rows, "grouped").record, rows


def test_new_clips_belong_to_no_part_and_up_to_ten_are_named(esc, tmp_path):
    record, rows = esc
    more = [{**rows[0], "filename": f"new{k:02d}.wav"} for k in range(12)]
    data = corpus_of(tmp_path / "now", ESC10, [*more, *rows], "grouped")
    data.follow(record)
    with pytest.warns(UserWarning, match=r"lists 12 clips .*\(new00\.wav, .*new09\.wav and 2 more\); they belong to"):
        assert data.table.names == record.names
    assert [data.split.test.tolist(), data.split.train.tolist()] == [
        record.split.test.tolist(),
        record.split.train.tolist(),
    ]


def test_a_class_that_is_gone_leaves_the_other_labels_as_they_were(esc, tmp_path):
    record, rows = esc
    data = corpus_of(tmp_path / "now", ESC10, [row for row in rows if row["target"] != 3], "grouped")
    data.follow(record)
    with pytest.warns(UserWarning, match="has lost 40 of the 400 clips"):
        assert data.num_classes == 10
    assert set(data.table.labels[data.split.test]) == set(range(10)) - {3}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"target": 4, "category": "class 4"}, r"found 1 with others in the table: .*'class 4' instead of 'class 0'"),
        ({"src_file": "77"}, r"found 1 with others in the table: .*recording '77' instead of '0'"),
    ],
)  # fmt: skip
def test_a_changed_label_or_recording_is_refused(esc, tmp_path, change, message):
    record, rows = esc
    data = corpus_of(tmp_path / "now", ESC10, [{**rows[0], **change}, *rows[1:]], "grouped")
    data.follow(record)
    with pytest.raises(DataError, match=message):
        _ = data.split


def test_another_corpus_is_not_taken_for_a_shorter_table(esc, tmp_path):
    record, rows = esc
    others = [{**row, "filename": f"other-{row['filename']}"} for row in rows]
    data = corpus_of(tmp_path / "now", ESC10, others, "grouped")
    data.follow(record)
    with pytest.raises(DataError, match=r"expected clips of the model's test part .*, found none of its 1\d\d"):
        data.check()


def test_the_same_table_says_nothing(esc, tmp_path):
    record, rows = esc
    data = corpus_of(tmp_path / "now", ESC10, rows[::-1], "grouped")
    data.follow(record)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert data.table.names == record.names
    assert data.table.labels.tolist() == list(record.labels)


def test_a_judge_may_not_have_learnt_the_clips_that_it_judges():
    judge = replace(RECORD, parts=("test", "validation", "train", "test"))
    with pytest.raises(DataError, match=r"expected two not to be trained on test clips of one, found 1 .*\(c\.wav\)"):
        refuse_learned_clips(RECORD, "one", judge, "two")
    unknown = SplitRecord(*(column[:3] for column in (RECORD.names, RECORD.recordings, RECORD.labels, RECORD.parts)),
                          RECORD.class_names)  # fmt: skip
    assert refuse_learned_clips(RECORD, "one", unknown, "two") == ({"c.wav"}, ["d, e.wav"])
    assert refuse_learned_clips(unknown, "one", RECORD, "two") == ({"c.wav"}, [])
    with pytest.raises(DataError, match=r"the same classes and recordings in the records of one and two, .* c\.wav"):
        refuse_learned_clips(RECORD, "one", replace(RECORD, recordings=("1", "1", "9", "3")), "two")
    with pytest.raises(DataError, match=r"expected the classes of one \(dog, .*\) in two, found cat"):
        refuse_learned_clips(RECORD, "one", replace(RECORD, class_names=("cat", "rain")), "two")
    with pytest.raises(DataError, match="expected test clips of one in the test part of two, found none"):
        refuse_learned_clips(RECORD, "one", replace(RECORD, names=("p", "q", "r", "s")), "two")
