"""The tables and figures of docs/results are what report.py makes of the records beside them, these of their rows."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import report
from commands.scalar_run import summarise_scalars
from metrics.attack_summary import summarise
from metrics.finished_rows import whole_attacks, without_silence
from metrics.fragility import summarise_fragility
from metrics.round_trip import summarise_round_trip
from storage import plain_numbers
from storage.attack_store import AttackStore

RESULTS = Path(__file__).parents[1] / "docs" / "results"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    output = tmp_path_factory.mktemp("results")
    report.main([str(RESULTS / "records"), "--output", str(output)])
    return output


@pytest.mark.parametrize("folder", ["tables", "figures"])
def test_committed_results_are_those_of_the_committed_rows(made, folder):
    kept, now = (
        {file.name: file for file in (place / folder).glob("*.csv") if not file.name.startswith("figure6")}
        for place in (RESULTS, made)
    )
    assert set(kept) == set(now)
    for name, file in kept.items():
        assert cells(file) == [[near(one) for one in row] for row in cells(now[name])], name


def test_the_committed_page_has_sounds_of_the_embedded_corpus_only_and_no_path_of_a_machine():
    file = RESULTS / "demo" / "index.html"
    assert [one.name for one in file.parent.iterdir()] == [file.name]
    text = file.read_text(encoding="utf-8")
    assert len(text) < 1_600_000
    data = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)[1])
    assert {run["corpus"] for run in data["runs"]} == {"synthetic"}
    pairs = re.findall(r"<figure>(.*?)</figure>", text, re.DOTALL)
    assert len(pairs) == 4
    # Names of embedded clips; sources are numbered from 1000.
    assert all(re.search(r"<figcaption>[1-5]-\d{4,5}-[A-D]-\d, ", pair) for pair in pairs)
    assert all((pair.count("data:image/png"), pair.count("data:audio/wav")) == (1, 2) for pair in pairs)
    assert text.count("data:audio/") == 8
    assert not re.search(r"(?<![\w.)])/(?:work|root|home|tmp|Users|mnt)/", re.sub(r"base64,[^\"]*", "", text))


@pytest.mark.parametrize(
    "file", sorted((RESULTS / "records").glob("*/attacks*/summary.json")), ids=lambda file: file.parts[-3]
)
def test_committed_summaries_are_those_of_the_committed_rows(file):
    store = AttackStore(file.parent)
    outcomes, clips = store.outcomes(), without_silence(store.clips())
    now = json.loads(json.dumps(plain_numbers(summarise(whole_attacks(outcomes, clips), clips))))
    kept = json.loads(file.read_text(encoding="utf-8"))
    assert same({name: kept[name] for name in now}, now)


SUMMARIES = {
    "round-trip": summarise_round_trip,
    "fragility": summarise_fragility,
    "scalar-test": summarise_scalars,
}


@pytest.mark.parametrize("kind", SUMMARIES)
def test_committed_cells_are_those_of_the_committed_rows(kind):
    files = sorted((RESULTS / "records").glob(f"*/{kind}*/summary.json"))
    assert files
    for file in files:
        now = json.loads(json.dumps(plain_numbers(SUMMARIES[kind](pd.read_parquet(file.parent / "rows.parquet")))))
        assert same(json.loads(file.read_text(encoding="utf-8"))["cells"], now), file


def test_what_cwa_loses_on_quiet_clips_is_what_the_text_says():
    text = (RESULTS / "sound" / "README.md").read_text(encoding="utf-8")
    said = text[text.index("**Decibels of CWA") : text.index("So CWA's columns")]
    found = []
    for name in ("esc10-stft-sample_rate-8000", "esc10-mfcc", "esc10-dwt"):
        rows = pd.read_parquet(RESULTS / "records" / name / "attacks-sound" / "outcomes.parquet")
        rows = rows[rows["success"] > 0]
        deepfool = rows[rows["attack"] == "deepfool"]
        cwa = rows[rows["attack"] == "cwa"]
        cwa = cwa[cwa["budget_index"] == cwa["budget_index"].max()]
        both = deepfool.merge(cwa, on=["fold", "clip"], suffixes=("", "_cwa"))
        # The level of a clip in dBFS is its SNR plus the level of the change, over 40,000 samples.
        quiet = 20 * np.log10(both["l2"]) + both["snr_db"] - 10 * np.log10(40_000) < -30
        louder = both["snr_db"] - both["snr_db_cwa"]
        found.append((louder[quiet].median(), louder[~quiet].median()))
    quiet, others = ([f"{value:.1f}" for value in values] for values in zip(*found, strict=True))
    assert re.findall(r"\d+\.\d", said) == quiet + others


def test_what_survives_a_delay_or_noise_is_what_the_text_says():
    text = (RESULTS.parent / "sounds.md").read_text(encoding="utf-8")
    highest, lowest, points = map(
        int, re.findall(r"In every run, .*?(\d+) %\).*?(\d+) %\).*?(\d+) points", text, re.DOTALL)[0]
    )
    rows = pd.read_csv(RESULTS / "figures" / "fragility_curves.csv")
    rows = rows[rows["attacked"] == "sound"]
    kind, strength = rows["transform"], rows["strength"]
    said = rows[((kind == "shift") & strength.isin([20, 50])) | ((kind == "noise") & (strength == 30))]
    assert said.groupby("attack")["run"].nunique().to_dict() == {"bim_b": 4, "deepfool": 4}
    assert set(said.loc[said["attack"] == "bim_b", "budget"]) == {'{"snr_db": 20, "steps": 20}'}
    assert round(100 * said.loc[said["attack"] == "deepfool", "survives_high"].max()) == highest < 50
    assert round(100 * said.loc[said["attack"] == "bim_b", "survives_low"].min()) == lowest > 50
    whole = rows[(kind == "bits") & (strength == 16)].groupby("run")["clean_accuracy"].first()
    assert (100 * (said["clean_accuracy"] - said["run"].map(whole))).abs().max() < points


def test_committed_records_name_no_folder_of_one_machine():
    texts = {file: file.read_text(encoding="utf-8") for file in (RESULTS / "records").rglob("*.*")
             if file.suffix in {".json", ".yaml", ".csv"}}  # fmt: skip
    assert texts
    assert not {file: found for file, text in texts.items() if (found := re.findall(r'[\s"](/[\w.-]+/[^",\s]*)', text))}


def same(kept, now):
    if isinstance(now, dict):
        return set(kept) == set(now) and all(same(kept[name], value) for name, value in now.items())
    if isinstance(now, list):
        return len(kept) == len(now) and all(map(same, kept, now))
    return kept == (near(now) if isinstance(now, float) else now)


def near(cell):
    """Numbers are compared to six digits, because processors round sums differently."""
    return cell if isinstance(cell, str) else pytest.approx(cell, rel=1e-6, abs=1e-9, nan_ok=True)


def cells(file):
    """The cells of a CSV file: numbers, and the text of the others."""

    def cell(text):
        try:
            return float(text)
        except ValueError:
            return text

    with file.open(newline="") as opened:
        return [[cell(text) for text in row] for row in csv.reader(opened)]
