"""Transfer ratios of one corpus and representation, from the summaries that transfer.py writes."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from metrics.attack_summary import THE_SIX
from reporting.estimates import Estimate
from reporting.fold_means import SEEDS
from reporting.identity import training_key
from reporting.runs import CarriedCell, Run

SIX = len(THE_SIX)

ARCHITECTURES = ("resnet18", "googlenet", "alexnet")


@dataclass(frozen=True)
class Transfers:
    """Transfer ratios of one corpus and representation, for models with the same settings of the representation.

    Attributes:
        settings: these settings.
        ratios: mean ratio by source and target architecture, in [0, 1].
        folds: ratios of single folds, by source and target architecture.
        attacks: number of attacks averaged in a ratio, if fewer than six.
        cells: by source and target architecture, the averaged entries of summaries: one per pair of runs (seeds).
        left_out: names of runs trained differently from most of their architecture, which are not averaged as seeds.
    """

    settings: dict[str, Any]
    ratios: dict[tuple[str, str], Estimate]
    folds: dict[tuple[str, str], list[float]] = field(repr=False)
    attacks: dict[tuple[str, str], int] = field(default_factory=dict)
    cells: dict[tuple[str, str], list[CarriedCell]] = field(default_factory=dict, repr=False)
    left_out: tuple[str, ...] = ()

    def ratio(self, source: str, target: str) -> Estimate | None:
        """The ratio of a pair of architectures; 1 by definition if they are equal, None if it is missing."""
        if source == target:
            computed = self.ratios.get((source, target))
            runs = dict.fromkeys(run for pair, one in self.ratios.items() if pair[0] == source for run in one.runs[:1])
            clips, recordings = (computed.n, computed.recordings) if computed else (None, None)
            one = Estimate(1.0, None, None, None, clips, tuple(runs), interval="by definition", recordings=recordings)
            return one if runs else None
        return self.ratios.get((source, target))


def transfers_of(runs: Sequence[Run], corpus: str, representation: str) -> Transfers | None:
    """Ratios averaged over the six attacks, for the setting that most pairs of models share; None without any.

    Models of one architecture must differ only in their seeds: if they were trained in several ways, those with the
    most frequent training are used, and the others are left out.

    Args:
        runs: runs that may be compared in one table.
        corpus: name of the corpus.
        representation: class of the representation.
    """
    groups: dict[tuple[tuple[str, Any], ...], list[Run]] = {}
    for run in runs:
        if run.transfers and run.corpus == corpus and run.representation == representation:
            key = tuple(sorted(item for item in run.settings.items() if item[0] != "architecture"))
            groups.setdefault(key, []).append(run)
    if not groups:
        return None
    chosen = min(groups, key=lambda key: (-sum(len(run.transfers) for run in groups[key]), repr(key)))
    odd = _trained_otherwise(runs, groups[chosen])
    rows: dict[tuple[str, str], dict[tuple[str, str], CarriedCell]] = {}
    folds: dict[tuple[str, str], dict[tuple[str, str, int], float]] = {}
    for run in groups[chosen]:
        for row in run.transfers:
            if row["attack"] is not None or row["ratio"] is None or {run.name, str(row["target_run"])} & odd:
                continue
            pair = (str(row["source_architecture"]), str(row["target_architecture"]))
            models = (run.name, str(row["target_run"]))
            if row["fold"] is None:
                # A pair that was computed twice counts once, with the larger denominator.
                known = rows.setdefault(pair, {}).get(models)
                if known is None or row["denominator"] > known["denominator"]:
                    rows[pair][models] = row
            else:
                folds.setdefault(pair, {})[*models, row["fold"]] = float(row["ratio"])
    per_fold = {pair: list(values.values()) for pair, values in folds.items()}
    ratios = {pair: _estimate(some, folds.get(pair, {})) for pair, some in rows.items()}
    counted = {pair: min(int(row.get("attacks", SIX)) for row in some.values()) for pair, some in rows.items()}
    fewer = {pair: number for pair, number in counted.items() if number < SIX}
    cells = {pair: list(some.values()) for pair, some in rows.items()}
    return Transfers(dict(chosen), ratios, per_fold, fewer, cells, tuple(sorted(odd))) if ratios else None


def _trained_otherwise(runs: Sequence[Run], sources: Sequence[Run]) -> set[str]:
    """Names of sources and targets that were trained differently from most of their architecture."""
    by_name = {run.name: run for run in runs}
    cells: dict[str, dict[tuple[Any, ...], list[str]]] = {}
    for source in sources:
        for row in source.transfers:
            for run in (source, by_name.get(str(row["target_run"]))):
                if run is not None:
                    ways = cells.setdefault(str(run.settings["architecture"]), {})
                    ways.setdefault(training_key(run), []).append(run.name)
    odd: set[str] = set()
    for ways in cells.values():
        kept = min(ways, key=lambda way: (-len(ways[way]), repr(way)))
        odd.update(name for way, names in ways.items() if way != kept for name in names)
    return odd


def _estimate(rows: dict[tuple[str, str], CarriedCell], folds: dict[tuple[str, str, int], float]) -> Estimate:
    """Mean over pairs of runs, which are the seeds; by fold and without an interval where their folds differ."""
    by_fold: dict[int, list[float]] = {}
    of_pairs: dict[tuple[str, str], set[int]] = {}
    for (source, target, fold), of_fold in folds.items():
        by_fold.setdefault(fold, []).append(of_fold)
        of_pairs.setdefault((source, target), set()).add(fold)
    spread = statistics.stdev(folds.values()) if len(folds) > 1 else None
    names = tuple(dict.fromkeys(run for models in rows for run in models))
    if len(set(map(frozenset, of_pairs.values()))) > 1:
        over_folds = statistics.fmean(map(statistics.fmean, by_fold.values()))
        return Estimate(over_folds, None, None, spread, None, names, interval="none: seeds of different folds")
    ends = [
        [end for row in rows.values() if (end := row["ratio_low"]) is not None],
        [end for row in rows.values() if (end := row["ratio_high"]) is not None],
    ]
    low, high = (statistics.fmean(values) if len(values) == len(rows) else None for values in ends)
    return Estimate(
        value=statistics.fmean(ratio for row in rows.values() if (ratio := row["ratio"]) is not None),
        low=low,
        high=high,
        spread=spread,
        # Seeds share their test clips, so the largest of their counts does not count a clip twice.
        n=max((int(row["n"]) for row in rows.values() if row.get("n") is not None), default=None),
        runs=names,
        interval="95 %" if len(rows) == 1 else SEEDS,
        recordings=max((int(row["recordings"]) for row in rows.values() if row.get("recordings")), default=None),
    )
