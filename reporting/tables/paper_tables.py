"""Tables I to IV and further comparisons: one row per setting, with our numbers and the paper's."""

from collections.abc import Callable, Sequence

from classifiers.baselines import BASELINES
from metrics.attack_summary import THE_SIX
from reporting.accuracy import Accuracies
from reporting.estimates import (
    attack_auc,
    attack_gradients,
    parameters,
    six_auc,
    six_cost,
    six_fooling_rate,
    six_gradients,
)
from reporting.fold_means import attacked_folds, listed_folds
from reporting.identity import differences, varying
from reporting.names import CORPUS_NAMES, IMPOSSIBLE, NAMES, describe, label
from reporting.paper_numbers import PaperSetting, Setting, paper_settings
from reporting.runs import Run
from reporting.selection import PAPER_CORPORA, Selection, corpora_of
from reporting.studies import STUDIES, TABLES, Slice, Study, same_setting, slice_of
from reporting.tables.table import Quantity, Row, Table

SEVEN = (*THE_SIX, "lbfgs")

UNLIKE = (
    "Folds differ in difficulty, so rows of unlike folds are not comparable; differences between runs are taken on the "
    "folds that both have."
)


def paper_table(number: int, selection: Selection, accuracies: Accuracies) -> Table:
    """Table I, II, III or IV.

    Args:
        number: 1 to 4.
        selection: runs that may be compared in one table.
        accuracies: intervals of accuracies.
    """
    study = STUDIES[TABLES[number - 1]]
    printed = {(row.corpus, row.value): row for row in paper_settings(number)}
    attacked = number != 4
    columns = ("accuracy (%)",) + (
        (*(NAMES[attack] for attack in SEVEN), "mean of the six") if attacked else ("mean AUC of the six (%)",)
    )

    def cells(runs: Sequence[Run], corpus: str, value: Setting) -> tuple[tuple[Quantity, ...], ...]:
        paper = printed.get((corpus, value))
        # The paper prints the mean of the six in Table IV alone.
        first = (Quantity("accuracy", "percent", accuracies.mean(runs), paper.accuracy if paper else None),)
        six = Quantity(
            "six_auc",
            "auc" if attacked else "percent",
            six_auc(runs),
            paper.auc_six if paper and not attacked else None,
        )
        if not attacked:
            return first, (six,)
        return (first, *(_attack_cell(runs, attack, paper) for attack in SEVEN), (six,))

    return _study_table(study, selection, columns, cells)


def setting_table(key: str, selection: Selection, accuracies: Accuracies) -> Table:
    """The table of a comparison that the paper reports in words only, or not at all.

    Args:
        key: name of the study.
        selection: runs that may be compared in one table.
        accuracies: intervals of accuracies.
    """
    columns = tuple(_summary_headings())

    def cells(runs: Sequence[Run], corpus: str, value: Setting) -> tuple[tuple[Quantity, ...], ...]:
        del corpus
        return _summary_cells(runs, accuracies, attackable=value not in BASELINES)

    return _study_table(STUDIES[key], selection, columns, cells)


def overview(selection: Selection, accuracies: Accuracies) -> Table:
    """The table of all trained settings, whether or not they belong to another table."""
    rows = []
    there = sorted(selection.runs, key=lambda run: _place(run.corpus))
    # Settings that all runs of a corpus share are not repeated in each row.
    named = {corpus: varying([run for run in there if run.corpus == corpus]) for corpus in corpora_of(there)}
    for group in same_setting(there):
        first = group[0]
        setting = "; ".join(filter(None, (describe(first.settings), differences(first, named[first.corpus]))))
        leakage = max(run.summary["leakage"] or 0.0 for run in group)
        names = (CORPUS_NAMES.get(first.corpus, first.corpus), label(first.settings["architecture"]), setting)
        rows.append(
            Row(
                (*names, f"{leakage:.0%}", folds := _folds(group)),
                _summary_cells(group, accuracies, attackable=first.settings["architecture"] not in BASELINES),
                tuple(run.name for run in group),
                (*names, leakage, folds),
            )
        )
    unlike = UNLIKE if _unlike(same_setting(there)) else ""
    return Table(
        "all_settings",
        "All settings",
        " ".join(filter(None, ("Every trained setting.", _conditions(selection), unlike, _dashes(rows)))),
        ("corpus", "classifier", "setting", "leakage", "folds"),
        tuple(_summary_headings()),
        tuple(rows),
        (),
    )


def _study_table(
    study: Study,
    selection: Selection,
    columns: tuple[str, ...],
    cells: Callable[[Sequence[Run], str, Setting], tuple[tuple[Quantity, ...], ...]],
) -> Table:
    several = len(study.representations) > 1
    rows: list[Row] = []
    commands: list[str | None] = []
    others: list[str] = []
    for corpus in _corpora(study, selection):
        in_rows: list[tuple[str, list[Run]]] = []
        for representation in study.representations:
            found = slice_of(study, selection.runs, corpus, representation)
            if found.runs:
                others.append(_shared(found))
            for value in study.values:
                there = [(found.apart.get(value, ""), found.runs.get(value, [])), *found.more.get(value, [])]
                in_rows += [
                    (" ".join((*([representation] if several else []), label(value))), runs) for _, runs in there
                ]
                for apart, runs in there:
                    place = (CORPUS_NAMES.get(corpus, corpus), *((representation,) if several else ()))
                    rows.append(
                        Row(
                            (*place, label(value) + (f" ({apart})" if apart else "")),
                            cells(runs, corpus, value),
                            tuple(run.name for run in runs),
                            (*place, value if isinstance(value, int | float) else label(value)),
                        )
                    )
                    wanted = [q for cell in rows[-1].cells for q in cell if q.possible and q.name != "parameters"]
                    if any(quantity.ours is None for quantity in wanted):
                        commands.append(selection.sweep_command(study.key, corpus))
        others.append(_unlike_folds(in_rows))
    caption = " ".join(filter(None, (_conditions(selection), *others, _dashes(rows))))
    headings = ("corpus", *(("representation",) if several else ()), study.label)
    asked = tuple(command for command in dict.fromkeys(commands) if command)
    return Table(study.key, study.title, caption, headings, columns, tuple(rows), asked)


def _corpora(study: Study, selection: Selection) -> list[str]:
    """Names of the paper's corpora, and of any other with a run of the study."""
    there = [corpus for corpus in corpora_of(selection.runs) if corpus not in PAPER_CORPORA]
    used = [c for c in there if any(slice_of(study, selection.runs, c, r).runs for r in study.representations)]
    return [*PAPER_CORPORA, *used]


def _attack_cell(runs: Sequence[Run], attack: str, paper: PaperSetting | None) -> tuple[Quantity, ...]:
    auc = paper.auc.get(attack) if paper else None
    gradients = paper.gradients.get(attack) if paper else None
    return (
        Quantity(f"{attack}_auc", "auc", attack_auc(runs, attack), auc),
        Quantity(f"{attack}_gradients", "count", attack_gradients(runs, attack), gradients),
    )


def _summary_headings() -> list[str]:
    six = ["AUC", "fooling rate (%)", "batch gradients", "cost to AUC > 0.9"]
    return ["accuracy (%)", "parameters", *(f"{name}, mean of the six" for name in six)]


def _summary_cells(
    runs: Sequence[Run], accuracies: Accuracies, *, attackable: bool
) -> tuple[tuple[Quantity, ...], ...]:
    """Cells of a row; an SVM or a random forest is not attackable, because it has no gradients."""
    return (
        (Quantity("accuracy", "percent", accuracies.mean(runs)),),
        (Quantity("parameters", "count", parameters(runs), possible=attackable),),
        (Quantity("six_auc", "auc", six_auc(runs), possible=attackable),),
        (Quantity("six_fooling_rate", "percent", six_fooling_rate(runs), possible=attackable),),
        (Quantity("six_gradients", "count", six_gradients(runs), possible=attackable),),
        (Quantity("six_cost_auc90", "count", six_cost(runs), possible=attackable),),
    )


def _conditions(selection: Selection) -> str:
    attacks = f"budgets: {selection.profile}" if selection.profile else "no run of it is attacked yet"
    return (
        f"split={selection.split}; {attacks}. Ours: mean over budgets, folds and seeds with a 95 % interval "
        "(gradients: range over folds); n: distinct clips classified correctly when clean (accuracy: all test clips), "
        "and the recordings that they come from."
    )


def _dashes(rows: Sequence[Row]) -> str:
    """A sentence on the meaning of the dashes in a table; empty if it has none."""
    there = any(not quantity.possible for row in rows for cell in row.cells for quantity in cell)
    return f"{IMPOSSIBLE}: without gradients there is nothing to attack with or to count." if there else ""


def _shared(found: Slice) -> str:
    shared = f"{CORPUS_NAMES.get(found.corpus, found.corpus)}: {describe(found.others, ['augmentation'])}."
    left_out = "; ".join(f"{name} ({why})" for name, why in sorted(found.left_out.items()))
    return f"{shared} Not in this table: {left_out}." if left_out else shared


def _folds(runs: Sequence[Run]) -> str:
    """The tested folds of one setting, and the attacked ones if they are others."""
    tested, attacked = _tested(runs), _attacked(runs)
    return tested if attacked in ("", tested) else f"{tested} (attacked: {attacked})"


def _tested(runs: Sequence[Run]) -> str:
    return listed_folds({fold for run in runs for fold in run.folds})


def _attacked(runs: Sequence[Run]) -> str:
    """The attacked folds of one setting, by attack if attacks differ; empty if it was not attacked."""
    attacks: dict[str, list[str]] = {}
    for attack in SEVEN:
        if folds := attacked_folds(runs, [attack]):
            attacks.setdefault(listed_folds(folds), []).append(NAMES[attack])
    if len(attacks) < 2:
        return next(iter(attacks), "")
    return "; ".join(f"{folds} with {', '.join(names)}" for folds, names in attacks.items())


def _unlike(settings: Sequence[Sequence[Run]]) -> bool:
    """Whether settings were tested, or attacked, on unlike folds that test unlike clips."""
    tested, attacked = {_tested(runs) for runs in settings}, {_attacked(runs) for runs in settings} - {""}
    official = any(run.split == "official" for runs in settings for run in runs)
    return official and (len(tested) > 1 or len(attacked) > 1)


def _unlike_folds(rows: Sequence[tuple[str, Sequence[Run]]]) -> str:
    """A warning that names the folds of each row of a corpus; empty if all rows have the same ones."""
    there = [(name, runs) for name, runs in rows if runs]
    if not _unlike([runs for _, runs in there]):
        return ""
    alike: dict[str, list[str]] = {}
    for name, runs in there:
        alike.setdefault(_folds(runs), []).append(name)
    said = "; ".join(f"{', '.join(dict.fromkeys(names))}: {folds}" for folds, names in alike.items())
    return f"{UNLIKE} Folds of {said}."


def _place(corpus: str) -> tuple[int, str]:
    return PAPER_CORPORA.index(corpus) if corpus in PAPER_CORPORA else len(PAPER_CORPORA), corpus
