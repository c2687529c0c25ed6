"""transfer.py --space sound: sounds of one run judged by runs on other representations at other sample rates."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import soundfile
import soxr
import torch

import transfer
from commands.errors import UsageError
from lightning_modules.trained_classifier import load_classifier
from reporting.runs import read_run
from reporting.tables.sound import sound_transfer_table
from storage.columns import differing_columns
from storage.summaries import TransferCell, TransferSummary
from storage.tables import TransferRow
from tests.trained_run_fixture import write_trained_run

NAMES = ("stft", "mfcc")
RATES = {"stft": 8000, "mfcc": 16000}
KEY = ["target_run", "fold", "attack", "budget_index", "clip"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Nets on two maps of the embedded corpus at two rates."""
    folder = tmp_path_factory.mktemp("sound transfer")
    write_trained_run(folder, "stft", embedded=True, folds="1")
    write_trained_run(folder, "mfcc", embedded=True, folds="1", representation="MFCC", sample_rate=16000)
    (folder / "budgets.yaml").write_text("fgsm: {snr_db: [30, 0]}\ndeepfool: {iterations: 3}\n")
    return folder


def flags(folder, *names, space="sound"):
    return [
        *("--checkpoints", *(str(folder / "runs" / name) for name in names), "--attacks", "fgsm", "deepfool"),
        *("--budgets", str(folder / "budgets.yaml"), "--clips", "10", "--space", space, "--folds", "1"),
        *("--data.cache_dir", str(folder / "cache"), "--wandb.mode", "disabled", "--trainer.accelerator", "cpu"),
    ]


@pytest.fixture(scope="module")
def judged(folder):
    summaries = transfer.main(flags(folder, *NAMES))
    return summaries, {name: rows_of(folder, name) for name in ("stft", "mfcc")}


def rows_of(folder, source):
    rows = pd.read_parquet(folder / "runs" / source / "transfer-sound" / "budgets" / "rows.parquet")
    return rows.set_index(KEY).sort_index()


def test_a_target_resamples_the_stored_sound_and_makes_its_own_map(folder, judged):
    _, rows = judged
    for source, target in (("stft", "mfcc"), ("mfcc", "stft"), ("stft", "stft")):
        trained = load_classifier(folder / "runs" / target / "fold1" / "best.ckpt")
        representation = trained.data(cache_dir=str(folder / "cache")).representation
        some = rows[source].loc[target]
        assert set(some["target_sample_rate"]) == {RATES[target]}
        assert set(some["target_representation"]) == {type(representation).__name__}
        for (_, attack, budget, clip), row in some.iloc[::5].iterrows():
            sounds = folder / "runs" / source / "attacks-sound" / "sounds" / "fold1"
            (kept,) = sounds.glob(f"{clip}-*")
            answers = []
            for name in ("clean.wav", f"{attack}-{budget}.wav"):
                sound, rate = soundfile.read(kept / name, dtype="float32")
                assert rate == RATES[source]
                # The corpus has clips of 2 s.
                heard = soxr.resample(sound, rate, RATES[target], quality="HQ") if rate != RATES[target] else sound
                seen = representation(torch.from_numpy(heard[: 2 * RATES[target]].clip(-1, 1))[None, None])
                with torch.no_grad():
                    logits = trained.model(seen)[0]
                answers.append(int(logits.argmax()))
                stored = row["target_logits_clean" if name == "clean.wav" else "target_logits_adversarial"]
                np.testing.assert_allclose(stored, logits, atol=1e-4)
            assert row["clean_correct_target"] == (answers[0] == row["label"])
            assert row["target_prediction"] == answers[1]


def test_rows_are_paired_by_clip_and_cells_are_counted_by_hand(folder, judged):
    summaries, rows = judged
    assert set(summaries) == set(rows)
    for source, some in rows.items():
        own, others = some.loc[source], [some.loc[name] for name in NAMES if name != source]
        # The source is a target of its own sounds, as they are kept.
        assert (own["source_success"] == own["target_success"]).all()
        assert (own["clean_correct_source"] == own["clean_correct_target"]).all()
        for other in others:
            assert other.index.equals(own.index)
            assert (other["source_success"] == own["target_success"]).all()
            assert (other["name"] == own["name"]).all()
        outcomes = pd.read_parquet(folder / "runs" / source / "attacks-sound" / "outcomes.parquet")
        outcomes = outcomes.set_index(KEY[1:]).sort_index().loc[own.index]
        assert (own["source_success"] == (outcomes["success_16bit"] > 0)).mean() > 0.95
        cells = {(c["attack"], c["target_run"]): c for c in summaries[source]["rows"] if c["fold"] is None}
        for name in NAMES:
            part = some.loc[name].reset_index().query("attack == 'fgsm'")
            fools = part["source_success"] & part["clean_correct_source"] & part["clean_correct_target"]
            cell = cells["fgsm", name]
            assert (cell["denominator"], cell["n"]) == (fools.sum(), part.loc[fools, "clip"].nunique())
            assert cell["numerator"] == (fools & part["target_success"]).sum()
            assert (cell["ratio_low"] is None) == (cell["interval_method"] == "fewer than 10 recordings")
        assert cells["fgsm", source]["ratio"] == 1
        assert cells["fgsm", source]["denominator"] > 4


def test_every_key_is_described_and_the_report_has_the_matrix(folder, judged):
    summaries, rows = judged
    summary = json.loads((folder / "runs" / "stft" / "transfer-sound" / "budgets" / "summary.json").read_text())
    assert summary == summaries["stft"]
    assert (summary["space"], summary["representation"]["sample_rate"]) == ("sound", 8000)
    assert differing_columns(TransferRow, list(rows["stft"].reset_index())) == []
    assert differing_columns(TransferSummary, list(summary)) == []
    for cell in summary["rows"]:
        assert differing_columns(TransferCell, list(cell)) == []
    table = sound_transfer_table([read_run(folder / "runs" / name) for name in NAMES])
    lines = [dict(zip(table.plain_headings, line, strict=True)) for line in table.plain_rows]
    places = {(one["source"], one["target"], one["attack"]) for one in lines}
    assert places == {(*pair, attack) for pair in (NAMES, NAMES[::-1]) for attack in ("fgsm", "deepfool")}
    cells = {(c["attack"], c["target_run"]): c for c in summary["rows"] if c["fold"] is None}
    for one in (one for one in lines if one["source"] == "stft"):
        cell = cells[one["attack"], one["target"]]
        assert (one["ratio"], one["n"], one["target Hz"]) == (cell["ratio"], cell["n"], RATES[one["target"]])
    assert len(table.rows) == len(lines)


def test_an_answer_depends_on_no_other_clip_attack_or_target(folder, judged, tmp_path):
    shutil.copytree(folder / "runs", tmp_path / "runs")
    shutil.rmtree(tmp_path / "runs" / "stft" / "transfer-sound")
    (tmp_path / "budgets.yaml").write_text((folder / "budgets.yaml").read_text())
    (tmp_path / "cache").symlink_to(folder / "cache")
    other = [*flags(tmp_path, "mfcc", "stft"), "--data.batch_size", "3", "--attacks", "fgsm"]
    other[other.index("--budgets") + 1] = str(folder / "budgets.yaml")
    transfer.main(other)
    again, before = rows_of(tmp_path, "stft"), judged[1]["stft"]
    pd.testing.assert_frame_equal(again, before.loc[again.index])
    assert set(again.reset_index()["attack"]) == {"fgsm"}


def test_maps_of_two_representations_are_refused_with_what_compares_them(folder):
    with pytest.raises(UsageError, match=r"which differ in representation.*; .*--space sound compares representations"):
        transfer.main([*flags(folder, "stft", "mfcc", space="map"), "--budgets", "smoke"])
