"""What a small study comes to, number by number: the record that a change of structure must leave as it is.

python -m tests.golden_record         # writes tests/golden_record.json anew, after a change of numbers that is meant
python -m tests.golden_record --add   # adds the record of this kind of processor, before numbers change

Two epochs of training make of a rounding another classifier, so each kind of processor has a record of its own.
"""

import argparse
import hashlib
import json
import platform
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

import attack
import report
import train
import transfer

RECORD = Path(__file__).with_suffix(".json")
ATTACKS = ("fgsm", "bim_a", "bim_b", "deepfool", "jsma", "cwa", "lbfgs")
COLUMNS = ("success", "success_65", "success_8bit", "target_hit", "iterations", "gradients", "full_jacobian_gradients")
DISTANCES = ("l2", "linf", "snr_db")


def machine() -> dict[str, str]:
    """What floating-point results may depend on: equal bits are expected on an equal machine only."""
    return {
        "torch": torch.__version__,
        "numpy": np.__version__,
        "capability": torch.backends.cpu.get_cpu_capability(),
        "processor": _processor(),
    }


def _processor() -> str:
    """The kind of processor: libraries choose their kernels, and with them the rounding, by it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    kind = [line for line in lines if line.startswith(("cpu family", "model", "flags"))]
    return f"{platform.machine()} {hashlib.sha256(repr(sorted(set(kind))).encode()).hexdigest()[:12]}"


def run_study(folder: Path) -> Path:
    """Train a ConvNet and a forest on two folds of the embedded corpus, attack, transfer, report; return the runs."""
    common = [
        *("--data", "SyntheticSounds", "--data.representation", "STFT", "--data.representation.sample_rate", "8000"),
        *("--data.representation.n_fft", "256", "--data.representation.resize", "24", "--data.augmentation", "none"),
        *("--trainer.max_epochs", "2", "--trainer.accelerator", "cpu", "--wandb.mode", "disabled", "--folds", "1,2"),
        *("--runs_dir", str(folder / "runs"), "--data.cache_dir", str(folder / "cache")),
    ]
    train.main([*common, "--name", "net", "--model.architecture", "resnet56"])
    train.main([*common, "--name", "forest", "--model.architecture", "random_forest"])
    runs = folder / "runs"
    attacked = [
        *("--budgets", "smoke", "--clips", "20", "--trainer.accelerator", "cpu", "--wandb.mode", "disabled"),
        *("--data.cache_dir", str(folder / "cache"), "--attacks", *ATTACKS),
    ]
    attack.main(["--checkpoints", str(runs / "net"), *attacked, "--save-adversarials"])
    transfer.main(["--checkpoints", str(runs / "net"), str(runs / "forest"), *attacked])
    report.main([str(runs), "--output", str(folder / "report")])
    return runs


def record_of(runs: Path) -> dict[str, Any]:
    """The numbers and the digests of a study, as plain values."""
    net = runs / "net"
    outcomes = pd.read_parquet(net / "attacks" / "outcomes.parquet").sort_values(
        ["fold", "attack", "budget_index", "clip"]
    )
    entries = {}
    for (fold, name, budget), rows in outcomes.groupby(["fold", "attack", "budget_index"]):
        entries[f"{fold} {name} {budget}"] = {
            "clips": len(rows),
            **{column: float(rows[column].sum()) for column in COLUMNS},
            **{column: _median(rows[column]) for column in DISTANCES},
        }
    (rows_file,) = net.glob("transfer/*/rows.parquet")
    judged = pd.read_parquet(rows_file)
    weights = {f"fold{fold}": _digest(*_weights(net / f"fold{fold}" / "best.ckpt")) for fold in (1, 2)}
    maps = [np.load(file) for file in sorted((net / "attacks" / "adversarials").rglob("*.npy"))]
    return {
        "accuracy": {
            name: [row["accuracy"] for row in json.loads((runs / name / "summary.json").read_text())["folds"]]
            for name in ("net", "forest")
        },
        "outcomes": entries,
        "transfer": {str(name): len(some) for name, some in judged.groupby("target_run")},
        "digests": {
            **weights,
            "adversarials": _digest(*maps),
            "outcomes": _digest(*(outcomes[name].to_numpy(np.float64) for name in (*COLUMNS, *DISTANCES))),
        },
    }


def _weights(checkpoint: Path) -> list[np.ndarray]:
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)["state_dict"]
    return [state[name].numpy() for name in sorted(state)]


def _digest(*arrays: np.ndarray) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]


def _median(values: "pd.Series[float]") -> float | None:
    finite = values[np.isfinite(values)]
    return float(finite.median()) if len(finite) else None


def main() -> None:
    """Write the record anew, or add one."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--add", action="store_true", help="keep the records of other kinds of processors")
    kept = json.loads(RECORD.read_text()) if parser.parse_args().add else []
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        record = {"machine": machine(), **record_of(run_study(Path(folder)))}
    records = [*(one for one in kept if one["machine"] != record["machine"]), record]
    RECORD.write_text(json.dumps(records, indent=1) + "\n")


if __name__ == "__main__":
    main()
