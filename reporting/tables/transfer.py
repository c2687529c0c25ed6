"""Table V: the share of adversarials for one classifier that also fool another."""

from collections import Counter

from reporting.names import CORPUS_NAMES, NAMES, describe
from reporting.paper_numbers import paper_transfers
from reporting.selection import PAPER_CORPORA, Selection, corpora_of
from reporting.studies import REPRESENTATIONS, TRANSFER_SWEEP
from reporting.tables.table import Quantity, Row, Table
from reporting.transfers import ARCHITECTURES, Transfers, transfers_of


def transfer_table(selection: Selection) -> Table:
    """Table V in the paper's shape: row = corpus and source, column = representation and target."""
    printed = {(t.corpus, t.representation, t.source, t.target): t.ratio for t in paper_transfers()}
    architectures = [*ARCHITECTURES, *_more_targets(selection)]
    rows: list[Row] = []
    commands: list[str | None] = []
    notes: list[str] = []
    for corpus in _corpora(selection):
        found = {name: transfers_of(selection.runs, corpus, name) for name in REPRESENTATIONS}
        notes += [f"{CORPUS_NAMES.get(corpus, corpus)}: {describe(t.settings)}." for t in found.values() if t]
        notes += [_fewer(name, transfers) for name, transfers in found.items() if transfers and transfers.attacks]
        notes += [
            f"{name}, left out because trained differently from most of their architecture: "
            f"{', '.join(transfers.left_out)}."
            for name, transfers in found.items()
            if transfers and transfers.left_out
        ]
        for source in [*ARCHITECTURES, *_more_sources(selection, corpus)]:
            cells = []
            for name in REPRESENTATIONS:
                transfers = found[name]
                for target in architectures:
                    ours = transfers.ratio(source, target) if transfers else None
                    paper = printed.get((corpus, name, source, target))
                    cells.append((Quantity(f"{name}_{target}", "ratio", ours, paper),))
                    if ours is None and {source, target} <= set(ARCHITECTURES) and source != target:
                        commands.append(selection.sweep_command(TRANSFER_SWEEP, corpus))
            runs = tuple(dict.fromkeys(run for cell in cells for q in cell if q.ours for run in q.ours.runs))
            rows.append(Row((CORPUS_NAMES.get(corpus, corpus), NAMES.get(source, source)), tuple(cells), runs))
    attacks = f"budgets: {selection.profile}" if selection.profile else "no run of it is attacked yet"
    caption = (
        "Rows are sources, columns targets: of the adversarials that fool the source, the share that also fools the "
        "target, over clips that both classify correctly when clean, summed over budgets, mean of the six attacks; "
        f"n counts distinct clips. split={selection.split}; "
        f"{attacks}. {' '.join(notes)}"
    ).strip()
    return Table(
        TRANSFER_SWEEP,
        "Table V. Transfer",
        caption,
        ("corpus", "source"),
        tuple(f"{name}, {NAMES.get(target, target)}" for name in REPRESENTATIONS for target in architectures),
        tuple(rows),
        tuple(command for command in dict.fromkeys(commands) if command),
    )


def _fewer(representation: str, transfers: Transfers) -> str:
    """A sentence that names the ratios averaged over fewer than six attacks."""
    pairs = [
        f"{NAMES.get(source, source)} to {NAMES.get(target, target)} ({number})"
        for (source, target), number in transfers.attacks.items()
    ]
    return f"{representation}, mean of fewer than six attacks: {', '.join(pairs)}."


def _more_sources(selection: Selection, corpus: str) -> list[str]:
    """Source architectures other than the paper's three, such as a user's own classifier."""
    runs = [run for run in selection.runs if run.corpus == corpus and run.representation in REPRESENTATIONS]
    found = {str(row["source_architecture"]) for run in runs for row in run.transfers}
    return sorted(found - set(ARCHITECTURES))


def _more_targets(selection: Selection) -> list[str]:
    """Target architectures other than the paper's three, such as the baselines."""
    counted = Counter(str(row["target_architecture"]) for run in selection.runs for row in run.transfers)
    return [name for name in sorted(counted) if name not in ARCHITECTURES]


def _corpora(selection: Selection) -> list[str]:
    used = corpora_of([run for run in selection.runs if run.transfers])
    return [*PAPER_CORPORA, *(corpus for corpus in used if corpus not in PAPER_CORPORA)]
