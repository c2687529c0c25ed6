"""The whole chain from sound files to summaries, every stage recomputed by independent code from files alone.

Nothing of the project but its commands is used, which write the files: the recomputations are in ``sound_recomputed``
and ``summary_recomputed``.
"""

import json
import math

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
from corpus_fixtures import ESC_CATEGORIES, write_sound, write_table
from recomputed import area
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, recall_score
from sound_recomputed import SIZE, logits_of, mfcc_map, stft_map, target_of, waveform_of
from summary_recomputed import SIX, attack_summary, transfer_cells

import attack
import train
import transfer

# Three trainings and two commands of attacks: half a minute.
pytestmark = pytest.mark.slow

# In the middle of rows of a map: the bilinear map has nothing of what lies between its rows.
TONES_HZ = (np.array([3, 6, 9, 13]) + 0.5) * 513 / SIZE * 8000 / 1024
CLIPS = (28, 8, 104, 12, 12)
"""Clips of each official fold: the third one fills a reporting batch and begins another."""
BUDGETS = """
fgsm: {delta: [0.02, 0.3]}
bim_a: {delta: [0.02, 0.3], steps: 5}
bim_b: {delta: [0.02, 0.3], steps: 5}
deepfool: {iterations: [1, 6]}
jsma: {iterations: [4, 12]}
cwa: {search_steps: [1, 2], iterations: 6}
"""
RUNS = {"stft-crnn": ("STFT", "crnn"), "stft-sb-cnn": ("STFT", "sb_cnn"), "mfcc-crnn": ("MFCC", "crnn")}
FOLDS = {"stft-crnn": (1, 2), "stft-sb-cnn": (1, 2), "mfcc-crnn": (2, 3)}
EPOCHS = {"stft-crnn": 2, "stft-sb-cnn": 3, "mfcc-crnn": 3}
MAPS = {"STFT": stft_map, "MFCC": mfcc_map}
CLOSE = 1e-4
"""Logits of a map that was computed anew: maps differ by 1e-5."""
SAME_MAP = 1e-5
"""Logits of a stored map: a float32 network of a few layers, against float64."""


def write_corpus(root):
    """Tones of four classes in files of several kinds; every eighth clip sounds like another class."""
    rows = []
    for fold, count in enumerate(CLIPS, start=1):
        for k in range(count):
            label, number = k % 4, len(rows)
            # Recordings of one to three clips.
            recording = 1000 * fold + 10 * (k // 4 // (1 + label % 3)) + label
            name = f"{fold}-{recording}-{k}-{10 * label}.wav"
            tone = TONES_HZ[(label + (k % 8 == 5)) % 4]
            path, settings = root / "audio" / name, {"seconds": 2 + k % 3, "seed": number, "tone_hz": tone}
            if k % 16 == 3:
                write_sound(path, **settings, sample_rate=11025, channels=2, subtype="PCM_24")
            elif k % 16 == 6:
                write_sound(path, **{**settings, "seconds": 6})
            elif k % 16 == 9:
                soundfile.write(path, 3 * write_sound(path, **settings), 8000, subtype="FLOAT")
            else:
                write_sound(path, **settings)
            row = {"filename": name, "fold": fold, "target": 10 * label, "category": ESC_CATEGORIES[label]}
            rows.append(row | {"esc10": True, "src_file": recording, "take": "A"})
    write_table(root / "meta" / "esc50.csv", rows[0], rows)


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    """A folder with three trained runs, all attacked, two of which judged each other."""
    folder = tmp_path_factory.mktemp("chain")
    write_corpus(folder / "corpus")
    (folder / "budgets.yaml").write_text(BUDGETS)
    common = ["--wandb.mode", "disabled", "--trainer.accelerator", "cpu"]
    for name, (representation, architecture) in RUNS.items():
        train.main(
            [
                *("--data", "ESC50", "--data.representation", representation, "--data.split", "official"),
                *("--data.representation.sample_rate", "8000", "--data.representation.resize", str(SIZE)),
                *("--data.augmentation", "none", "--data.batch_size", "4", "--name", name),
                *("--data.root", str(folder / "corpus"), "--data.cache_dir", str(folder / "cache")),
                *("--model.architecture", architecture, "--model.schedule", "constant", "--model.mixup", "0"),
                *("--model.time_roll", "false", "--trainer.max_epochs", str(EPOCHS[name])),
                *("--folds", ",".join(map(str, FOLDS[name]))),
                *("--model.learning_rate", "0.003", "--runs_dir", str(folder / "runs"), *common),
            ]
        )
    first, second, other = (str(folder / "runs" / name) for name in RUNS)
    common += ["--budgets", str(folder / "budgets.yaml"), "--data.batch_size", "64", "--attacks"]
    transfer.main(["--checkpoints", first, second, *common, *SIX])
    attack.main(["--checkpoints", other, "--folds", "3", "--save-adversarials", *common, "fgsm", "bim_b", "deepfool"])
    return folder


@pytest.fixture(scope="module")
def corpus(chain):
    """The metadata table with the classes as numbers, and every waveform by file name."""
    table = pd.read_csv(chain / "corpus" / "meta" / "esc50.csv")
    table["label"] = np.unique(table["target"], return_inverse=True)[1]
    return table, {name: waveform_of(chain / "corpus" / "audio" / name) for name in table["filename"]}


@pytest.fixture(scope="module")
def clean(chain, corpus):
    """Maps and logits of the test clips of each run and fold, from sound files and weights."""
    table, waveforms = corpus
    known = {}
    for name, (representation, _) in RUNS.items():
        for fold in FOLDS[name]:
            tested = table[table["fold"] == fold]
            maps = np.stack([MAPS[representation](waveforms[clip]) for clip in tested["filename"]])
            logits = judged(chain, name, fold, maps[:, None])
            known[name, fold] = dict(zip(tested.index, zip(maps, logits, strict=True), strict=True))
    return known


def judged(chain, run, fold, maps):
    """Logits of one fold's weights, float64."""
    weights = torch.load(chain / "runs" / run / f"fold{fold}" / "best.ckpt", weights_only=True)["state_dict"]
    return logits_of(RUNS[run][1], weights, torch.as_tensor(maps)).numpy()


def clear(logits, lead=CLOSE):
    """Rows whose largest logit leads by more than rounding, so that float32 and float64 give the same answer."""
    top = np.sort(logits, axis=1)
    return top[:, -1] - top[:, -2] > lead


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def require_same(found, expected, place=""):
    """Every entry of what a summary says and of what it has to say, numbers to 1e-6."""
    if isinstance(expected, dict):
        assert isinstance(found, dict), place
        assert found.keys() == expected.keys(), (place, found.keys() ^ expected.keys())
        for name, value in expected.items():
            require_same(found[name], value, f"{place}.{name}")
    elif isinstance(expected, float | np.floating) and not math.isfinite(expected):
        assert found == (None if math.isnan(expected) else "inf"), place
    elif isinstance(expected, bool | str | list | None):
        assert found == expected, place
    else:
        assert found == pytest.approx(expected, rel=1e-6, abs=1e-6), place


def stored(chain, run):
    """An attack's summary, rows and clips."""
    folder = chain / "runs" / run / "attacks"
    rows, clips = (pd.read_parquet(folder / f"{name}.parquet") for name in ("outcomes", "clips"))
    return json.loads((folder / "summary.json").read_text()), rows, clips


@pytest.mark.parametrize("run", RUNS)
def test_parts_predictions_and_the_scores_of_training(chain, corpus, clean, run):
    table, _ = corpus
    summary = json.loads((chain / "runs" / run / "summary.json").read_text())
    scores = []
    for record in summary["folds"]:
        fold, folder = record["fold"], chain / "runs" / run / f"fold{record['fold']}"
        split = pd.read_csv(folder / "split.csv")
        parts = table["fold"].map({fold: "test", fold % 5 + 1: "validation"}).fillna("train")
        assert split["clip"].tolist() == table["filename"].tolist()
        assert split["recording"].tolist() == table["src_file"].tolist()
        assert split["label"].tolist() == table["label"].tolist()
        assert split["class_name"].tolist() == table["category"].tolist()
        assert split["part"].tolist() == parts.tolist()
        predictions = pd.read_csv(folder / "predictions.csv")
        logits = np.stack([logits for _, logits in clean[run, fold].values()])
        sure = clear(logits)
        assert sure.mean() > 0.95
        assert predictions["clip"].tolist() == table.loc[table["fold"] == fold, "filename"].tolist()
        assert (predictions["prediction"].to_numpy() == logits.argmax(axis=1))[sure].all()
        truth, said = predictions["label"], predictions["prediction"]
        learned = set(table.loc[table["fold"] != fold, "src_file"])
        expected = {
            "accuracy": accuracy_score(truth, said),
            "balanced_accuracy": balanced_accuracy_score(truth, said),
            "macro_f1": f1_score(truth, said, average="macro", zero_division=0),
            "leakage": predictions["recording"].isin(learned).mean(),
            **{f"n_{part}": (parts == part).sum() for part in ("train", "validation", "test")},
        }
        require_same({name: record[name] for name in expected}, expected)
        recall = recall_score(truth, said, average=None)
        assert list(record["recall"].values()) == pytest.approx(recall)
        assert list(record["recall"]) == summary["class_names"]
        scores.append((*list(expected.values())[:3], *recall))
        weights = torch.load(folder / "best.ckpt", weights_only=True)["state_dict"]
        learned_numbers = [v.numel() for k, v in weights.items() if not k.endswith(("_mean", "_var", "_tracked"))]
        assert record["parameters"] == summary["parameters"] == sum(learned_numbers)
    means = np.mean(scores, axis=0)
    found = [summary[f"{name}_mean"] for name in ("accuracy", "balanced_accuracy", "macro_f1")]
    assert [*found, *summary["recall_mean"].values()] == pytest.approx(means)
    assert summary["accuracy_std"] == pytest.approx(np.std([score[0] for score in scores], ddof=1))
    assert list(summary["recall_mean"]) == summary["class_names"] == list(ESC_CATEGORIES[:4])
    assert (summary["n_test"], summary["num_classes"]) == (sum(CLIPS[fold - 1] for fold in FOLDS[run]), 4)
    # Something is learned and something is not, or the rest would show little.
    assert 0.3 < summary["accuracy_mean"] < 1


@pytest.mark.parametrize("run", RUNS)
def test_clean_maps_and_logits(chain, corpus, clean, run):
    table, _ = corpus
    summary, rows, clips = stored(chain, run)
    for fold, tested in clips.groupby("fold"):
        known = clean[run, fold]
        tested = tested.sort_values("clip")
        assert tested["clip"].tolist() == list(known)
        assert tested["name"].tolist() == table.loc[tested["clip"], "filename"].tolist()
        assert tested["recording"].astype(int).tolist() == table.loc[tested["clip"], "src_file"].tolist()
        assert tested["label"].tolist() == table.loc[tested["clip"], "label"].tolist()
        logits = np.stack([logits for _, logits in known.values()])
        np.testing.assert_allclose(np.stack(tested["logits_clean"].to_list()), logits, atol=CLOSE)
        right = logits.argmax(axis=1) == tested["label"]
        assert (right == tested["clean_correct"])[clear(logits)].all()
        # What training said of the same clips.
        predictions = pd.read_csv(chain / "runs" / run / f"fold{fold}" / "predictions.csv").set_index("clip")
        assert predictions.loc[tested["name"], "prediction"].tolist() == tested["prediction"].tolist()
        for clip in rows.loc[rows["fold"] == fold, "clip"].unique():
            map_file = chain / "runs" / run / "attacks" / "adversarials" / f"fold{fold}" / "clean" / f"{clip}.npy"
            # In float32 the quietest cells, 70 to 80 dB down, are off by some thousandths of a decibel.
            difference = np.abs(np.load(map_file)[0, 0] - known[clip][0])
            assert difference.max() < 5e-5
            assert difference.mean() < 1e-6
    trained = json.loads((chain / "runs" / run / "summary.json").read_text())
    for entry in summary["folds"]:
        (of_training,) = (record for record in trained["folds"] if record["fold"] == entry["fold"])
        assert (entry["accuracy"], entry["n_test"]) == (of_training["accuracy"], of_training["n_test"])


@pytest.mark.parametrize("run", RUNS)
def test_what_stored_adversarials_do(chain, clean, run):
    _, rows, _ = stored(chain, run)
    for (fold, name), some in rows.groupby(["fold", "attack"]):
        some = some.sort_values(["clip", "budget_index"])
        folder = chain / "runs" / run / "attacks" / "adversarials" / f"fold{fold}"
        clips = some["clip"].unique()
        stacks = [np.load(folder / name / f"{clip}.npy") for clip in clips]
        attacked = np.concatenate(stacks).astype(float)
        before = np.concatenate([np.load(folder / "clean" / f"{clip}.npy").repeat(len(stacks[0]), 0) for clip in clips])
        assert attacked.min() >= 0
        assert attacked.max() <= 1
        label, answers = some["label"].to_numpy(), judged(chain, run, fold, attacked)
        np.testing.assert_allclose(np.stack(some["logits_adversarial"].to_list()), answers, atol=SAME_MAP)
        clean_answers = np.stack([clean[run, fold][clip][1] for clip in some["clip"]])
        np.testing.assert_allclose(np.stack(some["logits_clean"].to_list()), clean_answers, atol=CLOSE)
        share = softmax(answers).max(axis=1)
        rounded = judged(chain, run, fold, np.round(attacked * 255) / 255)
        targeted = name in ("fgsm", "jsma", "cwa")
        target = [target_of(clip, own, 4, 0) if targeted else -1 for clip, own in zip(some["clip"], label, strict=True)]
        assert some["target_label"].tolist() == target
        fooled = answers.argmax(axis=1) != label
        judgements = {
            "success": (fooled, clear(answers, SAME_MAP)),
            "success_65": (fooled & (share >= 0.65), clear(answers, SAME_MAP) & (np.abs(share - 0.65) > SAME_MAP)),
            "success_8bit": (
                fooled & (rounded.argmax(axis=1) != label),
                clear(answers, SAME_MAP) & clear(rounded, SAME_MAP),
            ),
            "target_hit": (answers.argmax(axis=1) == target, clear(answers, SAME_MAP)),
        }
        for column, (expected, sure) in judgements.items():
            assert sure.mean() > 0.9, (name, column)
            assert (some[column].to_numpy() == expected)[sure].all(), (name, column)
        moved = (attacked - before).reshape(len(some), -1)
        sizes = {"l2": np.sqrt((moved**2).sum(1)), "linf": np.abs(moved).max(1), "l0": (np.abs(moved) > 1e-6).sum(1)}
        with np.errstate(divide="ignore"):
            sizes["snr_db"] = 10 * np.log10(
                (before.reshape(len(some), -1).astype(float) ** 2).sum(1) / sizes["l2"] ** 2
            )
        for column, expected in sizes.items():
            np.testing.assert_allclose(some[column], expected, rtol=1e-5, atol=1e-9, err_msg=f"{name} {column}")
        settings = [json.loads(text) for text in some["budget"]]
        if "delta" in settings[0]:
            assert (some["linf"] <= [one["delta"] + 1e-6 for one in settings]).all()
        # Reporting batches are a hundred consecutive test clips; an iteration of DeepFool takes a row a wrong class.
        assert (some["reporting_batch"] == (some["clip"] - min(clean[run, fold])) // 100).all()
        rows_a_step = {"deepfool": 3, "jsma": 2}.get(name, 1)
        assert (some["gradients"] == rows_a_step * some["iterations"]).all(), name
    assert rows["reporting_batch"].nunique() == (2 if run == "mfcc-crnn" else 1)


@pytest.mark.parametrize("run", RUNS)
def test_every_number_of_an_attack_summary(chain, run):
    summary, rows, clips = stored(chain, run)
    expected = attack_summary(rows, clips)
    for name in ("n_test", "n", "recordings", "accuracy_on_attacked"):
        require_same(summary[name], expected[name], name)
    for found, entry in zip(summary["folds"], expected["folds"], strict=True):
        require_same(found, entry, "folds")
    for name, key in (("budgets", ("fold", "attack", "budget_index")), ("attacks", ("fold", "attack"))):
        assert len(summary[name]) == len(expected[name])
        for found in summary[name]:
            require_same(found, expected[name][tuple(found[part] for part in key)], f"{name} {found['attack']}")
    require_same(summary["means"], expected["means"], "means")
    require_same(summary["six"], expected["six"], "six")
    for entry in summary["budgets"]:
        some = rows[(rows["fold"] == entry["fold"]) & (rows["attack"] == entry["attack"])]
        some = some[some["budget_index"] == entry["budget_index"]]
        assert entry["auc"] == pytest.approx(area(some), abs=1e-9)
    assert all(check["passed"] for check in summary["checks"] if check["kind"] == "hard")


@pytest.mark.parametrize("run", list(RUNS)[:2])
def test_every_number_of_a_transfer_summary(chain, clean, run):
    folder = chain / "runs" / run / "transfer" / "budgets"
    summary, rows = json.loads((folder / "summary.json").read_text()), pd.read_parquet(folder / "rows.parquet")
    _, outcomes, clips = stored(chain, run)
    outcomes = outcomes.set_index(["fold", "attack", "budget_index", "clip"])
    assert set(rows["target_run"]) == set(list(RUNS)[:2])
    for (judge, fold, name), some in rows.groupby(["target_run", "fold", "attack"]):
        some = some.sort_values(["clip", "budget_index"])
        maps = chain / "runs" / run / "attacks" / "adversarials" / f"fold{fold}" / name
        answers = judged(
            chain, judge, fold, np.concatenate([np.load(maps / f"{c}.npy") for c in some["clip"].unique()])
        )
        sure, said, label = clear(answers, SAME_MAP), answers.argmax(axis=1), some["label"].to_numpy()
        np.testing.assert_allclose(np.stack(some["target_logits_adversarial"].to_list()), answers, atol=SAME_MAP)
        before = np.stack([clean[judge, fold][clip][1] for clip in some["clip"]])
        np.testing.assert_allclose(np.stack(some["target_logits_clean"].to_list()), before, atol=CLOSE)
        assert (some["clean_correct_target"].to_numpy() == (before.argmax(1) == label))[clear(before)].all()
        assert (some["target_success"].to_numpy() == (said != label))[sure].all()
        assert (some["target_reached_target_label"].to_numpy() == (said == some["target_label"].to_numpy()))[sure].all()
        own = outcomes.loc[
            [(fold, name, budget, clip) for budget, clip in zip(some["budget_index"], some["clip"], strict=True)]
        ]
        assert some["clean_correct_source"].all()
        assert (some["source_success"].to_numpy() == (own["success"] == 1)).all()
        assert (some["source_reached_target_label"].to_numpy() == (own["target_hit"] == 1)).all()
    expected = transfer_cells(rows, attack_summary(outcomes.reset_index(), clips))
    assert len(summary["rows"]) == len(expected) == 2 * 3 * 7
    # Cells with an interval and cells of too few recordings.
    assert {cell["interval_method"] for cell in summary["rows"]} == {"mid_p", "fewer than 10 recordings"}
    for found in summary["rows"]:
        place = {name: found.pop(name) for name in ("target_run", "fold", "attack")}
        assert found.pop("target_architecture") == RUNS[place["target_run"]][1]
        require_same(found, expected[tuple(place.values())], str(place))
