"""Tables of what becomes of adversarial sounds: transfer to other maps, round trips, disturbances, scalars."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reporting.names import NAMES
from reporting.runs import REMEDY, Run
from reporting.sounds import stored_cells
from reporting.tables.plain import PlainTable
from storage import DataError, in_this_version, read_json
from storage.space import SOUND, SPACES


def round_trip_table(runs: Sequence[Run]) -> PlainTable:
    """Sounds of the adversarial maps of every run: loudness of the change, and what of the attack survives."""
    rows, plain = [], []
    for run, cell in _cells(runs, "round-trip"):
        shares = [cell[name] for name in ("map_fooling_rate", "survival", "target_survival")]
        medians = [cell[name] for name in ("snr_db", "consistency")]
        clips = (cell["n"], cell["recordings"])
        place = (run.name, run.representation, NAMES.get(cell["attack"], cell["attack"]))
        rows.append(
            (
                *place,
                shown_budget(cell),
                f"{clips[0]} clips of {clips[1]} recordings",
                *map(shown_share, shares),
                shown_median(medians[0], 1),
                shown_median(medians[1], 2),
            )
        )
        numbers = [
            *(part[end] for part in shares for end in ("share", "low", "high", "n")),
            *(part[end] for part in medians for end in ("median", "low", "high", "n")),
        ]
        plain.append((*place, cell["budget"], *clips, *numbers))
    kinds = ("map fools", "survives", "target hits survive", "SNR in dB", "consistency")
    return PlainTable(
        "round_trip",
        "From maps to sounds",
        "Each adversarial map is brought back to sound: its change is read as gains in time and frequency on the clean "
        "clip, and the sound is judged. Survives: of the clips that the map fools, the share that the sound fools too. "
        "SNR: median over the clips that the map fools; a higher one is a quieter change. Consistency: how much of the "
        "change of the map is missing from the map of the sound (0 nothing, 1 as much as the change itself). Brackets: "
        "95 % over recordings, none below ten.",
        ("run", "map", "attack", "budget", "n", *kinds),
        tuple(rows),
        (
            *("run", "map", "attack", "budget", "clips", "recordings"),
            *(f"{kind}{end}" for kind in kinds for end in ("", ", low", ", high", ", n")),
        ),
        tuple(plain),
    )


def sound_transfer_table(runs: Sequence[Run]) -> PlainTable:
    """How sounds that fool one run fool runs on other representations: ``transfer.py --space sound``."""
    rows, plain = [], []
    for run in runs:
        for file in sorted(run.path.glob(f"{SOUND.beside('transfer')}/*/summary.json")):
            summary = in_this_version(read_json(file, REMEDY), file, REMEDY)
            source_rate = summary["representation"]["sample_rate"]
            for cell in summary["rows"]:
                if cell["fold"] is not None or cell["target_run"] == run.name:
                    continue
                attack = "mean of six" if cell["attack"] is None else cell["attack"]
                target = (cell["target_run"], cell["target_representation"], cell["target_sample_rate"])
                place = (run.name, run.representation, source_rate, *target)
                share = {"share": cell["ratio"], "low": cell["ratio_low"], "high": cell["ratio_high"], "n": cell["n"]}
                counts = tuple(cell[name] for name in ("recordings", "numerator", "denominator"))
                rows.append(
                    (
                        *(run.name, f"{run.representation}, {source_rate} Hz"),
                        *(target[0], f"{target[1]}, {target[2]} Hz"),
                        NAMES.get(attack, attack),
                        str(summary["profile"]),
                        shown_share(share),
                        f"{counts[1]} of {counts[2]}",
                    )
                )
                plain.append((*place, attack, str(summary["profile"]), *share.values(), *counts))
    return PlainTable(
        "sound_transfer",
        "Sounds between representations",
        "Sounds that fool the source, given to targets on other representations, each of which resamples them to its "
        "own rate: the share that fools the target too, among clips that both classify correctly when the clean clip "
        "takes the same path. Summed over budgets; n counts distinct clips. Brackets: 95 % over recordings, none below "
        "ten.",
        ("source", "its map", "target", "its map", "attack", "budgets", "fools the target too", "sounds"),
        tuple(rows),
        (
            *("source", "source map", "source Hz", "target", "target map", "target Hz", "attack", "budgets"),
            *("ratio", "ratio, low", "ratio, high", "n", "recordings", "numerator", "denominator"),
        ),
        tuple(plain),
    )


def fragility_table(runs: Sequence[Run]) -> PlainTable:
    """What a disturbance leaves of the adversarial sounds of every run, beside the clean clips under the same one."""
    rows, plain = [], []
    found = [(space, *pair) for space in SPACES.values() for pair in _cells(runs, space.beside("fragility"))]
    for space, run, cell in found:
        shares = [cell[name] for name in ("survival", "target_survival", "clean_accuracy")]
        place = (run.name, run.representation, NAMES.get(cell["attack"], cell["attack"]))
        disturbance = cell["transform"].replace("_", " ")
        strength = f"{cell['strength']:g} {cell['unit']}".strip()
        rows.append((*place, space.name, shown_budget(cell), f"{disturbance}, {strength}", *map(shown_share, shares)))
        numbers = [part[end] for part in shares for end in ("share", "low", "high", "n")]
        plain.append((*place, space.name, cell["budget"], cell["transform"], cell["strength"], cell["unit"], *numbers))
    kinds = ("survives", "target hits survive", "clean clips that are right")
    return PlainTable(
        "fragility",
        "Disturbed sounds",
        "Disturbed adversarial sounds, made of attacked maps or attacked themselves. Survives: of the clips that the "
        "undisturbed sound fools, the share that "
        "the disturbed one fools; the labels of the others are restored. Beside it the accuracy of clean clips under "
        "the same one, without which the survival means nothing. Brackets: 95 % over recordings, none below ten.",
        ("run", "map", "attack", "attacked", "budget", "disturbance", *kinds),
        tuple(rows),
        (
            *("run", "map", "attack", "attacked", "budget", "disturbance", "strength", "unit"),
            *(f"{kind}{end}" for kind in kinds for end in ("", ", low", ", high", ", n")),
        ),
        tuple(plain),
    )


def scalar_table(runs: Sequence[Run]) -> PlainTable:
    """Labels that come back when adversarials are multiplied by a scalar: ``scalar_test.py`` on maps and on sounds."""
    rows, plain = [], []
    for space in SPACES.values():
        for run, cell in _cells(runs, space.beside("scalar-test")):
            place = (run.name, run.representation, NAMES.get(cell["attack"], cell["attack"]))
            scalars = "from (0, 1)" if cell["gain_db"] is None else f"{cell['gain_db']:g} dB"
            if "restored_where_clean_kept" not in cell:
                raise DataError(
                    f"expected restored_where_clean_kept in the scalar test of {run.name}, found results of an earlier "
                    "version; run scalar_test.py again, which keeps its rows"
                )
            shares = [cell[name] for name in ("restored", "clean_kept", "restored_where_clean_kept")]
            rows.append((*place, shown_budget(cell), space.name, cell["input"], scalars, *map(shown_share, shares)))
            numbers = [part[end] for part in shares for end in ("share", "low", "high", "n")]
            plain.append((*place, cell["budget"], space.name, cell["input"], cell["gain_db"], *numbers))
    kinds = ("restored", "clean clips that are right", "restored where they are")
    return PlainTable(
        "scalar_test",
        "Adversarials times a scalar",
        "Restored: of the adversarials that fool, times a scalar, the share that gets its label back; over 20 draws "
        "from (0, 1) for each, or at a fixed gain. Beside it the share of their clean clips, times the same, that are "
        "classified correctly, and what is restored where they are. n counts clips. Brackets: 95 % over recordings, "
        "none below ten.",
        ("run", "map", "attack", "budget", "attacked", "multiplied", "scalars", *kinds),
        tuple(rows),
        (
            *("run", "map", "attack", "budget", "attacked", "multiplied", "gain in dB"),
            *(f"{kind}{end}" for kind in kinds for end in ("", ", low", ", high", ", n")),
        ),
        tuple(plain),
    )


def _cells(runs: Sequence[Run], folder: str) -> Iterator[tuple[Run, Mapping[str, Any]]]:
    """The cells over folds of each run that has such a folder of results."""
    for run in runs:
        for cell in stored_cells(run, folder):
            # Those of the scalar test are over folds only.
            if cell.get("fold") is None:
                yield run, cell


def shown_budget(cell: Mapping[str, Any]) -> str:
    """The settings of a budget in words."""
    settings = json.loads(cell["budget"])
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in settings.items()) or "no settings"


def shown_share(part: Mapping[str, Any]) -> str:
    """A share in % with its interval and n."""
    if part["share"] is None:
        return "-"
    ends = "" if part["low"] is None else f" [{100 * part['low']:.0f}, {100 * part['high']:.0f}]"
    return f"{100 * part['share']:.0f} %{ends}, n={part['n']}"


def shown_median(part: Mapping[str, Any], digits: int) -> str:
    """A median with its interval; between two infinities of opposite sign there is none."""
    if part["median"] is None:
        return "-"
    # An infinite median is a word in JSON.
    value, *ends = (None if part[name] is None else float(part[name]) for name in ("median", "low", "high"))
    low, high = ends
    between = "" if low is None or high is None else f" [{low:.{digits}f}, {high:.{digits}f}]"
    return f"{value:.{digits}f}{between}"
