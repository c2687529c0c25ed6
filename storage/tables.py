"""The columns of every table of rows in a run, with meaning and unit; ``docs/definitions.md`` is generated from them.

A column is ``Annotated[type, meaning]`` or ``Annotated[type, meaning, unit]``.
"""

from typing import Annotated, NotRequired, TypedDict

import numpy as np
from numpy.typing import NDArray

Logits = NDArray[np.float32]


class _Place(TypedDict):
    """What identifies an outcome: a clip, attacked with one budget of one attack."""

    fold: Annotated[int, "number of the fold, from 1"]
    attack: Annotated[str, "name of the attack; a `check_...` is run only for the trust checks"]
    budget_index: Annotated[int, "position of the budget in its profile, from 0"]
    budget: Annotated[str, "settings of the budget, as JSON"]
    clip: Annotated[int, "position of the clip in the fold's record, from 0"]
    name: Annotated[str, "file name of the clip"]
    recording: Annotated[str, "recording that the clip was cut from"]
    label: Annotated[int, "true class"]
    label_name: Annotated[str | None, "its name"]
    target_label: Annotated[int, "class to reach, -1 in an untargeted attack"]
    target_label_name: Annotated[str | None, "its name, missing in an untargeted attack"]


class OutcomeRow(_Place):
    """``attacks/outcomes.parquet``: one row per fold, attack, budget and clip of S.

    Each setting of a budget (``delta``, ``steps``, ...) is a column too, unless it has the name of one of these.
    Attacks on sounds have the table in ``attacks-sound``.
    """

    seed: Annotated[int, "seed of targets and of all other random numbers"]
    prediction: Annotated[int, "class of the adversarial"]
    prediction_name: Annotated[str | None, "its name"]
    logits_clean: Annotated[Logits, "logits of the clean map `(classes,)`"]
    logits_adversarial: Annotated[Logits, "logits of the adversarial `(classes,)`"]
    success: Annotated[float, "class of the adversarial differs from the label", "0 or 1; a share over targets"]
    success_65: Annotated[float, "success with a probability of at least 0.65", "0 or 1; a share over targets"]
    success_8bit: NotRequired[
        Annotated[float, "of maps: success that survives rounding to 256 levels", "0 or 1; a share over targets"]
    ]
    success_16bit: NotRequired[
        Annotated[float, "of sounds: success that survives rounding to 16 bits", "0 or 1; a share over targets"]
    ]
    target_hit: Annotated[float, "the adversarial's class is the target label", "0 or 1; a share over targets"]
    noise_success: Annotated[float, "success of random noise of the perturbation's norm", "0 or 1"]
    iterations: Annotated[float, "updates of the iterate", "count"]
    gradients: Annotated[float, "gradient rows spent on the clip", "count"]
    full_jacobian_gradients: Annotated[float, "the same with one row per candidate class for each Jacobian", "count"]
    zero_gradients: Annotated[float, "gradients that are exactly zero", "count"]
    forward_rows: Annotated[float, "forward passes of the clip", "count"]
    l2: Annotated[float, "Euclidean norm of the perturbation", "units of the map; of full scale in sound"]
    linf: Annotated[float, "largest change of a value", "units of the map; of full scale in sound"]
    l0: Annotated[float, "values that changed by more than 1e-6", "count"]
    snr_db: Annotated[float, "signal-to-noise ratio of map or sound; of several targets, the mean over those hit", "dB"]
    confirmed: Annotated[bool, "whether the adversarial gets the same class when evaluated again alone"]
    in_bounds: Annotated[bool, "the adversarial lies within the bounds and the size that the budget allows"]
    hook_agrees: Annotated[bool, "whether the gradients reported for the batch are those that the hook counted"]
    reporting_batch: Annotated[int, "reporting batch of the clip, from 0"]
    seconds: Annotated[float, "the clip's share of the time of its batch, over budgets too", "s"]


class CleanRow(TypedDict):
    """``attacks/clips.parquet``: one row per fold and attacked test clip, including those misclassified when clean.

    Attacks on sounds have it in ``attacks-sound``.
    """

    fold: Annotated[int, "number of the fold, from 1"]
    clip: Annotated[int, "position of the clip in the fold's record, from 0"]
    name: Annotated[str, "file name of the clip"]
    recording: Annotated[str, "recording that the clip was cut from"]
    label: Annotated[int, "true class"]
    label_name: Annotated[str | None, "its name"]
    prediction: Annotated[int, "class of the clean clip"]
    prediction_name: Annotated[str | None, "its name"]
    clean_correct: Annotated[bool, "whether the two are the same: the clip belongs to S"]
    logits_clean: Annotated[Logits, "logits of the clean map or sound `(classes,)`"]
    silent: NotRequired[Annotated[bool, "of sounds: all samples are equal; left out of all numbers"]]
    reporting_batch: Annotated[int, "reporting batch of the clip, from 0"]


class TransferRow(_Place):
    """``transfer/<name>/rows.parquet``: one row per fold, attack, budget, clip and target model.

    Attacks on sounds have the table in ``transfer-sound``. All of its predictions, those of the source too, are of the
    sounds as they are kept, with 16 bits.
    """

    source_run: Annotated[str, "name of the run that the adversarial was made for"]
    source_architecture: Annotated[str, "its architecture"]
    target_run: Annotated[str, "name of the run that classifies the adversarial"]
    target_architecture: Annotated[str, "its architecture"]
    target_checkpoint: Annotated[str, "digest of the target's checkpoint", "SHA-256"]
    target_representation: NotRequired[Annotated[str, "of sounds: class of the target model's representation"]]
    target_sample_rate: NotRequired[
        Annotated[int, "of sounds: sample rate of the target model, to which they are resampled", "Hz"]
    ]
    clean_correct_source: Annotated[bool, "the source classifies the clean clip correctly; of maps always true"]
    clean_correct_target: Annotated[bool, "the target model classifies the clean clip correctly"]
    source_success: Annotated[bool, "the adversarial fools the source"]
    target_success: Annotated[bool, "the adversarial fools the target model"]
    source_reached_target_label: Annotated[bool, "the source predicts the target label"]
    target_reached_target_label: Annotated[bool, "the target model predicts the target label"]
    target_prediction: Annotated[int, "class that the target model gives the adversarial"]
    target_prediction_name: Annotated[str | None, "its name"]
    target_logits_clean: Annotated[
        Logits | None, "the target model's logits of the clean map; missing for an SVM or a forest"
    ]
    target_logits_adversarial: Annotated[Logits | None, "the same for the adversarial"]


class RoundTripRow(_Place):
    """``round-trip/rows.parquet``: one row per fold, attack, budget and clip whose adversarial map is stored."""

    map_prediction: Annotated[int, "class of the adversarial map, as attack.py found it"]
    map_success: Annotated[bool, "this class differs from the label"]
    map_target_hit: Annotated[bool, "this class is the target label"]
    sound_prediction: Annotated[int, "class of the map of the sound that the adversarial map was made into"]
    sound_logits: Annotated[Logits, "its logits `(classes,)`"]
    sound_success: Annotated[bool, "this class differs from the label"]
    sound_target_hit: Annotated[bool, "this class is the target label"]
    snr_db: Annotated[float, "signal-to-noise ratio of the sound; missing for a silent clip", "dB"]
    consistency: Annotated[
        float, "distance of the map of the sound from the adversarial map, over that of the clean map from it"
    ]
    map_change_l2: Annotated[float, "Euclidean norm of the attack on the map", "units of the map"]
    peak: Annotated[
        float,
        "largest absolute sample of the sound; above 1 it is clipped in a written file, not where it is classified",
        "full scale",
    ]


class FragilityRow(_Place):
    """``fragility/rows.parquet``: one row per fold, attack, budget, clip and disturbance.

    The clean clips have the attack ``clean``. Attacks on sounds have the table in ``fragility-sound``.
    """

    transform: Annotated[str, "kind of the disturbance"]
    strength: Annotated[float, "how much of it, in `unit`"]
    unit: Annotated[str, "unit of the strength"]
    sound_success: Annotated[bool, "the class of the undisturbed sound differs from the label"]
    sound_target_hit: Annotated[bool, "the class of the undisturbed sound is the target label"]
    disturbed_prediction: Annotated[int, "class of the disturbed sound"]
    disturbed_success: Annotated[bool, "this class differs from the label"]
    disturbed_target_hit: Annotated[bool, "this class is the target label"]


class ScalarRow(_Place):
    """``scalar-test/rows.parquet``: one row per fold, attack, budget and clip that fools, input and scalar.

    Attacks on sounds have the table in ``scalar-test-sound``.
    """

    input: Annotated[str, "what is multiplied: `map`, or the `sound` (of attacks on maps, the one made of the map)"]
    kind: Annotated[str, "`draw` for a random scalar, `gain` for a fixed one"]
    number: Annotated[int, "position of the scalar among those of its kind, from 0"]
    scalar: Annotated[float, "the scalar"]
    restored: Annotated[bool, "the adversarial times the scalar gets the label"]
    clean_correct: Annotated[bool, "so does the clean clip times the scalar"]
    fools: Annotated[bool, "the adversarial fools before it is multiplied; a sound made of a map may not"]


class SplitRow(TypedDict):
    """``fold<k>/split.csv``: one row per clip of the corpus."""

    clip: Annotated[str, "file name of the clip"]
    recording: Annotated[str, "recording that the clip was cut from"]
    label: Annotated[int, "true class"]
    class_name: Annotated[str, "its name"]
    part: Annotated[str, "`train`, `validation` or `test`"]


class PredictionRow(TypedDict):
    """``fold<k>/predictions.csv``: one row per file of the test part."""

    clip: Annotated[str, "name of the file"]
    recording: Annotated[str, "recording that the clip was cut from"]
    label: Annotated[int, "true class"]
    label_name: Annotated[str, "its name"]
    prediction: Annotated[int, "predicted class"]
    prediction_name: Annotated[str, "its name"]


TABLES: tuple[type, ...] = (
    SplitRow,
    PredictionRow,
    CleanRow,
    OutcomeRow,
    TransferRow,
    RoundTripRow,
    FragilityRow,
    ScalarRow,
)
