import json
import sys

import pytest

from reporting.runs import read_runs
from storage import DataError
from storage.records import copy_records, main
from tests.report_fixtures import MFCC, STFT, write_run


@pytest.fixture
def runs(tmp_path):
    runs = tmp_path / "here" / "runs"
    for name, representation in (("one", STFT), ("sweeps/two", MFCC)):
        path = write_run(runs, name, representation)
        (path / "config.yaml").write_text(f"root: {tmp_path}/corpus\nother: {tmp_path}/corpus-2\nruns_dir: {runs}\n")
        # Attacked with another copy of the corpus, whose files were cached elsewhere.
        attacks = f"data:\n  root: {tmp_path}/copy\n  cache_dir: {tmp_path}/copy/cache\nof: {tmp_path}/copy/cache/map\n"
        # The run was moved after it was attacked.
        attacks += f"checkpoints:\n- {tmp_path}/before/{name}/fold1/best.ckpt\n"
        (path / "attacks" / "config.yaml").write_text(attacks)
        summary = json.loads((path / "summary.json").read_text())
        summary["recipe"] = {**summary.get("recipe", {}), "data": {"init_args": {"root": f"{tmp_path}/corpus"}}}
        (path / "summary.json").write_text(json.dumps(summary, indent=2))
        for left_out in ("fold1/best.ckpt", "attacks/parts/fold1-fgsm.parquet", "attacks-sound/sounds/a.json"):
            (path / left_out).parent.mkdir(parents=True, exist_ok=True)
            (path / left_out).write_bytes(b"large")
    (runs / "unfinished").mkdir()
    (runs / "unfinished" / "config.yaml").write_text("name: unfinished")
    return runs


def test_records_are_runs_without_what_is_large_and_without_paths_of_this_machine(runs, tmp_path):
    records = tmp_path / "records"
    for _ in range(2):
        assert [str(run) for run in copy_records(runs, records)] == ["one", "sweeps/two"]
    files = {str(file.relative_to(records)) for file in records.rglob("*") if file.is_file()}
    assert not [file for file in files if "parts" in file or "sounds" in file or file.endswith(".ckpt")]
    assert "one/attacks/outcomes.parquet" in files
    assert "sweeps/two/fold1/predictions.csv" in files
    assert not (records / "unfinished").exists()
    # A longer path that begins alike is another folder.
    expected = f"root: DIR\nother: {tmp_path}/corpus-2\nruns_dir: runs\n"
    assert (records / "one" / "config.yaml").read_text() == expected
    attacks = (records / "one" / "attacks" / "config.yaml").read_text()
    checkpoint = "checkpoints:\n- runs/one/fold1/best.ckpt\n"
    assert attacks == f"data:\n  root: DIR\n  cache_dir: CACHE\nof: CACHE/map\n{checkpoint}"
    assert json.loads((records / "one" / "summary.json").read_text())["recipe"]["data"]["init_args"]["root"] == "DIR"
    assert [run.name for run in read_runs(records)] == [run.name for run in read_runs(runs)]


def test_a_folder_without_finished_runs_is_refused(tmp_path, monkeypatch):
    with pytest.raises(DataError, match=r"expected finished runs in .*, found none"):
        copy_records(tmp_path, tmp_path / "records")
    monkeypatch.setattr(sys, "argv", ["records", str(tmp_path), str(tmp_path / "records")])
    with pytest.raises(SystemExit) as ended:
        main()
    # Bad data; 2 is for an impossible command line.
    assert ended.value.code == 1
