import html
import itertools
import json
import re
import shutil
import subprocess
import wave

import numpy as np
import pandas as pd
import pytest
from report_fixtures import DWT, MFCC, STFT, write_run, write_transfer

import report
from metrics.attack_summary import THE_SIX
from reporting.figures.spectrograms import spectrogram_figure
from reporting.runs import read_run
from reporting.selection import select_runs
from reporting.sounds import sound_pairs
from storage import DataError

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
BROWSER = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--hide-scrollbars")

# Run in the page by the test: what a reader would click, see and hear.
PROBE = """
window.addEventListener("load", async () => {
  const found = { tables: [], audio: [], errors: window.faults };
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
    write_sound(folder / "dwt" / "attacks" / "sounds" / "1-dog-A-0" / "clean.wav", 1.5)
    write_sound(folder / "dwt" / "attacks" / "sounds" / "1-dog-A-0" / "cwa.wav", 1.5)
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
    assert len(tables) == 17
    for table in tables:
        assert len(re.search(r"<caption>(.*?)</caption>", table, flags=re.DOTALL)[1]) > 10
        assert "<thead>" in table
        assert 'scope="col"' in table
    figures = re.findall(r"<figure.*?</figure>", text, flags=re.DOTALL)
    assert all(len(re.search(r"<figcaption>(.*?)</figcaption>", one, flags=re.DOTALL)[1]) > 10 for one in figures)
    missing = next(one for one in figures if 'id="figure3_lifter"' in one)
    assert "python sweep.py configs/sweeps/figure3_lifter.yaml --budgets smoke" in html.unescape(missing)
    headings = [int(level) for level in re.findall(r"<h(\d)", text)]
    assert headings[0] == 1
    assert all(later - earlier <= 1 for earlier, later in itertools.pairwise(headings))


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
    assert len(themes) == 2
    for theme in themes:
        for name in ("text", "muted", "link", "holds", "fails", "undecided", "missing"):
            for ground in ("background", "surface"):
                assert contrast(theme[name], theme[ground]) >= 4.5, (name, ground)


def test_figure_6_shows_the_cheapest_budget_that_fooled(runs):
    selection = select_runs([read_run(runs / "stft"), read_run(runs / "dwt")])
    figure = spectrogram_figure(selection)
    assert len(figure.numbers) == 12
    for row in figure.numbers:
        rows = pd.read_parquet(runs / row["run"] / "attacks" / "outcomes.parquet")
        rows = rows[(rows["fold"] == row["fold"]) & (rows["attack"] == row["attack"]) & (rows["clip"] == row["clip"])]
        fooled = rows[rows["success"] > 0]["budget_index"]
        assert row["budget_index"] == (fooled.min() if len(fooled) else rows["budget_index"].max())
        assert row["label"] == 0
    panels = figure.drawing.axes
    assert [panel.get_title() for panel in panels[:7]] == ["clean", "FGSM", "DeepFool", "BIM-a", "BIM-b", "JSMA", "CWA"]
    assert len(panels) == 14
    for panel, row in zip([p for k, p in enumerate(panels) if k % 7], figure.numbers, strict=True):
        assert panel.images[0].get_array().max() == pytest.approx(0.5 + 0.1 * (row["budget_index"] + 1))
        assert f"{row['linf']:.3g}" in panel.get_xlabel()
    assert "MFCC" not in figure.alt
    assert "--save-adversarials" in figure.commands[0]
    assert spectrogram_figure(selection, label=3).drawing is None


def test_a_broken_map_or_sound_is_named(tmp_path):
    path = write_run(tmp_path, "one", STFT, attacks=THE_SIX)
    write_adversarials(path)
    next((path / "attacks" / "adversarials").rglob("cwa/*.npy")).write_bytes(b"no map")
    for file in (path / "attacks" / "adversarials").rglob("cwa/*.npy"):
        file.write_bytes(b"no map")
    with pytest.raises(DataError, match=r"expected maps .* in .*cwa"):
        spectrogram_figure(select_runs([read_run(path)]))
    write_sound(path / "attacks" / "sounds" / "x" / "clean.wav", 0.1)
    (path / "attacks" / "sounds" / "x" / "fgsm.wav").write_bytes(b"no sound")
    with pytest.raises(DataError, match=r"expected a WAV file in .*fgsm.wav"):
        sound_pairs([read_run(path)])


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
@pytest.mark.parametrize("width", [1280, 390])
def test_in_a_browser_tables_sort_sounds_have_a_length_and_nothing_complains(page, tmp_path, width):
    probed = tmp_path / "probed.html"
    faults = "<script>window.faults = []; addEventListener('error', (e) => faults.push(e.message), true);</script>"
    text = page.read_text(encoding="utf-8").replace("<head>", f"<head>{faults}")
    probed.write_text(text.replace("</body>", f"<script>{PROBE}</script></body>"), encoding="utf-8")
    # Chromium refuses windows narrower than 500 pixels unless it is told that the device is small.
    size = (f"--window-size={width},900", "--timeout=20000", "--enable-logging=stderr", "--v=0")
    command = [CHROMIUM, *BROWSER, *size, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", probed.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    complaints = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert complaints == []
    found = json.loads(html.unescape(re.search(r'<pre id="probe">(.*?)</pre>', done.stdout, flags=re.DOTALL)[1]))
    assert found["errors"] == []
    assert not found["wide"]
    assert len(found["images"]) >= 4
    assert all(all(image) for image in found["images"])
    assert [duration for duration, _ in found["audio"]] == [1.5, 1.5]
    assert all("1-dog-A-0" in label for _, label in found["audio"])
    assert found["said"].endswith("descending.")
    assert len(found["tables"]) == 17
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
