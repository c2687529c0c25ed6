"""Files are whole or absent: killed writers, full disks, runs of other settings."""

import os
import signal
import subprocess
import sys

import pytest

from storage import DataError, RunFolder, write_atomically, write_json, write_text
from storage.errors import named
from storage.provenance import makers_in, with_maker

WRITER = """
import sys, time
from storage import write_atomically
with write_atomically(sys.argv[1]) as temporary:
    temporary.write_text("half")
    print("half written", flush=True)
    time.sleep(60)
"""


def test_a_writer_that_is_killed_leaves_the_old_file(tmp_path):
    path = tmp_path / "result.json"
    write_text(path, "old")
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    assert writer.stdout.readline() == "half written\n"
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    assert path.read_text() == "old"


def test_an_exception_leaves_neither_the_new_nor_a_temporary_file(tmp_path):
    def write_and_fail():
        with write_atomically(tmp_path / "result.csv") as temporary:
            temporary.write_text("half")
            raise RuntimeError("broken off")

    with pytest.raises(RuntimeError, match="broken off"):
        write_and_fail()
    assert list(tmp_path.iterdir()) == []


def test_the_temporary_file_has_the_suffix_of_the_final_one(tmp_path):
    with write_atomically(tmp_path / "maps.npy") as temporary:
        assert temporary.suffix == ".npy"
        assert temporary.parent == tmp_path


def test_others_may_read_what_is_written(tmp_path):
    mask = os.umask(0o022)
    try:
        write_text(tmp_path / "file.txt", "text")
    finally:
        os.umask(mask)
    assert (tmp_path / "file.txt").stat().st_mode & 0o777 == 0o644


def test_json_without_a_number_for_nan_is_refused(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "file.json", {"accuracy": float("nan")})
    assert not (tmp_path / "file.json").exists()


def test_a_message_names_some_of_many():
    assert named(["a", "b"]) == "a, b"
    assert named([str(number) for number in range(12)]) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more"
    assert named(["a", "b", "c"], 2) == "a, b and 1 more"


def test_a_run_of_other_settings_is_not_continued(tmp_path):
    run = RunFolder(tmp_path / "run")
    run.open({"a": 1}, identity={"model": {"learning_rate": 0.1}, "seed": 0}, overwrite=False)
    run.open({"a": 1}, identity={"model": {"learning_rate": 0.1}, "seed": 0}, overwrite=False)
    with pytest.raises(ValueError, match=r"got others for model\.learning_rate, seed; choose another --name"):
        run.open({"a": 1}, identity={"model": {"learning_rate": 0.2}, "seed": 1}, overwrite=False)
    run.open({"a": 1}, identity={"model": {"learning_rate": 0.2}, "seed": 1}, overwrite=True)


def test_a_run_from_before_a_setting_existed_is_one_with_the_value_that_had_the_same_effect(tmp_path):
    run = RunFolder(tmp_path / "run")
    run.open({}, identity={"model": {"learning_rate": 0.1}}, overwrite=False)
    assert run.differing_settings({"model": {"learning_rate": 0.1, "instance_norm": False}}) == []
    assert run.differing_settings({"model": {"learning_rate": 0.1, "instance_norm": True}}) == ["model.instance_norm"]
    with pytest.raises(ValueError, match=r"got others for model\.instance_norm"):
        run.open({}, identity={"model": {"learning_rate": 0.1, "instance_norm": True}}, overwrite=False)


def test_a_fold_is_finished_once_its_record_is_written(tmp_path):
    run = RunFolder(tmp_path / "run")
    # What a logger leaves before training is no fold.
    write_text(run.fold(2) / "wandb_id.txt", "abc")
    assert run.begun_folds() == []
    write_text(run.last_checkpoint(2), "state")
    assert run.begun_folds() == [2]
    assert run.finished_folds() == []
    run.write_record(2, {"fold": 2})
    assert run.finished_folds() == [2]
    assert run.record(2) == {"fold": 2}
    assert not run.last_checkpoint(2).exists()
    assert run.record(1) is None
    run.record_file(2).write_text("{")
    with pytest.raises(DataError, match=r"expected JSON in .*record.json, found a file that cannot be read as such"):
        run.record(2)


def test_what_made_rows_is_listed_once_in_order_with_its_folds_and_older_files_are_read():
    old, new = ({"git_commit": commit, "versions": {"torch": "2.8"}} for commit in ("old", "new"))
    makers = makers_in({"made_by": {"fgsm": old, "broken": 3}})
    assert makers == {"fgsm": [old], "broken": []}
    makers = with_maker(makers, 2, ["fgsm", "cwa"], new)
    makers = with_maker(makers, 1, ["fgsm"], old)
    makers = with_maker(makers, 1, ["fgsm"], new)
    makers = with_maker(makers, 1, ["cwa"], {**new, "versions": {"torch": "2.9"}})
    assert makers_in({"made_by": makers}) == {
        # Which folds the older file was about is not known.
        "fgsm": [old, {**new, "folds": [1, 2]}],
        "broken": [],
        "cwa": [{**new, "folds": [2]}, {**new, "versions": {"torch": "2.9"}, "folds": [1]}],
    }
    assert makers_in({}) == {}
