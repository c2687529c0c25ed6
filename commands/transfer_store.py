"""Storage of the evaluations of targets on a source's adversarials."""

from pathlib import Path
from typing import cast

import pandas as pd

from metrics.transfer_summary import summarise_transfer
from storage import in_this_version, plain_numbers, read_json, write_json
from storage.provenance import git_commit, package_versions
from storage.rows import read_rows, with_label_names, write_rows
from storage.schema import READABLE
from storage.summaries import AttackNumbers, AttackSummary, MeanNumbers, SixNumbers, TransferSummary

SAME = ("schema_version", "profile", "seed", "clips", "recipe")
FROM_ATTACKS = ("space", "corpus", "class_names", "split", "representation", *SAME, "checkpoints")
CELL = ["target_run", "fold", "attack"]


class TransferStore:
    """``runs/<source>/transfer/<name>/``, of sounds ``transfer-sound/``: ``rows.parquet`` and ``summary.json``.

    Earlier results with the same settings, for other targets, attacks or folds, are kept.

    Args:
        path: the folder; it need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, rows: pd.DataFrame, crafted: AttackSummary) -> TransferSummary:
        """Write the predictions and every number that follows from them.

        Args:
            rows: one row per fold, attack, budget, clip and target.
            crafted: summary of the attacks on the source.

        Returns:
            The content of ``summary.json``.

        Raises:
            DataError: if earlier results cannot be read.
        """
        # Rows of version 2 do not name classes.
        rows = with_label_names(self._with_earlier(rows, crafted), crafted["class_names"])
        cells = summarise_transfer(rows)
        for cell in cells:
            place = cell["fold"], cell["attack"]
            cell["source_auc"], cell["source_batch_gradients"] = _of_source(crafted, *place)
        summary = {
            **{name: value for name, value in crafted.items() if name in FROM_ATTACKS},
            "source_run": str(rows["source_run"].iloc[0]),
            "source_architecture": str(rows["source_architecture"].iloc[0]),
            "path": str(self.path),
            "rows": plain_numbers(cells),
            "versions": package_versions(),
            "git_commit": git_commit(),
        }
        # Nothing slow between the two: new rows beside a summary of other settings would be taken for rows of those.
        write_rows(self.path / "rows.parquet", rows)
        write_json(self.path / "summary.json", summary)
        return cast(TransferSummary, summary)

    def _with_earlier(self, rows: pd.DataFrame, crafted: AttackSummary) -> pd.DataFrame:
        summary, earlier = self.path / "summary.json", self.path / "rows.parquet"
        if not (summary.is_file() and earlier.is_file()):
            return rows
        remedy = f"remove {self.path} to evaluate again"
        stored = read_json(summary, remedy)
        if stored.get("schema_version", 1) in READABLE:
            stored = in_this_version(stored, summary, "")
        before, now = stored.get("checkpoints") or {}, crafted["checkpoints"]
        same = all(stored.get(name) == value for name, value in crafted.items() if name in SAME)
        if not same or any(before[fold] != now[fold] for fold in before.keys() & now.keys()):
            return rows
        kept = read_rows(earlier, remedy)
        if "target_checkpoint" not in kept:
            return rows
        again = kept[CELL].merge(rows[CELL].drop_duplicates(), how="left", indicator="evaluated")["evaluated"] == "both"
        # What a target that is trained anew said before is void for every attack.
        place = ["target_run", "fold"]
        newest = kept[place].merge(rows[[*place, "target_checkpoint"]].drop_duplicates(), how="left")
        void = newest["target_checkpoint"].notna() & (newest["target_checkpoint"] != kept["target_checkpoint"])
        return pd.concat([rows, kept[~(again | void).to_numpy()]], ignore_index=True)


def _of_source(crafted: AttackSummary, fold: int | None, attack: str | None) -> tuple[float | None, float | None]:
    """AUC and batch gradients of the attack on its own victim, None where they are not computed."""
    entry: AttackNumbers | MeanNumbers | SixNumbers | None
    if attack is None:
        entry = crafted["six"] if fold is None else None
    elif fold is None:
        entry = crafted["means"][attack]
    else:
        entry = next(e for e in crafted["attacks"] if (e["fold"], e["attack"]) == (fold, attack))
    if entry is None:
        return None, None
    return entry["auc"], entry["batch_gradients"]
