"""A report of 120 runs of five folds and 23 budgets stays quick and small."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from report_fixtures import DWT, MFCC, STFT, clone_run, write_run

ROOT = Path(__file__).resolve().parent.parent
RUNS = 120


@pytest.mark.slow
def test_120_runs_are_reported_within_a_minute_and_2_gb(tmp_path):
    runs = tmp_path / "runs"
    runs.mkdir()
    template = write_run(tmp_path, "template", DWT, folds=(1, 2, 3, 4, 5), clips=24, profile="reduced")
    settings = [{**MFCC, "sample_rate": rate, "n_mfcc": n} for rate in (8000, 16000) for n in (13, 20, 40)]
    settings += [{**STFT, "n_fft": n, "win_length_ratio": ratio} for n in (512, 1024, 2048) for ratio in (0.5, 1.0)]
    settings += [
        {**DWT, "mother": mother, "sample_rate": rate} for mother in ("haar", "morlet") for rate in (8000, 16000)
    ]
    made = 0
    for seed in range(RUNS):
        for corpus in ("ESC10", "ESC50", "UrbanSound8K"):
            for representation in settings:
                if made < RUNS:
                    clone_run(template, runs / f"{made}", seed=seed, corpus=corpus, representation=representation)
                    made += 1
    # A process of its own, so that neither what the test has in memory nor other tests' time count. VmHWM, because
    # ru_maxrss begins with the size of the process that this one was forked from.
    program = (
        "import report, re, time, json; from pathlib import Path; report.main({!r});"
        "peak = re.search(r'VmHWM:\\s+(\\d+) kB', Path('/proc/self/status').read_text());"
        "print(json.dumps([time.process_time(), int(peak[1])]))"
    ).format([str(runs), "--output", str(tmp_path / "report")])
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    seconds, kilobytes = json.loads(done.stdout.splitlines()[-1])
    # Processor time: what it takes on a machine that does nothing else, with one of its cores.
    # Before the intervals of a run were computed together, 60 runs took more.
    assert seconds < 60
    assert kilobytes < 2_000_000
