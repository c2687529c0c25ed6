"""round_trip.py and fragility.py: stored maps as sounds, judged again, and what a stopped command leaves."""

import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch

import attack
import fragility
import round_trip
import scalar_test
from commands import fragility_run, round_trip_run, stored_adversarials
from commands.errors import UsageError
from datamodules.disturbances import Disturbance, disturbances
from lightning_modules.trained_classifier import load_classifier
from metrics.fragility import summarise_fragility
from metrics.survival import median_among, share_among
from reporting.runs import read_run
from reporting.tables.sound import fragility_table
from representations import STFT
from storage import DataError
from storage.adversarial_sounds import AdversarialSounds
from storage.attack_store import AttackStore
from storage.columns import differing_columns
from storage.folder_lock import alone_in
from storage.row_store import RowStore
from storage.tables import FragilityRow, RoundTripRow, ScalarRow
from tests.trained_run_fixture import write_trained_run

BUDGETS = "fgsm: {delta: [0.02, 0.2]}\nbim_b: {delta: [0.1], steps: 3}\n"


@pytest.fixture(scope="module")
def attacked(tmp_path_factory):
    """Two folds of a ConvNet on maps of tones, attacked, with every map kept."""
    folder = tmp_path_factory.mktemp("round trip")
    run = write_trained_run(folder, "tones")
    (folder / "budgets.yaml").write_text(BUDGETS)
    attack.main(
        [
            *("--checkpoints", str(run), "--attacks", "fgsm", "bim_b", "--budgets", str(folder / "budgets.yaml")),
            *("--save-adversarials", "--clips", "12", "--wandb.mode", "disabled", "--trainer.accelerator", "cpu"),
            *("--data.cache_dir", str(folder / "cache")),
        ]
    )
    return run


def flags(run, *more):
    return ["--checkpoints", str(run), "--data.cache_dir", str(run.parent.parent / "cache"), "--device", "cpu", *more]


@pytest.fixture(scope="module")
def tripped(attacked):
    summary = round_trip.main(flags(attacked, "--sounds", "wav"))["tones"]
    return summary, pd.read_parquet(attacked / "round-trip" / "rows.parquet")


@pytest.fixture(scope="module")
def disturbed(attacked):
    more = ("--transforms", "gain", "noise", "bits", "shift", "--attacks", "bim_b", "--folds", "1")
    summary = fragility.main(flags(attacked, *more))["tones"]
    return summary, pd.read_parquet(attacked / "fragility" / "rows.parquet")


@pytest.fixture
def copied(attacked, tmp_path):
    """The attacked run without what the commands here make of it."""
    run = tmp_path / "runs" / "tones"
    shutil.copytree(attacked, run, ignore=shutil.ignore_patterns("round-trip*", "fragility*"))
    (tmp_path / "cache").symlink_to(attacked.parent.parent / "cache")
    return run


def test_every_row_is_what_the_parts_compute(attacked, tripped):
    _, rows = tripped
    outcomes = pd.read_parquet(attacked / "attacks" / "outcomes.parquet")
    asked = outcomes[~outcomes["attack"].str.startswith("check_")]
    assert len(rows) == len(asked)
    assert differing_columns(RoundTripRow, list(rows)) == []
    assert rows["label_name"].notna().all()
    for _, row in rows.groupby(["fold", "attack"]).head(2).iterrows():
        trained = load_classifier(attacked / f"fold{row['fold']}" / "best.ckpt")
        data = trained.data(cache_dir=str(attacked.parent.parent / "cache"))
        sound = torch.from_numpy(data.waveforms.read(row["clip"], 0))[None, None]
        folder = attacked / "attacks" / "adversarials" / f"fold{row['fold']}"
        adversarial = torch.from_numpy(np.load(folder / row["attack"] / f"{row['clip']}.npy"))[row["budget_index"]][
            None
        ]
        clean = torch.from_numpy(np.load(folder / "clean" / f"{row['clip']}.npy"))
        made = data.representation.inverse(sound, adversarial, clean)
        shown = data.representation(made)
        logits = trained.model(shown)[0]
        np.testing.assert_allclose(row["sound_logits"], logits.detach().numpy(), atol=1e-3)
        assert row["sound_prediction"] == logits.argmax()
        assert row["sound_success"] == (logits.argmax() != row["label"])
        ratio = 10 * ((sound.double() ** 2).sum() / ((made - sound).double() ** 2).sum()).log10()
        assert row["snr_db"] == pytest.approx(float(ratio), abs=1e-3)
        expected = float((shown - adversarial).norm() / (adversarial - clean).norm())
        assert row["consistency"] == pytest.approx(expected, rel=1e-4)
        # The clip's number tells files of one name in different folders apart.
        stem = f"{row['clip']}-{Path(row['name']).stem}"
        place = attacked / "round-trip" / "sounds" / f"fold{row['fold']}"
        written, rate = soundfile.read(place / row["attack"] / str(row["budget_index"]) / f"{stem}.wav")
        assert rate == data.representation.sample_rate
        np.testing.assert_allclose(written, made[0, 0].clamp(-1, 1 - 2**-15), atol=2**-15)
        np.testing.assert_allclose(soundfile.read(place / "clean" / f"{stem}.wav")[0], sound[0, 0], atol=2**-15)


def test_the_numbers_of_the_summary_follow_from_the_rows(attacked, tripped):
    summary, rows = tripped
    assert summary == json.loads((attacked / "round-trip" / "summary.json").read_text())
    assert len(summary["cells"]) == 3 * 3
    cell = next(c for c in summary["cells"] if (c["fold"], c["attack"], c["budget_index"]) == (None, "fgsm", 1))
    some = rows[(rows["attack"] == "fgsm") & (rows["budget_index"] == 1)]
    fooled = some[some["map_success"]]
    assert cell["n"] == len(some)
    assert cell["map_fooling_rate"]["share"] == pytest.approx(some["map_success"].mean())
    assert cell["survival"]["share"] == pytest.approx(fooled["sound_success"].mean())
    assert cell["survival"]["n"] == len(fooled) > 0
    assert cell["snr_db"]["median"] == pytest.approx(fooled["snr_db"].median())
    assert cell["consistency"]["median"] == pytest.approx(some["consistency"].median())
    # A louder attack on the map is a louder one in the sound.
    weaker = next(c for c in summary["cells"] if (c["fold"], c["attack"], c["budget_index"]) == (None, "fgsm", 0))
    assert weaker["snr_db_all"]["median"] > cell["snr_db_all"]["median"]


def test_a_stopped_round_trip_goes_on_and_gives_the_same_file(copied, tripped, monkeypatch):
    monkeypatch.setattr(stored_adversarials, "CLIPS_IN_A_PART", 2)
    clips, computed = [], round_trip_run._rows_of_clip

    def stopped(fold, attack, clip, *more):
        clips.append(clip)
        if len(clips) == 8:
            raise KeyboardInterrupt
        return computed(fold, attack, clip, *more)

    monkeypatch.setattr(round_trip_run, "_rows_of_clip", stopped)
    with pytest.raises(KeyboardInterrupt):
        round_trip.main(flags(copied))
    assert not (copied / "round-trip" / "rows.parquet").exists()
    round_trip.main(flags(copied))
    # Three whole parts were kept, the fourth was begun anew.
    assert len(clips) == 8 + len(tripped[1].drop_duplicates(["fold", "attack", "clip"])) - 6
    pd.testing.assert_frame_equal(pd.read_parquet(copied / "round-trip" / "rows.parquet"), tripped[1])
    again = round_trip.main(flags(copied))
    assert len(clips) == 8 + len(tripped[1].drop_duplicates(["fold", "attack", "clip"])) - 6
    assert again["tones"]["cells"] == tripped[0]["cells"]


def test_attacks_and_folds_are_added_to_what_is_there(copied, tripped):
    round_trip.main(flags(copied, "--attacks", "fgsm", "--folds", "2"))
    assert set(pd.read_parquet(copied / "round-trip" / "rows.parquet")["attack"]) == {"fgsm"}
    round_trip.main(flags(copied))
    pd.testing.assert_frame_equal(pd.read_parquet(copied / "round-trip" / "rows.parquet"), tripped[1])


def test_a_checkpoint_outside_a_run_finds_what_was_kept_of_its_fold(attacked, tripped, tmp_path):
    shutil.copytree(attacked / "attacks", tmp_path / "attacks")
    shutil.copy(attacked / "fold2" / "best.ckpt", tmp_path / "model.ckpt")
    round_trip.main([*flags(attacked, "--attacks", "fgsm"), "--checkpoints", str(tmp_path / "model.ckpt")])
    expected = tripped[1].query("fold == 2 and attack == 'fgsm'").reset_index(drop=True)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "round-trip" / "rows.parquet"), expected)


def test_disturbed_rows_are_what_the_parts_compute(attacked, disturbed):
    _, rows = disturbed
    assert differing_columns(FragilityRow, list(rows)) == []
    assert rows["label_name"].notna().all()
    clips = pd.read_parquet(attacked / "attacks" / "clips.parquet").query("fold == 1")
    kinds = disturbances(["gain", "noise", "bits", "shift"])
    assert (rows["attack"] == "clean").sum() == len(clips) * len(kinds)
    clean = rows[rows["attack"] == "clean"].drop_duplicates(["fold", "clip"])
    both = clean.merge(clips, on=["fold", "clip"])
    assert (both["sound_success"] == ~both["clean_correct"]).all()
    # The map does not tell how loud a clip is.
    gains = rows[rows["transform"] == "gain"]
    assert (gains["disturbed_success"] == gains["sound_success"]).mean() > 0.95
    for _, row in rows[rows["transform"].isin(["noise", "shift"])].groupby(["attack", "transform"]).head(1).iterrows():
        trained = load_classifier(attacked / f"fold{row['fold']}" / "best.ckpt")
        data = trained.data(cache_dir=str(attacked.parent.parent / "cache"))
        sound = torch.from_numpy(data.waveforms.read(row["clip"], 0))[None, None]
        if row["attack"] != "clean":
            file = attacked / "attacks" / "adversarials" / f"fold{row['fold']}" / row["attack"] / f"{row['clip']}.npy"
            sound = data.representation.inverse(sound, torch.from_numpy(np.load(file))[row["budget_index"]][None])
        seed = fragility_run.seed_of(0, row["name"], row["transform"])
        made = Disturbance(row["transform"], row["strength"])(sound[0, 0].double().numpy(), 8000, seed)
        answer = trained.model(data.representation(torch.from_numpy(made).float()[None, None])).argmax()
        assert row["disturbed_prediction"] == answer


def test_what_is_restored_did_not_survive_and_the_clean_clips_stand_beside_it(disturbed):
    summary, rows = disturbed
    cells = [cell for cell in summary["cells"] if cell["fold"] is None]
    assert {cell["attack"] for cell in cells} == {"bim_b"}
    for cell in cells:
        of = (rows["transform"] == cell["transform"]) & (rows["strength"] == cell["strength"])
        attacked, clean = (rows[of & (rows["attack"] == name)] for name in ("bim_b", "clean"))
        fooled = attacked[attacked["sound_success"]]
        assert cell["survival"]["share"] == pytest.approx(fooled["disturbed_success"].mean())
        assert cell["survival"]["share"] + cell["restored"]["share"] == pytest.approx(1.0)
        assert cell["clean_accuracy"]["share"] == pytest.approx(1 - clean["disturbed_success"].mean())
        right = clean[~clean["sound_success"]]
        assert cell["clean_kept"]["share"] == pytest.approx(1 - right["disturbed_success"].mean())


def test_disturbances_are_added_to_what_is_there(copied, disturbed):
    fragility.main(flags(copied, "--attacks", "bim_b", "--folds", "1", "--transforms", "gain", "bits"))
    fragility.main(
        flags(copied, "--attacks", "bim_b", "--folds", "1", "--transforms", "shift", "noise", "gain", "bits")
    )
    pd.testing.assert_frame_equal(pd.read_parquet(copied / "fragility" / "rows.parquet"), disturbed[1])


def test_the_table_of_clips_is_read_and_threads_are_started_once_for_all_clips(copied, disturbed, monkeypatch):
    counted = []

    def counting(function):
        def counted_function(*arguments):
            counted.append(function.__name__)
            return function(*arguments)

        return counted_function

    monkeypatch.setattr(AttackStore, "clips", counting(AttackStore.clips))
    monkeypatch.setattr(fragility_run, "ThreadPoolExecutor", counting(fragility_run.ThreadPoolExecutor))
    fragility.main(flags(copied, "--attacks", "bim_b", "--folds", "1", "--transforms", "gain"))
    assert sorted(counted) == ["ThreadPoolExecutor", "clips"]
    rows, expected = pd.read_parquet(copied / "fragility" / "rows.parquet"), disturbed[1].query("transform == 'gain'")
    pd.testing.assert_frame_equal(rows, expected.reset_index(drop=True))


def test_disturbances_none_of_which_this_machine_can_make_are_refused_before_anything_is_deleted(copied, monkeypatch):
    chosen = flags(copied, "--attacks", "bim_b", "--folds", "1")
    fragility.main([*chosen, "--transforms", "gain"])
    monkeypatch.setattr(soundfile, "available_formats", dict)
    with (
        pytest.warns(UserWarning, match="mp3 0 level is left out: expected MP3 in libsndfile"),
        pytest.raises(UsageError, match="of sounds of 8000 Hz, got only --transforms mp3 ogg; name others too"),
    ):
        fragility.main([*chosen, "--transforms", "mp3", "ogg", "--overwrite"])
    assert set(pd.read_parquet(copied / "fragility" / "rows.parquet")["transform"]) == {"gain"}
    with pytest.warns(UserWarning, match="mp3 0 level is left out"):
        cells = fragility.main([*chosen, "--transforms", "mp3", "shift"])["tones"]["cells"]
    assert {cell["transform"] for cell in cells} == {"gain", "shift"}


def test_what_a_stopped_command_leaves_does_not_stop_one_with_other_disturbances(copied, monkeypatch):
    computed = fragility_run.disturbed_rows
    done = []

    def stopped(clip, *more, **settings):
        done.append(clip.rows["attack"].iloc[0])
        if done[-1] == "bim_b" and done.count("bim_b") == 3:
            raise KeyboardInterrupt
        return computed(clip, *more, **settings)

    monkeypatch.setattr(fragility_run, "disturbed_rows", stopped)
    monkeypatch.setattr(stored_adversarials, "CLIPS_IN_A_PART", 2)
    chosen = flags(copied, "--attacks", "bim_b", "--folds", "1", "--transforms")
    with pytest.raises(KeyboardInterrupt):
        fragility.main([*chosen, "gain"])
    cells = fragility.main([*chosen, "shift"])["tones"]["cells"]
    # Two attacked clips are there under the first disturbance, beside every clean one.
    counted = {cell["transform"]: (cell["n"], cell["clean_accuracy"]["n"]) for cell in cells if cell["fold"] is None}
    assert counted["gain"] == (2, 12)
    assert counted["shift"][0] > 2
    # A folder that an earlier version left without the clean clips.
    rows = pd.read_parquet(copied / "fragility" / "rows.parquet")
    left = rows[(rows["attack"] != "clean") | (rows["transform"] == "shift")]
    assert {cell["transform"] for cell in summarise_fragility(left)} == {"shift"}


def test_attacked_sounds_are_disturbed_and_multiplied_as_they_are_kept(attacked, disturbed):
    budgets = attacked.parent.parent / "sound_budgets.yaml"
    budgets.write_text("fgsm: {snr_db: [40, 10, 0]}\n")
    run = str(attacked)
    attack.main(
        [
            *("--checkpoints", run, "--space", "sound", "--attacks", "fgsm", "--budgets", str(budgets), "--folds", "1"),
            *("--save-adversarials", "--clips", "10", "--wandb.mode", "disabled", "--trainer.accelerator", "cpu"),
            *("--data.cache_dir", str(attacked.parent.parent / "cache")),
        ]
    )
    more = flags(attacked, "--space", "sound", "--folds", "1")
    cells = fragility.main([*more, "--transforms", "gain", "noise"])["tones"]["cells"]
    scalar_test.main(more)
    rows, scalars = (
        pd.read_parquet(attacked / name / "rows.parquet") for name in ("fragility-sound", "scalar-test-sound")
    )
    assert differing_columns(FragilityRow, list(rows)) == differing_columns(ScalarRow, list(scalars)) == []
    # Results of maps stay as they are.
    pd.testing.assert_frame_equal(pd.read_parquet(attacked / "fragility" / "rows.parquet"), disturbed[1])
    trained = load_classifier(attacked / "fold1" / "best.ckpt")
    representation = trained.data(cache_dir=str(attacked.parent.parent / "cache")).representation
    kept = AdversarialSounds(attacked / "attacks-sound")

    def answer(sound):
        with torch.no_grad():
            return int(trained.model(representation(torch.from_numpy(sound).float()[None, None])).argmax())

    outcomes = pd.read_parquet(attacked / "attacks-sound" / "outcomes.parquet").query("attack == 'fgsm'")
    noisy = rows[(rows["transform"] == "noise") & (rows["attack"] == "fgsm")].drop_duplicates(["budget_index", "clip"])
    assert len(noisy) == len(outcomes) > 12
    assert {(row.attack, row.budget_index) for row in rows.itertuples()} == {
        ("clean", 0),
        *(("fgsm", k) for k in range(3)),
    }
    for row in noisy.iloc[::4].itertuples():
        sound, rate = kept.read(1, "fgsm", row.budget_index, row.clip, row.name)
        assert row.sound_success == (answer(sound) != row.label)
        seed = fragility_run.seed_of(0, row.name, "noise")
        made = Disturbance("noise", row.strength)(sound.astype(np.float64), rate, seed)
        assert row.disturbed_prediction == answer(made)
    fooled = outcomes[outcomes["success"] > 0]
    assert set(scalars["input"]) == {"sound"}
    assert len(scalars[scalars["kind"] == "draw"]) == 20 * len(fooled) > 0
    for row in scalars[scalars["kind"] == "draw"].iloc[::23].itertuples():
        sound, _ = kept.read(1, "fgsm", row.budget_index, row.clip, row.name)
        assert row.restored == (answer(np.float32(row.scalar) * sound) == row.label)
    table = fragility_table([read_run(attacked)])
    assert [line[3] for line in table.plain_rows].count("sound") == len([c for c in cells if c["fold"] is None])


@pytest.mark.parametrize(
    ("program", "more", "error", "message"),
    [
        (
            fragility,
            ("--space", "sound", "--attacks", "cwa"),
            DataError,
            "expected adversarial sounds of cwa|found none",
        ),
        (round_trip, ("--attacks", "cwa"), DataError, "maps of cwa in .*, found those of bim_b, fgsm"),
        (round_trip, ("--seed", "1"), UsageError, "expected a flag of round_trip.py, got --seed"),
        (round_trip, ("--device", "abacus"), UsageError, "expected --device to be cpu, cuda or another"),
        (round_trip, ("--sounds", "aiff"), UsageError, "sounds.*wav"),
        (round_trip, ("--folds", "0"), UsageError, "expected --folds"),
        (fragility, ("--transforms", "echo"), UsageError, "among gain, noise, .*, got 'echo'"),
        (fragility, ("--transform", "noise"), UsageError, "did you mean --transforms"),
    ],
)
def test_impossible_commands_are_refused_in_a_sentence(attacked, tripped, program, more, error, message):
    with pytest.raises(error, match=message):
        program.main(flags(attacked, *more))


def test_missing_maps_other_checkpoints_and_a_second_command_are_refused(copied):
    with alone_in(copied / "round-trip"), pytest.raises(DataError, match="no other process at work"):
        round_trip.main(flags(copied))
    broken = next((copied / "attacks" / "adversarials" / "fold1" / "fgsm").iterdir())
    broken.write_bytes(b"no array")
    with pytest.raises(DataError, match=r"expected adversarial maps in .*npy, found none that can be read"):
        round_trip.main(flags(copied, "--attacks", "fgsm"))
    checkpoint = torch.load(copied / "fold2" / "best.ckpt", weights_only=True)
    torch.save({**checkpoint, "epoch": 99}, copied / "fold2" / "best.ckpt")
    with pytest.raises(DataError, match=r"expected the checkpoint that .* was attacked with, found another"):
        round_trip.main(flags(copied, "--folds", "2"))
    shutil.rmtree(copied / "attacks" / "adversarials")
    with pytest.raises(DataError, match=r"found none; attack.py --save-adversarials keeps them"):
        round_trip.main(flags(copied))
    shutil.rmtree(copied / "attacks")
    with pytest.raises(DataError, match=r"expected attacked clips in .*, found none; attack.py --save-adversarials"):
        round_trip.main(flags(copied))
    shutil.rmtree(copied / "attacks-sound", ignore_errors=True)
    with pytest.raises(DataError, match=r"attacks-sound, found none; attack.py --space sound --save-adversarials"):
        fragility.main(flags(copied, "--space", "sound"))


@pytest.mark.parametrize("program", [round_trip, fragility, scalar_test])
def test_a_run_on_waveforms_is_told_which_commands_take_its_sounds(copied, monkeypatch, program):
    shutil.rmtree(copied / "attacks")
    monkeypatch.setattr(STFT, "is_map", False)
    sentence = (
        r"^expected a run on maps, found .*tones, which takes waveforms and has no maps .*; keep its adversarial sounds"
        r" with attack.py --space sound --save-adversarials, .* fragility.py or scalar_test.py with --space sound$"
    )
    with pytest.raises(UsageError, match=sentence):
        program.main(flags(copied))


def test_sounds_of_clips_with_one_file_name_are_kept_apart(tmp_path):
    names = {3: "high/10.wav", 4: "mid/10.wav"}
    files = {
        round_trip_run.sound_file(tmp_path, 1, attack, budget, clip, name, "wav")
        for clip, name in names.items()
        for attack, budget in (("clean", None), ("fgsm", 0))
    }
    assert len(files) == 4


def test_a_store_keeps_each_row_once_and_replaces_a_broken_part(tmp_path, monkeypatch):
    store = RowStore(tmp_path / "rows", ["clip"])
    store.open({"seed": 0, "attacks": {"a": 1}})
    store.write_part("one", pd.DataFrame({"clip": [3, 1]}))
    store.write_part("two", pd.DataFrame({"clip": [1, 2]}))
    assert store.merge()["clip"].tolist() == [1, 2, 3]
    (store.path / "parts").mkdir()
    (store.path / "parts" / "three.parquet").write_bytes(b"half a file")
    with pytest.warns(UserWarning, match="cannot be read; its rows are computed again"):
        assert store.rows()["clip"].tolist() == [1, 2, 3]
    part = store.path / "parts" / "four.parquet"
    part.write_bytes(b"half a file")
    # Another process reads the parts too, and removes the broken one first.
    monkeypatch.setattr(warnings, "showwarning", lambda *_, **__: part.unlink())
    assert store.rows()["clip"].tolist() == [1, 2, 3]
    store.open({"seed": 0, "attacks": {"b": 1}})
    with pytest.raises(ValueError, match="got another value of a in attacks"):
        store.open({"seed": 0, "attacks": {"a": 2}})
    store.rows_file.write_bytes(b"half a file")
    with pytest.raises(DataError, match="remove it to compute them again"):
        store.rows()
    store.open({"seed": 1}, overwrite=True)
    assert not len(store.rows())


def test_intervals_need_ten_recordings_and_no_clip_is_no_number():
    yes = pd.Series([True, False] * 10)
    rows = pd.DataFrame({"clip": range(20), "recording": [str(k) for k in range(20)]})
    few = rows.assign(recording="a")
    everyone, nobody = pd.Series([True] * 20), pd.Series([False] * 20)
    share = share_among(rows, yes, everyone)
    assert share["share"] == 0.5
    assert 0.2 < share["low"] < 0.5 < share["high"] < 0.8
    assert share_among(few, yes, everyone) == {"share": 0.5, "low": None, "high": None, "n": 20}
    assert share_among(rows, yes, nobody) == {"share": None, "low": None, "high": None, "n": 0}
    # A clip that two folds test is one clip.
    assert share_among(rows.assign(clip=rows["clip"] // 2), yes, everyone)["n"] == 10
    numbers = pd.Series(np.arange(20.0))
    median = median_among(rows, numbers, everyone)
    assert median["median"] == 9.5
    assert 3 < median["low"] < 9.5 < median["high"] < 16
    numbers[0] = np.nan
    assert median_among(rows, numbers, everyone)["n"] == 19
    assert median_among(few, numbers, everyone)["low"] is None
    assert median_among(rows, numbers, nobody)["median"] is None
    # Half of the clips are never fooled: between the two halves there is no number.
    numbers[:] = [-np.inf] * 10 + [np.inf] * 10
    assert median_among(rows, numbers, everyone) == {"median": None, "low": -np.inf, "high": np.inf, "n": 20}
