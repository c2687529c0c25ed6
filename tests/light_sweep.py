"""A sweep whose training, attacks and transfer take no time, for the tests of what runs sweeps."""

from pathlib import Path

import yaml

CONFIGS = Path(__file__).parents[1] / "configs"
STFT = str(CONFIGS / "train" / "esc10_stft.yaml")

# Light programs with the command lines and result files of the heavy ones; each fold is a line in work.log.
STAND_INS = {
    "train.py": """
import json, os, sys, time
from pathlib import Path
flags = sys.argv[1:]
last = lambda name, default: ([b for a, b in zip(flags, flags[1:]) if a == name] or [default])[-1]
run = Path(last("--runs_dir", "runs")) / last("--name", "")
if "--data.split=random" in flags:
    sys.exit("error: this one fails")
folds = [1, 2, 3]
rows = []
for fold in folds:
    record = run / f"fold{fold}" / "record.json"
    if not record.is_file():
        record.parent.mkdir(parents=True, exist_ok=True)
        with open(run.parent / "work.log", "a") as log:
            log.write(f"begin {run.name} {fold} {os.getpid()} {os.getppid()}\\n")
        time.sleep(float(os.environ.get("FOLD_SECONDS", 0)))
        record.write_text(json.dumps({"fold": fold, "accuracy": 0.5 + fold / 10, "seconds": 1.0}))
    rows.append(json.loads(record.read_text()))
summary = {"accuracy_mean": 0.7, "accuracy_std": 0.1, "folds": rows, "folds_finished": 3, "folds_in_all": 3,
           "parameters": 42, "corpus": "ESC10", "split": "official", "architecture": "resnet18", "seed": 0,
           "representation": {"class": "STFT", "sample_rate": 22050}, "leakage": 0.0}
(run / "summary.json").write_text(json.dumps(summary))
""",
    "attack.py": """
import json, sys
from pathlib import Path
flags = sys.argv[1:]
after = lambda name: next((b for a, b in zip(flags, flags[1:]) if a == name), None)
run = Path(after("--checkpoints"))
start = flags.index("--attacks") + 1
names = flags[start : next(i for i in range(start, len(flags)) if flags[i].startswith("--"))]
rows = [{"fold": fold, "attack": name} for fold in (1, 2, 3) for name in names]
means = {name: {"auc": 0.9, "batch_gradients": 7.0, "fooling_rate": 0.8,
                "cost_auc90": {"gradients": 30.0, "censored": False}} for name in names}
(run / "attacks").mkdir()
summary = {"profile": after("--budgets"), "seed": int(after("--seed")),
           "clips": after("--clips") and int(after("--clips")),
           "attacks": rows, "means": means, "six": means[names[0]], "given": flags, "checks": [],
           "budgets": [{**row, "fooling_rate": 0.8, "median_l2_all": "inf", "batch_gradients": 7.0} for row in rows]}
(run / "attacks" / "summary.json").write_text(json.dumps(summary))
""",
    "transfer.py": """
import json, sys
from pathlib import Path
flags = sys.argv[1:]
after = lambda name: next((b for a, b in zip(flags, flags[1:]) if a == name), None)
runs = [Path(flag) for flag in flags[1 : flags.index("--attacks")]]
kind = lambda run: run.name.split("-")[-1] if run.name.count("-") > 1 else "resnet18"
for source in runs:
    rows = [{"fold": fold, "attack": name, "target_run": target.name, "target_architecture": kind(target),
             "ratio": 0.25 if target != source else 1.0, "auc_on_target": 0.6, "source_auc": 0.95,
             "source_batch_gradients": 11.0}
            for fold in (None, 1, 2, 3) for name in (None, "fgsm") for target in runs]
    folder = source / "transfer" / "all"
    folder.mkdir(parents=True)
    summary = {"profile": after("--budgets"), "seed": int(after("--seed")), "rows": rows}
    (folder / "summary.json").write_text(json.dumps(summary))
""",
}


def write_light_programs(folder: Path) -> Path:
    """Write the programs into a folder, which ``sweep.py point --scripts`` takes."""
    folder.mkdir()
    for name, text in STAND_INS.items():
        (folder / name).write_text(text)
    return folder


def write_light_sweep(file: Path, scripts: Path) -> Path:
    """Write a sweep over two seeds of one setting, with the light programs."""
    content = yaml.safe_load((CONFIGS / "sweeps" / "table2_stft_n_fft.yaml").read_text())
    content["parameters"] = {"config": {"value": STFT}, "seed": {"values": [0, 1]}}
    content["command"][4:] = ["--scripts", str(scripts), "--attacks", "fgsm", "--budgets", "smoke", "${args}"]
    content["name"] = "light"
    file.write_text(yaml.safe_dump(content))
    return file
