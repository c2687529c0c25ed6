"""Attacks of other libraries on sounds, attack.py end to end: every adversarial is as quiet as its bound asks."""

import json
from importlib.metadata import version

import numpy as np
import pandas as pd
import pytest

import attack
from storage.adversarial_sounds import AdversarialSounds
from tests.trained_run_fixture import write_trained_run

BUDGETS = {
    "sound": "fgsm: {snr_db: [40, 10]}\nadv_lib.pgd_linf: {snr_db: [40, 10], steps: 3}\n",
    "map": "fgsm: {delta: [0.01]}\n",
}
PGD = "class_path: torchattacks.PGD\ninit_args: {steps: 3}\nbudgets: "


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run on maps of the embedded corpus."""
    return write_trained_run(tmp_path_factory.mktemp("embedded"), "tones", embedded=True, folds="1")


def attacked(run, space, *attacks):
    """Attack a few clips in a space, and return its summary and rows."""
    folder = run.parent.parent
    (folder / f"{space}.yaml").write_text(BUDGETS[space])
    summary = attack.main(
        [
            *("--checkpoints", str(run), "--space", space, "--budgets", str(folder / f"{space}.yaml")),
            *("--attacks", *attacks, "--clips", "10", "--save-adversarials", "--wandb.mode", "disabled"),
            *("--data.cache_dir", str(folder / "cache"), "--trainer.accelerator", "cpu"),
        ]
    )["tones"]
    return summary, pd.read_parquet(run / ("attacks" if space == "map" else "attacks-sound") / "outcomes.parquet")


def check_bounds(run, rows, norm):
    """Rows and kept sounds are within their bounds, and some sounds fool."""
    sounds = AdversarialSounds(run / "attacks-sound")
    assert len(rows) > 0
    for row in rows.itertuples():
        bound = json.loads(row.budget)["snr_db"]
        assert row.snr_db >= bound - 0.01
        clean, made = (
            sounds.read(1, name, index, row.clip, row.name)[0].astype(float)
            for name, index in (("clean", None), (row.attack, row.budget_index))
        )
        change = made - clean
        radius = np.linalg.norm(clean) * 10 ** (-bound / 20)
        # Both sounds are rounded to 16 bits, by at most half a step of 2^-15, or a whole one at +1.
        slack = 2**-14 + 1e-3 * radius / len(clean) ** 0.5
        if norm == "linf":
            assert np.abs(change).max() <= radius / len(clean) ** 0.5 + slack
        assert np.linalg.norm(change) <= radius + slack * len(clean) ** 0.5
    # The bound is used, too; what adv-lib does not fool it leaves as it is.
    fools = rows[(rows["budget_index"] == 1) & (rows["success"] > 0)]
    assert len(fools) > 0
    assert (fools["snr_db"] < 20).all()


def test_attacks_of_torchattacks_keep_their_bound_in_sound_and_apart_from_maps(run, tmp_path):
    for space, budgets in (("map", "{eps: [0.01, 0.1]}"), ("sound", "{snr_db: [40, 10]}")):
        (tmp_path / space).mkdir()
        (tmp_path / space / "pgd.yaml").write_text(PGD + budgets + "\n")
    summary, maps = attacked(run, "map", str(tmp_path / "map" / "pgd.yaml"))
    assert summary["means"]["pgd"]["folds"] == 1
    before = (run / "attacks" / "outcomes.parquet").read_bytes()
    summary, rows = attacked(run, "sound", str(tmp_path / "sound" / "pgd.yaml"), "torchattacks.PGDL2")
    assert summary["space"] == "sound"
    assert all(check["passed"] for check in summary["checks"] if check["kind"] == "hard")
    rows = rows[~rows["attack"].str.startswith("check")]
    assert set(rows["attack"]) == {"pgd", "torchattacks.PGDL2"}
    assert (rows[rows["attack"] == "pgd"]["gradients"] == 3).all()
    check_bounds(run, rows[rows["attack"] == "pgd"], "linf")
    check_bounds(run, rows[rows["attack"] == "torchattacks.PGDL2"], "l2")
    # Neither space has the rows, budgets or columns of the other.
    assert (run / "attacks" / "outcomes.parquet").read_bytes() == before
    budgets = {
        name: {tuple(json.loads(one)) for one in some["budget"]} for name, some in (("map", maps), ("sound", rows))
    }
    assert budgets == {"map": {("delta",)}, "sound": {("snr_db",), ("snr_db", "steps")}}
    rounded = [{"success_8bit", "success_16bit"} & set(some) for some in (maps, rows)]
    assert rounded == [{"success_8bit"}, {"success_16bit"}]


def test_an_attack_of_adv_lib_keeps_its_bound_in_sound(run):
    pytest.importorskip("adv_lib.attacks")
    summary, rows = attacked(run, "sound", "adv_lib.pgd_linf")
    rows = rows[rows["attack"] == "adv_lib.pgd_linf"]
    assert (rows["gradients"] == 3).all()
    check_bounds(run, rows, "linf")
    assert summary["made_by"]["adv_lib.pgd_linf"][0]["versions"]["adv-lib"] == version("adv-lib")
