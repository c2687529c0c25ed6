"""Made-up runs in the files that train.py, attack.py and transfer.py write; every number follows from the rows."""

import json
import os
import shutil
import zlib
from pathlib import Path

import numpy as np
import pandas as pd

from attacks.budgets import read_profile
from metrics.attack_summary import THE_SIX, summarise
from metrics.transfer_summary import summarise_transfer
from storage import SCHEMA_VERSION, plain_numbers, write_json
from storage.rows import write_rows

CLASSES = 4
SEVEN = ("fgsm", "bim_a", "bim_b", "deepfool", "jsma", "cwa", "lbfgs")
RESIZED = {"resize": [128, 128], "align_corners": False, "resize_method": "bilinear"}
MFCC = {
    "class": "MFCC", "sample_rate": 8000, "n_mfcc": 20, "n_fft": 2048, "hop_length": 1024, "n_mels": 128,
    "dct_type": 2, "norm": "ortho", "lifter_scale": 0.0, "lifter_formula": "librosa", "decibel_reference": "unit",
    **RESIZED,
}  # fmt: skip
STFT = {"class": "STFT", "sample_rate": 22050, "n_fft": 1024, "win_length_ratio": 1.0, "hop_length": 512, **RESIZED}
DWT = {
    "class": "DWT", "sample_rate": 8000, "mother": "morlet", "frame_milliseconds": 50.0, "n_scales": 128,
    "magnitude": "log", **RESIZED,
}  # fmt: skip
PARAMETERS = {"resnet18": 11_175_370, "googlenet": 5_604_010, "alexnet": 57_029_322, "linear_svm": 0}


def test_part(corpus, fold, clips):
    """The tested clips of a fold, the same for every run: two thirds of the recordings give one clip, the rest two."""
    rows, source = [], 0
    while len(rows) < clips:
        for take in range(2 if source % 3 == 2 else 1):
            label = source % CLASSES
            recording = f"{corpus}{fold}{source:03d}"
            rows.append(
                {"name": f"{fold}-{recording}-{'AB'[take]}-{label}.wav", "recording": recording, "label": label}
            )
        source += 1
    table = pd.DataFrame(rows[:clips])
    return table.assign(clip=1000 * fold + np.arange(len(table)))


def write_run(
    runs,
    name,
    representation,
    *,
    corpus="ESC10",
    split="official",
    architecture="resnet18",
    augmentation="pitch_shift",
    seed=0,
    folds=(1, 2),
    clips=12,
    accuracy=0.8,
    strength=1.0,
    attacks=SEVEN,
    profile="smoke",
    **model,
):
    """Write a run with predictions and, unless ``attacks`` is empty, its attacks."""
    path = Path(runs) / name
    generator = np.random.default_rng(zlib.crc32(f"{corpus} {sorted(representation.items())} {name}".encode()))
    parts = []
    for fold in folds:
        # Official folds test different clips; with any other split all of them test the same ones.
        part = test_part(corpus, fold if split == "official" else 1, clips).assign(fold=fold)
        logits = generator.normal(size=(len(part), CLASSES)).astype(np.float32)
        right = generator.random(len(part)) < accuracy
        winner = np.where(right, part["label"], (part["label"] + 1) % CLASSES)
        logits[np.arange(len(part)), winner] += 6
        parts.append(part.assign(prediction=logits.argmax(1), logits_clean=list(logits)))
        (path / f"fold{fold}").mkdir(parents=True)
        columns = {"name": "clip", "recording": "recording", "label": "label", "prediction": "prediction"}
        table = parts[-1][list(columns)].rename(columns=columns)
        table.to_csv(path / f"fold{fold}" / "predictions.csv", index=False)
    tested = pd.concat(parts, ignore_index=True)
    tested["clean_correct"] = tested["label"] == tested["prediction"]
    accuracies = [float(part["clean_correct"].mean()) for _, part in tested.groupby("fold")]
    data = {"root": "DIR", "split": split, "augmentation": augmentation, "seed": seed, "fold": folds[0]}
    summary = {
        "schema_version": SCHEMA_VERSION,
        "corpus": corpus,
        "split": split,
        "representation": representation,
        "architecture": architecture,
        "accuracy_mean": float(np.mean(accuracies)),
        "accuracy_std": float(np.std(accuracies, ddof=1)) if len(accuracies) > 1 else None,
        "folds_finished": len(folds),
        "folds_in_all": len(folds),
        "folds": [
            {"fold": fold, "accuracy": value, "n_test": clips, "leakage": 0.0, "checkpoint": f"fold{fold}/best.ckpt",
             "epochs": 3, "seconds": 1.0, "parameters": PARAMETERS[architecture]}
            for fold, value in zip(folds, accuracies, strict=True)
        ],
        "leakage": 0.0,
        "n_test": tested["clip"].nunique(),
        "parameters": PARAMETERS[architecture],
        "seed": seed,
        "versions": {},
        "git_commit": None,
        "recipe": {
            "data": {"class_path": f"datamodules.{corpus}", "init_args": data},
            "model": {"architecture": architecture, "learning_rate": 0.002, "seed": seed} | model,
        },
    }  # fmt: skip
    write_json(path / "summary.json", summary)
    if attacks:
        write_attacks(path, summary, tested, generator, attacks, profile, strength)
    return path


def write_attacks(path, summary, tested, generator, attacks, profile, strength):
    """Attack outcomes of every clip that is right when clean, and the summary that metrics makes of them."""
    budgets = read_profile(profile)
    right = tested[tested["clean_correct"]]
    frames = []
    for attack in attacks:
        hardness = generator.normal(size=len(right))
        for number, settings in enumerate(budgets[attack]):
            frames.append(outcomes(right, attack, number, settings, hardness, generator, strength, summary))
    rows = pd.concat(frames, ignore_index=True)
    folder = path / "attacks"
    folder.mkdir()
    write_rows(folder / "outcomes.parquet", rows)
    write_rows(folder / "clips.parquet", tested)
    checks = [
        {"name": "confirmed", "kind": "hard", "passed": True, "fold": 1, "attack": "fgsm", "found": "same",
         "remedy": "-"},
        {"name": "zero_gradients", "kind": "soft", "passed": False, "fold": 1, "attack": "cwa",
         "found": "7 % of the gradients <are> zero", "remedy": "try loss='margin'"},
    ]  # fmt: skip
    common = {
        key: summary[key] for key in ("schema_version", "corpus", "split", "representation", "architecture", "seed")
    }
    content = {**common, "profile": profile, "clips": len(tested) // tested["fold"].nunique()}
    content |= {**summarise(rows, tested), "checks": checks, "recipe": summary["recipe"]}
    write_json(folder / "summary.json", plain_numbers(content))


def write_attacked_sounds(path, rows, clips=None):
    """Outcomes of attacks on the sounds of a run's attacked clips, none of which is silent, or of other clips."""
    folder = path / "attacks-sound"
    folder.mkdir()
    write_rows(folder / "outcomes.parquet", rows)
    clips = pd.read_parquet(path / "attacks" / "clips.parquet").assign(silent=False) if clips is None else clips
    write_rows(folder / "clips.parquet", clips)
    subsets = {str(fold): None for fold in clips["fold"].unique()}
    write_json(folder / "settings.json", {"common": {"clips": None}, "subsets": subsets})


def outcomes(right, attack, number, settings, hardness, generator, strength, summary):
    """One row a clip: the larger the budget and the softer the clip, the further the true logit falls."""
    logits = np.stack(right["logits_clean"].to_list()).copy()
    label = right["label"].to_numpy()
    target = (label + 1 + generator.integers(0, CLASSES - 1, len(right))) % CLASSES
    push = strength * (3.0 + 3.0 * number) + 2.5 * hardness
    places = np.arange(len(right))
    logits[places, target] += np.maximum(push, 0).astype(np.float32)
    prediction = logits.argmax(1)
    shifted = np.exp(logits - logits.max(1, keepdims=True))
    confident = (shifted / shifted.sum(1, keepdims=True)).max(1) >= 0.65
    success = prediction != label
    # As the attacks themselves: FGSM costs one, BIM-b its steps at every delta, CWA its iterations.
    price = {
        "fgsm": 1,
        "bim_a": 5 * (number + 1),
        "bim_b": settings.get("steps"),
        "deepfool": 40 * (number + 1),
        "jsma": 60 * (number + 1),
        "cwa": settings.get("search_steps", 1) * settings.get("iterations", 1),
        "lbfgs": 90 * (number + 1),
    }[attack]
    more = 0 if attack in ("fgsm", "bim_b") else generator.integers(0, 4, len(right))
    gradients = np.full(len(right), price) + more
    size = settings.get("delta", 0.01 * (number + 1))
    frame = right[["fold", "clip", "name", "recording", "label", "logits_clean"]].copy()
    frame = frame.assign(
        corpus=summary["corpus"],
        seed=summary["seed"],
        attack=attack,
        budget_index=number,
        budget=json.dumps(settings, sort_keys=True),
        target_label=target,
        prediction=prediction,
        logits_adversarial=list(logits),
        success=success.astype(float),
        success_65=(success & confident).astype(float),
        success_8bit=success.astype(float),
        target_hit=(prediction == target).astype(float),
        iterations=gradients.astype(float),
        forward_rows=gradients.astype(float),
        gradients=gradients.astype(float),
        full_jacobian_gradients=gradients * 2.0,
        zero_gradients=0.0,
        l2=size * 30.0,
        linf=size,
        l0=500.0,
        snr_db=20.0 - 3.0 * number,
        reporting_batch=0,
        seconds=0.01,
        noise_success=0.0,
        confirmed=True,
        in_bounds=True,
        hook_agrees=True,
    )
    # As in attack.py, a parameter that has the name of a count takes its column.
    return frame.assign(**settings)


def write_transfer(runs, source, targets, ratios, *, profile="smoke", attacks=THE_SIX):
    """Write ``transfer/pairs/`` of a run: each target is fooled by about this share of what fools the source."""
    path = Path(runs) / source
    summary = json.loads((path / "summary.json").read_text())
    outcomes = pd.read_parquet(path / "attacks" / "outcomes.parquet")
    outcomes = outcomes[outcomes["attack"].isin(attacks)]
    frames = []
    for (target, architecture), ratio in zip(targets.items(), ratios, strict=True):
        tables = [pd.read_csv(file) for file in sorted((Path(runs) / target).glob("fold*/predictions.csv"))]
        answers = pd.concat(tables).set_index("clip")
        right = (answers["label"] == answers["prediction"]).loc[outcomes["name"]].to_numpy()
        generator = np.random.default_rng(zlib.crc32(f"{source} {target}".encode()))
        carried = generator.random(len(outcomes)) < ratio
        fools = (outcomes["success"] > 0).to_numpy()
        frame = outcomes[
            ["fold", "attack", "budget_index", "budget", "clip", "recording", "label", "target_label"]
        ].assign(
            target_run=target,
            target_architecture=architecture,
            clean_correct_source=True,
            clean_correct_target=right,
            source_success=fools,
            target_success=fools if target == source else carried & fools,
            source_reached_target_label=False,
            target_reached_target_label=False,
            target_logits_clean=None,
            target_logits_adversarial=None,
        )
        frames.append(frame)
    rows = pd.concat(frames, ignore_index=True)
    folder = path / "transfer" / "pairs"
    folder.mkdir(parents=True)
    write_rows(folder / "rows.parquet", rows)
    content = {key: summary[key] for key in ("schema_version", "corpus", "split", "representation", "seed")}
    content |= {"source_run": source, "source_architecture": summary["architecture"], "profile": profile}
    write_json(folder / "summary.json", plain_numbers(content | {"rows": summarise_transfer(rows)}))


def clone_run(source, target, *, seed=None, corpus=None, representation=None):
    """Copy a run under other settings; its rows stay, only what the summaries say of it changes."""
    shutil.copytree(source, target, copy_function=os.link)
    for file in (target / "summary.json", target / "attacks" / "summary.json"):
        content = json.loads(file.read_text())
        content["seed"] = content["seed"] if seed is None else seed
        content["corpus"] = corpus or content["corpus"]
        content["representation"] = representation or content["representation"]
        write_json(file, content)
