"""Outcomes of attacks that nobody ran: nested budgets, several folds, recordings of unequal size, targets or none."""

import json

import numpy as np
import pandas as pd

from metrics.attack_summary import THE_SIX

TARGETED = ("fgsm", "jsma", "cwa")


def attacked_folds(seed, *, folds=2, clips=24, classes=4, budgets=3, attacks=THE_SIX):
    """Rows of attacks and the tested clips; a larger budget never fools fewer clips."""
    random = np.random.default_rng(seed)
    rows, tested = [], []
    for fold in range(1, folds + 1):
        numbers = 1000 * fold + np.arange(clips)
        recordings = [f"{fold}-{k}" for k in random.integers(0, clips, clips)]
        clean = random.normal(size=(clips, classes))
        label = random.integers(0, classes, clips)
        right = random.random(clips) < 0.8
        right[:2] = True
        clean[np.arange(clips), np.where(right, label, (label + 1) % classes)] += 5
        tested.append(pd.DataFrame({"fold": fold, "clip": numbers, "recording": recordings, "label": label}))
        tested[-1]["clean_correct"] = clean.argmax(1) == label
        for attack in attacks:
            push = random.exponential(3, clips)
            for k in np.flatnonzero(tested[-1]["clean_correct"]):
                target = (label[k] + 1 + k % (classes - 1)) % classes
                for budget in range(budgets):
                    logits = clean[k].copy()
                    logits[target] += push[k] * 2.0**budget
                    settings = {"delta": 0.01 * 10**budget, "steps": 10}
                    fooled, hit = logits.argmax() != label[k], logits.argmax() == target
                    size = float(random.uniform())
                    rows.append(
                        {
                            **{"fold": fold, "attack": attack, "budget_index": budget, "budget": json.dumps(settings)},
                            **{"clip": numbers[k], "recording": recordings[k], "label": label[k]},
                            **{"target_label": target if attack in TARGETED else -1, "prediction": logits.argmax()},
                            **{"logits_clean": clean[k].astype(np.float32), "success": float(fooled)},
                            **{
                                "logits_adversarial": logits.astype(np.float32),
                                "success_65": float(fooled and size > 0.5),
                            },
                            **{"success_8bit": float(fooled and size > 0.2)},
                            **{"target_hit": float(hit) if attack in TARGETED else 0.0, "iterations": 10.0},
                            **{"forward_rows": 11.0, "gradients": float(random.integers(5, 11) * (budget + 1))},
                            **{"full_jacobian_gradients": 40.0, "zero_gradients": float(random.integers(0, 3))},
                            **{"l2": size, "linf": size / 2, "l0": 16.0, "snr_db": 30 - size, "seconds": 0.5},
                            **{"reporting_batch": k // 10, "noise_success": 0.0, "confirmed": True},
                            **{"in_bounds": True, "hook_agrees": True},
                        }
                    )
    return pd.DataFrame(rows), pd.concat(tested, ignore_index=True)


def judged_by(rows, targets, seed=0):
    """Rows of a transfer: the source itself, and targets that are fooled by a part of what fools it."""
    random = np.random.default_rng(seed)
    frames = []
    for name in targets:
        itself = name == "itself"
        frame = rows[["fold", "attack", "budget_index", "budget", "clip", "recording", "label", "target_label"]].assign(
            target_run=name,
            target_architecture=name,
            clean_correct_source=True,
            clean_correct_target=True if itself else random.random(len(rows)) < 0.9,
            source_success=rows["success"] > 0,
            target_success=(rows["success"] > 0) & (itself | (random.random(len(rows)) < 0.5)),
            source_reached_target_label=rows["target_hit"] > 0,
            target_reached_target_label=(rows["target_hit"] > 0) & itself,
            target_logits_clean=rows["logits_clean"],
            target_logits_adversarial=rows["logits_adversarial"],
        )
        if not itself:
            # Whether a clip is known does not depend on the attack.
            known = {clip: random.random() < 0.9 for clip in rows["clip"].unique()}
            frame["clean_correct_target"] = frame["clip"].map(known)
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)
