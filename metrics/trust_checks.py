"""Checks of whether an attack's result can be trusted: what has to hold in the rows of a fold, and what to do if not.

A hard check must hold for every clip of any victim; a soft check tolerates 2 % or one clip, whichever is more. The
ideas are those of Carlini et al. 2019 (arXiv:1902.06705) and of Croce and Hein 2020 (arXiv:2003.01690).
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal, cast

import numpy as np
import pandas as pd

from metrics.attacked_fold import AttackedFold
from metrics.distances import allowed_amplitude
from storage.summaries import CheckRecord

TOLERANCE = 0.02
UNTARGETED_FGSM = ("fgsm_untargeted", "check_fgsm_untargeted")
UNBOUNDED = "check_unbounded"
SQUARE = "check_square"

MASKED = "gradients may be masked: look at the share of zero gradients, try loss='margin', more steps or --checks full"


@dataclass(frozen=True)
class Check:
    """Result of one check.

    Attributes:
        name: name of the check.
        kind: ``hard`` or ``soft``.
        passed: whether it passed.
        fold: number of the fold.
        attack: name of the attack that it concerns, or None.
        found: the finding, in one sentence.
        remedy: what to do if the check fails.
    """

    name: str
    kind: Literal["hard", "soft"]
    passed: bool
    fold: int
    attack: str | None
    found: str
    remedy: str

    def as_dict(self) -> CheckRecord:
        """The check as a dictionary of plain values."""
        return cast(CheckRecord, asdict(self))


def check_outcomes(rows: pd.DataFrame) -> list[Check]:
    """Run every check that the rows of one fold allow.

    Args:
        rows: outcomes of one fold, including those of attacks that were run for the checks only.

    Returns:
        The checks that could be made; checks that need an attack that was not run are left out.
    """
    attacks = {str(name): AttackedFold.of(some) for name, some in rows.groupby("attack", sort=False)}
    checks = [*_hard(attacks), *_bim_pair(attacks), *_bim_beats_fgsm(attacks), *_strength(attacks)]
    return [*checks, *_noise(attacks), *_zero_gradients(attacks), *_square(attacks)]


def _hard(attacks: dict[str, AttackedFold]) -> Iterator[Check]:
    columns = {
        "confirmed": (
            "every adversarial gets the same prediction when it is evaluated again alone",
            "the victim's prediction depends on the other clips of the batch or changes between calls: put the victim "
            "into eval mode and remove what is random",
        ),
        "in_bounds": (
            "every adversarial lies within the bounds and delta",
            "the attack returns points outside its constraints: clamp or project them",
        ),
        "hook_agrees": (
            "the gradients reported per clip agree with those computed through the victim",
            "the attack does not report what it spends: look at its calls of ledger.spend",
        ),
    }
    for name, attacked in attacks.items():
        for column, (meaning, remedy) in columns.items():
            wrong = int((attacked.columns[column] == 0).sum())
            rows = attacked.columns[column].numel()
            found = f"violated by {wrong} of {rows} rows: {meaning}" if wrong else meaning
            yield Check(column, "hard", not wrong, attacked.fold, name, found, remedy)


def _bim_pair(attacks: dict[str, AttackedFold]) -> Iterator[Check]:
    pairs = list(_same_settings(attacks, "bim_a", "bim_b"))
    if not pairs:
        return
    first, second = attacks["bim_a"], attacks["bim_b"]
    lost = costlier = 0
    for a, b in pairs:
        lost += int(((second.columns["success"][b] > 0) & (first.columns["success"][a] == 0)).sum())
        costlier += int((first.columns["gradients"][a] > second.columns["gradients"][b]).sum())
    remedy = "both take the same steps, so the difference is rounding: repeat with --trainer.precision 64-true"
    found = f"{lost} successes of bim_b that bim_a does not have, {costlier} clips on which bim_a spends more gradients"
    yield Check("bim_b_implies_bim_a", "hard", not lost and not costlier, first.fold, "bim_a", found, remedy)


def _bim_beats_fgsm(attacks: dict[str, AttackedFold]) -> Iterator[Check]:
    for single in UNTARGETED_FGSM:
        sizes = (
            {allowed_amplitude(settings): k for k, settings in enumerate(attacks[single].budgets)}
            if single in attacks
            else {}
        )
        if "bim_a" not in attacks or not sizes:
            continue
        iterated, one_step = attacks["bim_a"], attacks[single]
        worst, where = -np.inf, ""
        for k, settings in enumerate(iterated.budgets):
            if allowed_amplitude(settings) in sizes:
                other = sizes[allowed_amplitude(settings)]
                rate = float(one_step.rate("success", other) - iterated.rate("success", k))
                area = float(one_step.area(other) - iterated.area(k))
                if max(rate, area) > worst:
                    worst, where = max(rate, area), f"{json.dumps(settings)}: rate {rate:+.3f}, AUC {area:+.3f}"
        found = f"untargeted FGSM minus bim_a, at worst {where}"
        yield Check("bim_a_not_below_fgsm", "soft", worst <= _slack(iterated), iterated.fold, "bim_a", found, MASKED)
        return


def _strength(attacks: dict[str, AttackedFold]) -> Iterator[Check]:
    if "bim_b" in attacks:
        attacked = attacks["bim_b"]
        by_steps: dict[Any, list[tuple[float, float]]] = {}
        for k, settings in enumerate(attacked.budgets):
            rate = float(attacked.rate("success", k))
            by_steps.setdefault(settings.get("steps"), []).append((allowed_amplitude(settings) or 0.0, rate))
        falls = [
            earlier[1] - later[1]
            for curve in by_steps.values()
            for earlier, later in zip(sorted(curve)[:-1], sorted(curve)[1:], strict=True)
        ]
        fall = max([0.0, *falls])
        found = f"the fooling rate falls by at most {fall:.3f} from one size to the next"
        yield Check("rate_rises_with_delta", "soft", fall <= _slack(attacked), attacked.fold, "bim_b", found, MASKED)
    if UNBOUNDED in attacks:
        attacked = attacks[UNBOUNDED]
        rate = float(attacked.rate("success", 0))
        found = f"bim_b without a bound fools {rate:.1%} of {len(attacked)} clips"
        yield Check("unbounded_fools_all", "soft", rate >= 1 - _slack(attacked), attacked.fold, "bim_b", found, MASKED)


def _noise(attacks: dict[str, AttackedFold]) -> Iterator[Check]:
    for name, attacked in attacks.items():
        excess = attacked.columns["noise_success"].mean(dim=1) - attacked.columns["success"].mean(dim=1)
        worst = int(excess.argmax())
        rates = (float(attacked.rate(column, worst)) for column in ("noise_success", "success"))
        found = "at {} noise of equal norm fools {:.1%}, the attack {:.1%}".format(attacked.budgets[worst], *rates)
        passed = float(excess[worst]) <= _slack(attacked)
        yield Check("noise_fools_no_more", "soft", passed, attacked.fold, name, found, MASKED)


def _zero_gradients(attacks: dict[str, AttackedFold]) -> Iterator[Check]:
    remedy = (
        "the loss saturates or the precision is too low: try loss='margin', or --trainer.precision 32-true or 64-true"
    )
    for name, attacked in attacks.items():
        if name == SQUARE:
            continue
        share = float(attacked.columns["zero_gradients"].sum() / attacked.columns["gradients"].sum().clamp(min=1))
        found = f"{share:.2%} of the gradients are exactly zero"
        # A share of gradients, not of clips, so the tolerance of one clip does not apply.
        yield Check("zero_gradients", "soft", share <= TOLERANCE, attacked.fold, name, found, remedy)


def _square(attacks: dict[str, AttackedFold]) -> Iterator[Check]:
    if SQUARE not in attacks or "bim_b" not in attacks:
        return
    blind, seeing = attacks[SQUARE], attacks["bim_b"]
    shared = np.isin(seeing.clips.numpy(), blind.clips.numpy())
    rates = {
        allowed_amplitude(settings): float(fooled[shared].mean())
        for settings, fooled in zip(seeing.budgets, seeing.columns["success"], strict=True)
    }
    worst, where = -np.inf, "no common size"
    for k, settings in enumerate(blind.budgets):
        size = allowed_amplitude({"delta": settings["eps"]} if "eps" in settings else settings)
        if size in rates and float(blind.rate("success", k)) - rates[size] > worst:
            worst = float(blind.rate("success", k)) - rates[size]
            where = f"at {settings}: {float(blind.rate('success', k)):.1%} against {rates[size]:.1%} of bim_b"
    found = f"Square attack, 200 queries, {len(blind)} clips, {where}"
    yield Check("black_box_beats_no_gradient", "soft", worst <= _slack(blind), blind.fold, "bim_b", found, MASKED)


def _same_settings(attacks: dict[str, AttackedFold], first: str, second: str) -> Iterator[tuple[int, int]]:
    if first in attacks and second in attacks:
        places = {json.dumps(settings): k for k, settings in enumerate(attacks[second].budgets)}
        for k, settings in enumerate(attacks[first].budgets):
            if json.dumps(settings) in places:
                yield k, places[json.dumps(settings)]


def _slack(attacked: AttackedFold) -> float:
    return max(TOLERANCE, 1 / max(1, len(attacked))) + 1e-9
