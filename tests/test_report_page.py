import html
import itertools
import json
import math
import re
import shutil
import subprocess
import wave

import numpy as np
import pandas as pd
import pytest
from report_fixtures import DWT, MFCC, STFT, write_attacked_sounds, write_run, write_transfer
from scipy.stats import t as student

import report
from datamodules import CORPORA, SoundDataModule
from metrics.attack_summary import THE_SIX
from metrics.fragility import summarise_fragility
from metrics.round_trip import summarise_round_trip
from reporting.figures.sound_curves import sound_curves
from reporting.figures.spectrograms import clip_seconds, spectrogram_figure
from reporting.runs import read_run, read_runs
from reporting.selection import select_runs
from reporting.sounds import sound_outcomes, sound_pairs
from reporting.tables.decibels import sound_attacks_table, sound_differences_table
from reporting.tables.sound import fragility_table, round_trip_table
from storage import SCHEMA_VERSION, DataError, plain_numbers, write_json
from storage.rows import write_rows

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PDFTOTEXT = shutil.which("pdftotext")
BROWSER = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--hide-scrollbars")

# Run in the page by the test: what a reader would click, see and hear.
PROBE = """
// Text that does not stand out from what is behind it (WCAG 2.1).
function faint() {
  const numbers = (colour) => colour.match(/[0-9.]+/g).map(Number);
  const luminance = (colour) => {
    const parts = numbers(colour).slice(0, 3).map((one) => one / 255)
      .map((one) => (one <= 0.03928 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4));
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
  };
  const ground = (one) => {
    for (let at = one; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (colour.startsWith("rgb(")) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const found = new Set();
  for (const one of document.querySelectorAll("body *")) {
    const own = Array.from(one.childNodes).some((node) => node.nodeType === 3 && node.textContent.trim());
    const colour = getComputedStyle(one).color;
    if (!own || one.namespaceURI.endsWith("svg") || one.disabled || /SCRIPT|OPTION/.test(one.tagName)) continue;
    const [low, high] = [luminance(colour), luminance(ground(one))].sort((a, b) => a - b);
    if ((high + 0.05) / (low + 0.05) < 4.5) found.add(`${one.tagName}.${one.className}: ${colour} on ${ground(one)}`);
  }
  return Array.from(found);
}
window.addEventListener("load", async () => {
  const found = { tables: [], audio: [], errors: window.faults, inner: window.innerWidth };
  const byId = (id) => document.getElementById(id);
  found.folded = Array.from(document.querySelectorAll("details.part"), (part) => !part.open);
  found.runsTop = byId("runs-table").getBoundingClientRect().top / window.innerHeight;
  for (const part of document.querySelectorAll("details")) part.open = true;
  found.faint = faint();
  const tabbed = "a[href], button, input:not(:disabled), select, summary, audio, .chart, .scroll";
  found.unreachable = Array.from(document.querySelectorAll(tabbed), (one) => one.tabIndex).filter((k) => k < 0).length;
  // Another attack and budget: the answer, the columns and the curves follow.
  const robust = () => Array.from(document.querySelectorAll('[data-field="robust"] strong'), (one) => one.textContent);
  found.threats = Array.from(byId("threat").options, (option) => {
    byId("threat").value = option.value;
    byId("threat").dispatchEvent(new Event("change"));
    return [option.textContent, byId("answer").textContent, robust()];
  });
  byId("threat").value = String(data.rankings[data.chosen].threat);
  byId("threat").dispatchEvent(new Event("change"));
  const chart = document.querySelector("#size-chart .chart");
  const reading = document.querySelector("#size-chart .reading");
  const press = (key) => {
    chart.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
    return reading.textContent;
  };
  chart.focus();
  found.chartFocused = document.activeElement === chart;
  found.readings = [press("ArrowRight"), press("ArrowRight"), press("ArrowDown")];
  found.sizes = Array.from(byId("size").options, (option) => {
    byId("size").value = option.value;
    byId("size").dispatchEvent(new Event("change"));
    return Array.from(chart.querySelectorAll("path[stroke-dasharray]"), (path) => path.getAttribute("d"));
  });
  const curves = () => chart.querySelectorAll("path[stroke-dasharray]").length;
  found.compared = ["none", "all"].map((which) => {
    document.querySelector(`[data-compare="${which}"]`).click();
    return curves();
  });
  byId("filter").value = "dwt";
  byId("filter").dispatchEvent(new Event("input"));
  found.filtered = Array.from(byId("runs-table").tBodies[0].rows).filter((row) => !row.hidden).length;
  byId("filter").value = "";
  byId("filter").dispatchEvent(new Event("input"));
  const text = (id) => Array.from(byId(id).tBodies[0].rows, (row) => Array.from(row.cells, (cell) => cell.textContent));
  found.classes = Array.from(byId("class-run").options, (option) => {
    byId("class-run").value = option.value;
    byId("class-run").dispatchEvent(new Event("change"));
    return [option.textContent, text("robustness-by-class"), text("confusion")];
  });
  found.wide = document.documentElement.scrollWidth > document.documentElement.clientWidth;
  found.images = Array.from(document.images, (image) => [image.naturalWidth > 0, image.alt.length > 20]);
  for (const table of document.querySelectorAll("table.sortable")) {
    const column = Math.min(3, table.tHead.rows[0].cells.length - 1);
    const heading = table.tHead.rows[0].cells[column];
    const read = () => Array.from(table.tBodies[0].rows, (row) => {
      const cell = row.cells[column];
      return cell.dataset.sort === undefined ? cell.textContent.trim() : cell.dataset.sort;
    });
    const button = heading.querySelector("button");
    button.focus();
    const focused = document.activeElement === button;
    button.click();
    const up = [heading.getAttribute("aria-sort"), read()];
    button.click();
    const numeric = table.tBodies[0].rows[0].cells[column].dataset.sort !== undefined;
    // Scrolled to the right end: is the first column still there, opaque, and does it say which row it is?
    const box = table.parentElement;
    box.scrollLeft = 100000;
    const row = table.tBodies[0].rows[0];
    const stays = [table.tHead.rows[0].cells[0], row.cells[0]].map((cell) => [
      cell.getBoundingClientRect().left - box.getBoundingClientRect().left,
      getComputedStyle(cell).backgroundColor,
    ]);
    const labels = row.cells[0].querySelector(".labels");
    const said = labels && getComputedStyle(labels).display !== "none" ? labels.textContent : "";
    const second = row.cells[1].textContent.trim();
    found.tables.push({
      focused, numeric, up, down: [heading.getAttribute("aria-sort"), read()],
      scrolled: box.scrollLeft, stays, said: labels && said, second,
    });
  }
  found.said = document.getElementById("announcement").textContent;
  for (const sound of document.querySelectorAll("audio")) {
    if (sound.readyState < 1) await new Promise((done) => sound.addEventListener("loadedmetadata", done));
    found.audio.push([sound.duration, sound.getAttribute("aria-label")]);
  }
  const result = document.createElement("pre");
  result.id = "probe";
  result.textContent = JSON.stringify(found);
  document.body.append(result);
});
"""


def write_sound(path, seconds):
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(int(16000 * seconds)))


def write_sound_results(path):
    """Write what round_trip.py and fragility.py would: every second sound fools, every third after a disturbance."""
    rows = pd.read_parquet(path / "attacks" / "outcomes.parquet")
    rows = rows[rows["attack"] == "fgsm"].reset_index(drop=True)
    number = np.arange(len(rows))
    rows = rows.assign(
        map_success=rows["success"] > 0,
        map_target_hit=False,
        sound_success=(rows["success"] > 0) & (number % 2 == 0),
        sound_target_hit=False,
        snr_db=20.0 + number,
        consistency=0.5,
        peak=0.5,
    )
    fragile = rows.assign(transform="noise", strength=20.0, unit="dB", disturbed_target_hit=False)
    fragile = fragile.assign(disturbed_success=fragile["sound_success"] & (number % 3 == 0))
    clean = fragile[fragile["budget_index"] == 0].assign(
        attack="clean", sound_success=False, disturbed_success=number[(fragile["budget_index"] == 0)] % 4 == 0
    )
    summaries = {
        "round-trip": summarise_round_trip(rows),
        "fragility": summarise_fragility(pd.concat([fragile, clean], ignore_index=True)),
    }
    for folder, cells in summaries.items():
        (path / folder).mkdir(exist_ok=True)
        write_json(path / folder / "summary.json", plain_numbers({"schema_version": SCHEMA_VERSION, "cells": cells}))
    return rows, fragile, clean


def write_adversarials(path, label=0):
    """Store the clean map of every clip of a class, and maps that differ from it by the budget's number."""
    rows = pd.read_parquet(path / "attacks" / "outcomes.parquet")
    for (fold, attack, clip), some in rows[rows["label"] == label].groupby(["fold", "attack", "clip"]):
        clean = np.full((1, 1, 128, 128), 0.5, np.float32)
        maps = {"clean": clean, attack: np.concatenate([clean + 0.1 * (k + 1) for k in range(len(some))])}
        for name, values in maps.items():
            file = path / "attacks" / "adversarials" / f"fold{fold}" / name / f"{clip}.npy"
            file.parent.mkdir(parents=True, exist_ok=True)
            np.save(file, values)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    write_run(folder, "stft", STFT, accuracy=0.9)
    write_run(folder, "stft-512", {**STFT, "n_fft": 512}, accuracy=0.7)
    write_run(folder, "<b>google", STFT, architecture="googlenet", attacks=())
    write_run(folder, "dwt", DWT, accuracy=0.9)
    write_run(folder, "mfcc", MFCC, accuracy=0.5, attacks=())
    write_transfer(folder, "stft", {"<b>google": "googlenet"}, (0.5,))
    write_adversarials(folder / "stft")
    write_adversarials(folder / "dwt")
    for place in ("clean", "cwa/0", "cwa/1"):
        write_sound(folder / "dwt" / "round-trip" / "sounds" / "fold1" / place / "3-1-dog-A-0.wav", 1.5)
    write_sound_results(folder / "dwt")
    return folder


@pytest.fixture(scope="module")
def page(runs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    return report.main([str(runs), "--output", str(folder)]).page


def test_the_page_needs_nothing_but_itself(page):
    text = page.read_text(encoding="utf-8")
    assert re.findall(r'(?:src|href|srcset|action|data)="(?!data:|#)[^"]*"', text) == []
    assert not re.search(r"url\((?!data:)|@import|fetch\(|XMLHttpRequest|<iframe|<object|<embed", text)
    assert "default-src 'none'" in text
    assert {"table1_mfcc_sampling_rate", "table5_transfer", "figure6_adversarial_maps"} <= set(
        re.findall(r'id="(\w+)"', text)
    )


def test_what_a_run_is_called_is_text_and_no_markup(page):
    text = page.read_text(encoding="utf-8")
    assert "<b>google" not in text
    assert "&lt;b&gt;google" in text
    assert "7 % of the gradients &lt;are&gt; zero" in text


def test_every_table_and_figure_explains_itself(page):
    text = page.read_text(encoding="utf-8")
    tables = re.findall(r"<table.*?</table>", text, flags=re.DOTALL)
    assert len(tables) == 25
    # Two tables are filled in the browser, for the run that is chosen.
    for table in (one for one in tables if 'id="confusion"' not in one and 'id="robustness-by-class"' not in one):
        assert len(re.search(r"<caption>(.*?)</caption>", table, flags=re.DOTALL)[1]) > 10
        assert "<thead>" in table
        assert 'scope="col"' in table
    figures = re.findall(r"<figure(?! id=\"\w+-chart\").*?</figure>", text, flags=re.DOTALL)
    assert all(len(re.search(r"<figcaption>(.*?)</figcaption>", one, flags=re.DOTALL)[1]) > 10 for one in figures)
    missing = next(one for one in figures if 'id="figure3_lifter"' in one)
    assert "python sweep.py configs/sweeps/figure3_lifter.yaml --budgets smoke" in html.unescape(missing)
    headings = [int(level) for level in re.findall(r"<h(\d)", text)]
    assert headings[0] == 1
    assert all(later - earlier <= 1 for earlier, later in itertools.pairwise(headings))


def test_a_pair_of_sounds_has_its_spectrograms_beside_its_players(page):
    text = page.read_text(encoding="utf-8")
    (pair,) = re.findall(r"<figure>(.*?)</figure>", text.split('<div class="sounds">')[1], flags=re.DOTALL)
    (alt,) = re.findall(r'<img src="data:image/png;base64,[^"]+" alt="([^"]*)"', pair)
    assert "clean silent; adversarial silent; change silent" in alt
    assert pair.count("<audio controls") == 2
    assert "<figcaption>1-dog-A-0, CWA on the map, 1.5 s, unchanged (run dwt)</figcaption>" in pair


def contrast(first, second):
    """Ratio of WCAG 2.1 of two colours in hexadecimal."""

    def luminance(colour):
        parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
        red, green, blue = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


def test_text_stands_out_in_light_and_dark(page):
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    style = re.search(r"<style>(.*?)</style>", page.read_text(encoding="utf-8"), flags=re.DOTALL)[1]
    themes = [
        dict(re.findall(r"--(\w+): (#\w{6})", block)) for block in re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    ]
    # Light, dark and print.
    assert len(themes) == 3
    for theme in themes:
        for name in ("text", "muted", "link", "holds", "fails", "undecided", "missing"):
            for ground in ("background", "surface"):
                assert contrast(theme[name], theme[ground]) >= 4.5, (name, ground)


def test_figure_6_shows_the_cheapest_budget_that_fooled(runs):
    selection = select_runs([read_run(runs / "stft"), read_run(runs / "dwt")])
    figure = spectrogram_figure(selection)
    assert len(figure.numbers) == 14
    for row in figure.numbers:
        rows = pd.read_parquet(runs / row["run"] / "attacks" / "outcomes.parquet")
        rows = rows[(rows["fold"] == row["fold"]) & (rows["attack"] == row["attack"]) & (rows["clip"] == row["clip"])]
        fooled = rows[rows["success"] > 0]["budget_index"]
        assert row["budget_index"] == (fooled.min() if len(fooled) else rows["budget_index"].max())
        assert row["label"] == 0
    panels = figure.drawing.axes
    assert [panel.get_title() for panel in panels[:7]] == ["clean", "FGSM", "DeepFool", "BIM-a", "BIM-b", "JSMA", "CWA"]
    # Two representations, each with a row of maps and a row of changes, and a colour bar for either; the clean map and
    # seven attacks in each row.
    assert len(panels) == 36
    maps = [panels[8 * row + column] for row in (0, 2) for column in range(1, 8)]
    changes = [panels[8 * row + column] for row in (1, 3) for column in range(1, 8)]
    for panel, change, row in zip(maps, changes, figure.numbers, strict=True):
        assert panel.images[0].get_array().max() == pytest.approx(0.5 + 0.1 * (row["budget_index"] + 1))
        assert change.images[0].get_array().max() == pytest.approx(1)
        assert f"max {row['linf']:.3g}" in change.get_xlabel()
        assert "time (s)" in change.get_xlabel()
    assert [panels[k].get_ylabel() for k in (0, 16)] == ["STFT\nHz", "DWT\nHz"]
    assert [text.get_text() for text in panels[0].get_yticklabels()] == ["0", "5,512", "11,025"]
    assert panels[16].get_yticklabels()[0].get_text() == "60"
    assert panels[1].get_xlim() == (0, 5)
    assert "MFCC" not in figure.alt
    assert "--save-adversarials" in figure.commands[0]
    assert spectrogram_figure(selection, label=3).drawing is None


def test_a_clip_is_as_long_as_its_run_or_its_corpus_says(tmp_path, monkeypatch):
    run = read_run(write_run(tmp_path, "own", STFT, corpus="Mine", attacks=()))
    assert clip_seconds(run) is None
    monkeypatch.setitem(CORPORA, "Mine", type("Mine", (SoundDataModule,), {"default_clip_seconds": 7.0}))
    assert clip_seconds(run) == 7
    run.summary["recipe"] = {"data": {"init_args": {"clip_seconds": 2.5}}}
    assert clip_seconds(run) == 2.5


def test_maps_of_any_attack_and_representation_are_shown(tmp_path):
    log_mel = {**STFT, "class": "LogMel", "n_mels": 64}
    for name, representation, attacks in (
        ("logmel", log_mel, ("fgsm", "deepfool")),
        ("own", {**STFT, "class": "somewhere.Gammatone"}, ("fgsm", "lbfgs")),
    ):
        write_adversarials(write_run(tmp_path, name, representation, architecture="googlenet", attacks=attacks))
    figure = spectrogram_figure(select_runs(read_runs(tmp_path)))
    panels = figure.drawing.axes
    assert [panel.get_title() for panel in panels[:4]] == ["clean", "FGSM", "DeepFool", "L-BFGS"]
    assert [panels[k].get_ylabel() for k in (0, 8)] == ["Gammatone\nrow", "LogMel\nmel band"]
    # The run of Gammatone has no DeepFool, that of LogMel no L-BFGS.
    assert [bool(panels[k].images) for k in range(4)] == [True, True, False, True]
    assert [bool(panels[k].images) for k in range(8, 12)] == [True, True, True, False]


def test_tables_of_sounds_hold_what_survives_beside_the_clean_control(tmp_path):
    path = write_run(tmp_path, "one", STFT, attacks=THE_SIX)
    assert sound_attacks_table([read_run(path)]).rows == ()
    assert round_trip_table([read_run(path)]).rows == fragility_table([read_run(path)]).rows == ()
    rows, fragile, clean = write_sound_results(path)
    table = round_trip_table([read_run(path)])
    assert len(table.rows) == rows["budget_index"].nunique()
    for budget, line in enumerate(table.plain_rows):
        found = dict(zip(table.plain_headings, line, strict=True))
        part = rows[rows["budget_index"] == budget]
        fooled = part[part["map_success"]]
        assert found["map fools"] == pytest.approx(part["map_success"].mean())
        assert found["survives"] == pytest.approx(fooled["sound_success"].mean(), nan_ok=True)
        assert found["SNR in dB"] == pytest.approx(fooled["snr_db"].median())
        assert found["target hits survive"] is None
    heard = pd.read_parquet(path / "attacks" / "outcomes.parquet").drop(columns="success_8bit")
    write_attacked_sounds(path, heard.assign(success_16bit=0.0))
    table = sound_attacks_table([read_run(path)])
    assert len(table.rows) == len(heard[["attack", "budget_index"]].drop_duplicates())
    first = dict(zip(table.plain_headings, table.plain_rows[0], strict=True))
    part = heard[(heard["attack"] == heard["attack"].min()) & (heard["budget_index"] == 0)]
    assert first["SNR in dB"] == pytest.approx(part.loc[part["success"] > 0, "snr_db"].median())
    assert first["SNR in dB, all clips"] == part["snr_db"].where(part["success"] > 0, -np.inf).median()
    assert (first["fooled"], first["fooled at 16 bits"]) == (pytest.approx((part["success"] > 0).mean()), 0)
    assert sound_differences_table([read_run(path)]).rows == ()
    table = fragility_table([read_run(path)])
    for budget, line in enumerate(table.plain_rows):
        found = dict(zip(table.plain_headings, line, strict=True))
        part = fragile[(fragile["budget_index"] == budget) & fragile["sound_success"]]
        assert found["survives"] == pytest.approx(part["disturbed_success"].mean())
        assert found["clean clips that are right"] == pytest.approx(1 - clean["disturbed_success"].mean())
    assert all("noise, 20 dB" in row for row in table.rows)


def test_decibels_of_two_runs_are_compared_clip_by_clip(tmp_path):
    runs, heard = [], []
    for number, name in enumerate(("one", "two")):
        path = write_run(tmp_path, name, STFT, attacks=THE_SIX)
        rows = pd.read_parquet(path / "attacks" / "outcomes.parquet").drop(columns="success_8bit")
        generator = np.random.default_rng(number)
        rows = rows.assign(success_16bit=0.0, snr_db=generator.normal(30, 5, len(rows)))
        rows["success"] = (generator.random(len(rows)) < 0.8).astype(float)
        write_attacked_sounds(path, rows.sample(frac=1, random_state=number))
        runs.append(read_run(path))
        heard.append(rows)
    table = sound_differences_table(runs)
    # Those that are given a radius have no size of their own.
    assert {row[2] for row in table.rows} == {"DeepFool", "JSMA", "CWA"}
    for line in table.plain_rows:
        found = dict(zip(table.plain_headings, line, strict=True))
        one, other = (
            rows[(rows["attack"] == found["attack"].lower()) & (rows["budget"] == found["budget"])].set_index(
                ["fold", "clip"]
            )
            for rows in heard
        )
        assert one["budget_index"].nunique() == 1
        shared = one.index.intersection(other.index)
        one, other = one.loc[shared], other.loc[shared]
        fools, also = one["success"] > 0, other["success"] > 0
        difference = one["snr_db"] - other["snr_db"]
        difference[fools & ~also], difference[~fools & also] = np.inf, -np.inf
        assert found["difference in dB"] == pytest.approx(difference[fools | also].median())
        assert found["difference in dB, n"] == (fools | also).sum() > (fools & also).sum() > 0
        assert (found["only first"], found["only second"]) == ((fools & ~also).sum(), (~fools & also).sum())
    # An attack that was stopped on a fold is left out of it.
    rows = heard[0].drop(heard[0].query("attack == 'cwa' and fold == 1").index[-1])
    write_rows(tmp_path / "one" / "attacks-sound" / "outcomes.parquet", rows.reset_index(drop=True))
    kept = sound_outcomes(runs[0])
    assert set(kept.loc[kept["attack"] == "cwa", "fold"]) == set(heard[0]["fold"]) - {1}
    assert len(kept) == len(heard[0].query("attack != 'cwa' or fold != 1"))
    rows = rows[(rows["attack"] != "cwa") | (rows["fold"] == 1)]
    write_rows(tmp_path / "one" / "attacks-sound" / "outcomes.parquet", rows.reset_index(drop=True))
    with pytest.warns(UserWarning, match=r"one: unfinished attacks on sounds are left out \(cwa\)"):
        sound_outcomes(runs[0])
    (tmp_path / "one" / "attacks-sound" / "settings.json").unlink()
    with pytest.raises(DataError, match=r"expected settings of attacks in .*settings\.json, found none"):
        sound_outcomes(runs[0])


@pytest.mark.parametrize(("shift", "verdict"), [(15, "higher"), (-15, "lower"), (0, "undecided")])
def test_decibels_of_two_runs_are_judged_over_models_and_recordings(tmp_path, shift, verdict):
    runs, heard = [], []
    for number, name in enumerate(("one", "two")):
        path = write_run(tmp_path, name, STFT, attacks=THE_SIX, folds=(1, 2, 3, 4, 5))
        rows = pd.read_parquet(path / "attacks" / "outcomes.parquet").drop(columns="success_8bit")
        noise = np.random.default_rng(number).normal(0, 3, len(rows))
        rows = rows.assign(success_16bit=1.0, success=1.0, snr_db=30 + shift * (number == 0) + noise)
        write_attacked_sounds(path, rows)
        runs.append(read_run(path))
        heard.append(rows[rows["attack"] == "deepfool"])
    table = sound_differences_table(runs)
    lines = [dict(zip(table.plain_headings, line, strict=True)) for line in table.plain_rows]
    found = next(line for line in lines if line["attack"] == "DeepFool")
    both = heard[0].merge(heard[1], on=["fold", "clip", "budget"])
    both = both[both["budget"] == found["budget"]]
    folds = (both["snr_db_x"] - both["snr_db_y"]).groupby(both["fold"]).median()
    assert [float(one) for one in found["by fold"].split()] == pytest.approx(folds.tolist(), abs=1e-4)
    # Nadeau and Bengio (2003) for a test part as large as the training part, no narrower than over recordings.
    half = student.ppf(0.975, 4) * folds.std() * math.sqrt(1 / 5 + 1)
    ends = found["over models and recordings, low"], found["over models and recordings, high"]
    low, high = found["difference in dB, low"], found["difference in dB, high"]
    assert ends == (pytest.approx(min(folds.mean() - half, low)), pytest.approx(max(folds.mean() + half, high)))
    # So many decibels are beyond chance for all three attacks together too.
    assert (found["verdict"], found["verdict (Holm)"]) == (verdict, verdict)


def test_curves_of_sounds_rise_to_the_shares_of_the_rows(tmp_path):
    path = write_run(tmp_path, "one", STFT, attacks=THE_SIX)
    assert sound_curves([read_run(path)]).drawing is None
    rows = pd.read_parquet(path / "attacks" / "outcomes.parquet").drop(columns="success_8bit")
    rows = rows[rows["attack"].isin(["fgsm", "deepfool"])]
    generator = np.random.default_rng(0)
    rows = rows.assign(success_16bit=0.0, snr_db=generator.normal(30, 5, len(rows)))
    fgsm = rows["attack"] == "fgsm"
    rows.loc[fgsm, "budget"] = [json.dumps({"snr_db": 70 - 10 * index}) for index in rows.loc[fgsm, "budget_index"]]
    write_attacked_sounds(path, rows)
    figure = sound_curves([read_run(path)])
    points = pd.DataFrame(figure.numbers)
    assert (set(points["folds"]), "unlike folds" in figure.caption) == ({"1, 2"}, False)
    bounded = rows[fgsm].assign(hit=rows["success"] > 0).groupby(["budget_index", "fold"])["hit"].mean()
    found = points[points["attack"] == "fgsm"]
    assert found["fooled"].tolist() == pytest.approx(bounded.groupby(level=0).mean().tolist())
    assert (np.diff(found["snr_db"]) < 0).all()
    last = rows[rows["attack"] == "deepfool"]
    last = last[last["budget_index"] == last["budget_index"].max()]
    found = points[points["attack"] == "deepfool"]
    for snr, share in zip(found["snr_db"], found["fooled"], strict=True):
        quiet = (last["success"] > 0) & (last["snr_db"] >= snr)
        assert share == pytest.approx(quiet.groupby(last["fold"]).mean().mean())
    assert "DeepFool, one: " in figure.alt
    assert figure.png().startswith(b"\x89PNG")


def test_a_broken_map_or_sound_is_named(tmp_path):
    path = write_run(tmp_path, "one", STFT, attacks=THE_SIX)
    write_adversarials(path)
    selection = select_runs([read_run(path)])
    files = list((path / "attacks" / "adversarials").rglob("cwa/*.npy"))
    for file in files:
        np.save(file, np.load(file)[:0])
    with pytest.raises(DataError, match=r"expected maps of more than \d budgets in .*cwa.*, found 0; attack again"):
        spectrogram_figure(selection)
    for file in files:
        file.write_bytes(b"no map")
    with pytest.raises(DataError, match=r"expected adversarial maps in .*cwa.*, found none that can be read"):
        spectrogram_figure(selection)
    kept = path / "attacks-sound" / "sounds" / "fold1" / "3-x.wav"
    for name in ("clean", "fgsm-0", "fgsm-1"):
        write_sound(kept / f"{name}.wav", 0.1)
    (pair,) = sound_pairs([read_run(path)])
    assert (pair.attack, pair.clip, pair.adversarial.name) == ("fgsm", "x.wav", "fgsm-1.wav")
    sounds = path / "round-trip" / "sounds" / "fold1"
    write_sound(sounds / "clean" / "3-x.wav", 0.1)
    (sounds / "fgsm" / "0").mkdir(parents=True)
    (sounds / "fgsm" / "0" / "3-x.wav").write_bytes(b"no sound")
    with pytest.raises(DataError, match=r"expected a WAV file in .*fgsm/0/3-x.wav"):
        sound_pairs([read_run(path)])


def in_browser(page, folder, width, *flags):
    """What the probe finds in a window of a width, and what the browser complains of."""
    probed = folder / "probed.html"
    faults = "<script>window.faults = []; addEventListener('error', (e) => faults.push(e.message), true);</script>"
    text = page.read_text(encoding="utf-8").replace("<head>", f"<head>{faults}")
    probed.write_text(text.replace("</body>", f"<script>{PROBE}</script></body>"), encoding="utf-8")
    # Chromium refuses windows narrower than 500 pixels unless it is told that the device is small.
    size = (f"--window-size={width},900", "--timeout=20000", "--enable-logging=stderr", "--v=0")
    command = [CHROMIUM, *BROWSER, *flags, *size, f"--user-data-dir={folder / 'profile'}", "--dump-dom"]
    done = subprocess.run([*command, probed.as_uri()], capture_output=True, text=True, timeout=300, check=True)
    complaints = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    found = json.loads(html.unescape(re.search(r'<pre id="probe">(.*?)</pre>', done.stdout, flags=re.DOTALL)[1]))
    return found, complaints


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_in_a_browser_everything_answers_and_nothing_complains(page, runs, tmp_path, width, dark):
    found, complaints = in_browser(
        page, tmp_path, width, *(["--blink-settings=preferredColorScheme=0"] if dark else [])
    )
    assert complaints == found["errors"] == []
    assert not found["wide"]
    assert found["faint"] == []
    assert found["unreachable"] == 0
    assert found["runsTop"] < 1
    # Two of the paper's rows are measured, so its part is not folded.
    assert found["folded"] == [False]
    assert len(found["images"]) >= 4
    assert all(all(image) for image in found["images"])
    # The clean clip and the sound of the last budget.
    assert [duration for duration, _ in found["audio"]] == [1.5, 1.5]
    assert all("1-dog-A-0" in label for _, label in found["audio"])
    assert found["said"].endswith("descending.")
    check_comparison(found, runs)
    check_tables(found, width)


def check_comparison(found, runs):
    """The answer, the columns, the curves and the classes follow what is chosen."""
    names = ["<b>google", "dwt", "mfcc", "stft", "stft-512"]
    attacked = {name: read_run(runs / name).attacks for name in ("dwt", "stft", "stft-512")}
    assert len(found["threats"]) == 10
    for said, answer, robust in found["threats"]:
        attack = said.split(":")[0]
        assert f"under {attack} with {said.split(': ')[1]}" in answer
        assert [value == "-" for value in robust] == [name not in attacked for name in names]
        measured = {name: float(value) for name, value in zip(names, robust, strict=True) if value != "-"}
        best = re.search(r"([\w-]+) (?:is the most robust|leads|keeps most)", answer)[1]
        assert measured[best] == max(measured.values())
    assert found["chartFocused"]
    assert re.fullmatch(r"[\w-]+, delta [\d.]+.*: fooled [\d.]+ %.*", found["readings"][0])
    assert len(set(found["readings"])) == 3
    assert all(len(curves) == 3 for curves in found["sizes"])
    assert found["compared"] == [0, 3]
    assert found["filtered"] == 1
    for name, by_class, confusion in found["classes"]:
        answers = pd.concat(pd.read_csv(file) for file in sorted((runs / name).glob("fold*/predictions.csv")))
        counts = pd.crosstab(answers["label"], answers["prediction"])
        for row in confusion:
            for column, value in enumerate(row[1:]):
                there = int(row[0]) in counts.index and column in counts.columns
                assert int(value) == (counts.loc[int(row[0]), column] if there else 0)
        for row in by_class:
            some = answers[answers["label"] == int(row[0])]
            assert int(row[1]) == len(some)
            assert float(row[2]) == pytest.approx(100 * (some["label"] == some["prediction"]).mean(), abs=0.051)


def check_tables(found, width):
    """Tables sort by keyboard, keep their first column in sight, and say on a phone which row it is."""
    assert len(found["tables"]) == 23
    for table in found["tables"]:
        assert table["focused"]
        (up, rising), (down, falling) = table["up"], table["down"]
        assert (up, down) == ("ascending", "descending")
        if table["numeric"]:
            values = [float(value) for value in rising if value]
            assert values == sorted(values)
            assert [float(value) for value in falling if value] == values[::-1]
            empty = rising.count("")
            assert rising[len(rising) - empty :] == falling[len(falling) - empty :] == [""] * empty
        for offset, colour in table["stays"]:
            assert offset == pytest.approx(1, abs=1)
            assert colour.startswith("rgb(")  # rgba would let the numbers beneath shine through
        if table["said"] is not None:
            assert table["said"].startswith(table["second"] if width == 390 else "")
            assert (table["said"] != "") == (width == 390)
    assert any(table["numeric"] and len(set(table["up"][1])) > 2 for table in found["tables"])
    assert sum(table["scrolled"] > 200 for table in found["tables"]) >= (7 if width == 390 else 3)
    assert sum(table["said"] is not None for table in found["tables"]) == 11


@pytest.mark.skipif(CHROMIUM is None or PDFTOTEXT is None, reason="needs Chromium and pdftotext")
def test_paper_loses_no_column(page, tmp_path):
    printed = tmp_path / "page.pdf"
    command = [CHROMIUM, *BROWSER, f"--user-data-dir={tmp_path / 'profile'}", "--no-pdf-header-footer"]
    subprocess.run([*command, f"--print-to-pdf={printed}", page.as_uri()], capture_output=True, timeout=300, check=True)
    boxes = subprocess.run([PDFTOTEXT, "-bbox", printed, "-"], capture_output=True, text=True, check=True).stdout
    width = float(re.search(r'<page width="([\d.]+)"', boxes)[1])
    assert width == pytest.approx(842, abs=1)
    rights = [float(right) for right in re.findall(r'<word .*?xMax="([\d.]+)"', boxes)]
    assert len(rights) > 1000
    assert max(rights) <= width - 10
    words = " ".join(re.findall(r"<word [^>]*>(.*?)</word>", boxes))
    # The last columns of the widest tables.
    for heading in ("classifier folds budgets", "mean of the six runs", "DWT, AlexNet"):
        assert heading in words
