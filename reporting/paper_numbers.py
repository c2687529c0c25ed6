"""The numbers printed in the paper, read from ``reporting/paper/``."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pandas as pd

from metrics.attack_summary import THE_SIX

FOLDER = Path(__file__).parent / "paper"
VARIED = {1: "sample_rate", 2: "n_fft", 3: "sample_rate", 4: "mother"}
REPRESENTATION = {1: "MFCC", 2: "STFT", 3: "DWT", 4: "DWT"}
ITERATIVE = tuple(attack for attack in THE_SIX if attack != "fgsm")
"""The attacks whose gradient counts differ between models; FGSM always needs one gradient."""

Setting = str | int | float | None


@dataclass(frozen=True)
class PaperSetting:
    """A row of Tables I to IV.

    Attributes:
        table: number of the table.
        representation: MFCC, STFT or DWT.
        corpus: name of the corpus in this project.
        value: the setting varied by the table: in Hz or samples, or the name of a mother wavelet.
        accuracy: share of test clips in [0, 1].
        auc: AUC of each attack; empty in Table IV.
        gradients: batch gradients of each attack; empty in Table IV.
        auc_six: mean AUC over the six attacks; computed in Tables I to III, printed in Table IV.
    """

    table: int
    representation: str
    corpus: str
    value: Setting
    accuracy: float
    auc: dict[str, float]
    gradients: dict[str, float]
    auc_six: float


@dataclass(frozen=True)
class PaperTransfer:
    """An entry of Table V: the share of ``source``'s adversarials that fool ``target`` too."""

    corpus: str
    representation: str
    source: str
    target: str
    ratio: float


@cache
def paper_settings(table: int) -> tuple[PaperSetting, ...]:
    """Rows of one of Tables I to IV, in the paper's order.

    Raises:
        ValueError: for any other table.
    """
    if table not in VARIED:
        raise ValueError(f"expected table in 1..4, got {table}")
    rows = []
    for row in pd.read_csv(FOLDER / f"table{table}.csv").to_dict("records"):
        auc = {attack: float(row[f"{attack}_auc"]) for attack in THE_SIX if f"{attack}_auc" in row}
        gradients = {attack: float(row[f"{attack}_gradients"]) for attack in auc}
        six = sum(auc.values()) / len(auc) if auc else float(row["six_auc_percent"]) / 100
        rows.append(
            PaperSetting(
                table=table,
                representation=REPRESENTATION[table],
                corpus=str(row["corpus"]),
                value=row[VARIED[table]],
                accuracy=float(row["accuracy_percent"]) / 100,
                auc=auc,
                gradients=gradients,
                auc_six=six,
            )
        )
    return tuple(rows)


@cache
def paper_transfers() -> tuple[PaperTransfer, ...]:
    """Entries of Table V, diagonals included, in the paper's order."""
    rows = pd.read_csv(FOLDER / "table5.csv").to_dict("records")
    return tuple(
        PaperTransfer(
            str(row["corpus"]),
            str(row["representation"]),
            str(row["source"]),
            str(row["target"]),
            float(row["transfer_ratio"]),
        )
        for row in rows
    )
