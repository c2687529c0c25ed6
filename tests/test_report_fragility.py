"""Curves of disturbed sounds: the numbers of the summaries, in order of strength, never without clean clips."""

import json

import numpy as np
import pandas as pd
import pytest
from report_fixtures import MFCC, STFT, write_run

from datamodules.disturbances import KINDS
from metrics.fragility import summarise_fragility
from reporting.figures.fragility_curves import DASHES, FEWEST, PANELS, fragility_curves
from reporting.names import NAMES
from reporting.runs import read_run
from storage import SCHEMA_VERSION, plain_numbers, write_json
from storage.space import SPACES

SHOWN = {"noise": (60.0, 20.0, 10.0), "shift": (1.0, 50.0), "gain": (-6.0, -20.0, 6.0), "resample": (0.5,)}
"""Disturbances in the order in which fragility.py makes them."""


def write_fragility(path, space, fools):
    """Write what fragility.py would: by attack and budget, so many of 15 clips of each of two folds are fooled."""
    generator = np.random.default_rng(len(space))
    shares = [(attack, index, share) for attack, found in fools.items() for index, share in enumerate(found)]
    rows = []
    for attack, index, fooled in [("clean", 0, 0), *shares]:
        for kind, strengths in SHOWN.items():
            for strength in strengths:
                part = pd.DataFrame(
                    {"clip": np.arange(30), "recording": np.arange(30), "fold": 1 + np.arange(30) // 15}
                )
                part["sound_success"] = np.arange(30) % 15 < fooled
                rows.append(
                    part.assign(
                        attack=attack,
                        budget_index=index,
                        budget=json.dumps({} if attack == "clean" else {"delta": 0.01 * (index + 1)}),
                        transform=kind,
                        strength=strength,
                        unit=KINDS[kind].unit,
                        sound_target_hit=False,
                        disturbed_target_hit=False,
                        disturbed_success=generator.random(30) < generator.random(),
                    )
                )
    cells = plain_numbers(summarise_fragility(pd.concat(rows, ignore_index=True)))
    write_json(
        path / SPACES[space].beside("fragility") / "summary.json", {"schema_version": SCHEMA_VERSION, "cells": cells}
    )
    return cells


@pytest.fixture
def runs(tmp_path):
    """Two runs: of BIM-b, the second budget is the first that fools half of both; DeepFool fools few sounds of one."""
    one, two = (write_run(tmp_path, name, chain, attacks=()) for name, chain in (("one", STFT), ("two", MFCC)))
    cells = {
        ("one", "map"): write_fragility(one, "map", {"bim_b": (4, 9, 15)}),
        ("two", "map"): write_fragility(two, "map", {"bim_b": (8, 12, 15)}),
        ("one", "sound"): write_fragility(one, "sound", {"bim_b": (1, 5), "deepfool": (4,)}),
        ("two", "sound"): write_fragility(two, "sound", {"bim_b": (1, 6), "deepfool": (13,)}),
    }
    return [read_run(one), read_run(two)], cells


def test_every_kind_of_disturbance_has_a_panel():
    assert set(PANELS) == set(KINDS)
    for kind, panel in PANELS.items():
        if kind != "gain":
            assert panel.ordered(set(KINDS[kind].strengths)) == list(KINDS[kind].strengths)
    assert PANELS["gain"].ordered({-6.0, -20.0, 6.0}) == [6, -6, -20]


def test_curves_of_disturbed_sounds_hold_the_numbers_of_the_summaries_beside_the_clean_clips(runs):
    found, cells = runs
    figure = fragility_curves(found)
    for point in figure.numbers:
        names = ("attack", "budget", "transform", "strength")
        (cell,) = (
            cell
            for cell in cells[point["run"], point["attacked"]]
            if cell["fold"] is None and all(cell[name] == point[name] for name in names)
        )
        for name, share in (("survives", "survival"), ("clean_accuracy", "clean_accuracy")):
            assert point[name] == cell[share]["share"]
        assert [point[f"survives_{end}"] for end in ("low", "high")] == [
            cell["survival"][end] for end in ("low", "high")
        ]
        assert [point[f"clean_{end}"] for end in ("low", "high")] == [
            cell["clean_accuracy"][end] for end in ("low", "high")
        ]
        assert (point["n"], point["clean_n"], point["clips"]) == (cell["survival"]["n"], 30, 30)
        assert (point["folds"], point["unit"]) == ("1 2", KINDS[point["transform"]].unit)
    points = pd.DataFrame(figure.numbers)
    assert figure.csv().count("\n") == len(points) + 1
    lines = points.groupby(["run", "attacked", "attack"])
    assert set(lines["budget"].unique().map(tuple).items()) == {
        # At the first budget 8 of 30 clips of run one are fooled, at the second more than half of both runs.
        (("one", "map", "bim_b"), ('{"delta": 0.02}',)),
        (("two", "map", "bim_b"), ('{"delta": 0.02}',)),
        # No budget fools half of the clips of both.
        (("one", "sound", "bim_b"), ('{"delta": 0.02}',)),
        (("two", "sound", "bim_b"), ('{"delta": 0.02}',)),
        # DeepFool fools 8 clips of run one, which has no line.
        (("two", "sound", "deepfool"), ('{"delta": 0.01}',)),
    }
    assert (points["n"] >= FEWEST).all()
    assert (lines.size() == sum(map(len, SHOWN.values()))).all()
    assert "two, DeepFool on sounds, n=26: " in figure.alt


def test_strengths_rise_to_the_right_and_every_line_has_its_clean_clips(runs):
    figure = fragility_curves(runs[0])
    points = pd.DataFrame(figure.numbers)
    headings = [part.get_suptitle().replace("\n", " ") for part in figure.drawing.subfigs]
    assert headings[0].startswith("one (ESC-10, STFT, folds 1, 2): BIM-b on maps, delta 0.02 (n=18); BIM-b on sounds")
    for part, run in zip(figure.drawing.subfigs, ("one", "two"), strict=True):
        panels = {panel.get_title(): panel for panel in part.axes}
        assert list(panels) == ["white noise", "delay", "gain", "resampled"]
        for kind, ticks in (("noise", "60 20 10"), ("shift", "1 50"), ("gain", "6 -6 -20"), ("resample", "0.5")):
            panel = panels[PANELS[kind].title]
            assert " ".join(text.get_text() for text in panel.get_xticklabels()) == ticks
            here = points[(points["run"] == run) & (points["transform"] == kind)]
            lines = {"solid": {}, "dashed": {}}
            for line in panel.lines:
                dashed = line.get_label().startswith("clean clips")
                lines["dashed" if dashed else "solid"].setdefault(line.get_label(), []).append(line.get_ydata())
            of_lines = here.set_index("strength").groupby(["attacked", "attack"])
            expected = {key: some.loc[[float(tick) for tick in ticks.split()]] for key, some in of_lines}
            for (space, attack), some in expected.items():
                label = f"{NAMES[attack]} on {space}s"
                assert [list(drawn) for drawn in lines["solid"][label]] == [some["survives"].tolist()]
                clean = some["clean_accuracy"].tolist() * (2 if kind == "resample" else 1)
                assert clean in [list(drawn) for drawn in lines["dashed"][f"clean clips beside {space}s"]]
            assert set(lines["dashed"]) == {f"clean clips beside {space}s" for space in here["attacked"].unique()}
    assert set(DASHES) == set(SPACES)
    assert figure.png().startswith(b"\x89PNG")


def test_without_disturbed_sounds_that_fool_nothing_is_drawn(tmp_path):
    path = write_run(tmp_path, "one", STFT, attacks=())
    assert fragility_curves([read_run(path)]).drawing is None
    write_fragility(path, "sound", {"bim_b": (0, 4)})
    figure = fragility_curves([read_run(path)])
    assert figure.drawing is None
    assert figure.numbers == []
    assert figure.png() == b""
