"""The keys of every JSON results file, with meaning and unit; ``docs/definitions.md`` is generated from them.

A key is ``Annotated[type, meaning]`` or ``Annotated[type, meaning, unit]``. An undefined number is None; an infinite
one is the string ``inf``.
"""

from typing import Annotated, Any, Literal, NotRequired, TypedDict

Number = float | None
"""A number, or None where it is undefined."""


class FoldRecord(TypedDict):
    """``fold<k>/record.json``, and an entry of ``folds`` of a run's ``summary.json``: the test of one fold."""

    fold: Annotated[int, "number of the fold, from 1"]
    accuracy: Annotated[float, "share of the test part's files that are classified correctly", "share"]
    balanced_accuracy: NotRequired[Annotated[float, "mean recall of the classes of the test part", "share"]]
    macro_f1: NotRequired[Annotated[float, "mean F1 of the classes of the test part and of the predictions", "share"]]
    recall: NotRequired[
        Annotated[dict[str, Number], "recall of each class; null where the test part does not have it", "share"]
    ]
    n_test: Annotated[int, "files of the test part, each one clip without `windows=all`", "files"]
    n_test_clips: NotRequired[Annotated[int, "clips of the test part", "clips"]]
    n_train: Annotated[int, "clips of the training part", "clips"]
    n_validation: Annotated[int, "clips of the validation part", "clips"]
    leakage: Annotated[float, "test clips with a clip of the same recording in training or validation", "share"]
    recordings_known: NotRequired[
        Annotated[bool, "whether the table states each file's recording; if not, leakage is a lower bound"]
    ]
    validation: NotRequired[Annotated[str, "`fold` or `none`: whether a fold was held out for validation"]]
    weights: NotRequired[Annotated[str, "which epoch's weights were kept"]]
    checkpoint: Annotated[str, "the model's file, relative to the folder of the run"]
    epochs: Annotated[int | None, "epochs trained; null for an SVM or a random forest", "epochs"]
    seconds: Annotated[float, "time of training and test, interrupted sessions included", "s"]
    parameters: Annotated[int, "trainable parameters", "count"]
    git_commit: NotRequired[
        Annotated[str | None, "commit of the program that tested the fold, with `+changes` if files differed from it"]
    ]


class RunSummary(TypedDict):
    """``summary.json`` of a run: its test accuracy and its provenance."""

    schema_version: Annotated[int, "version of the results schema"]
    corpus: Annotated[str, "name of the corpus"]
    num_classes: Annotated[int, "classes of the corpus' table", "count"]
    class_names: Annotated[list[str], "names of the classes, by label"]
    clip_seconds: NotRequired[Annotated[float, "length of the clips", "s"]]
    table_digest: Annotated[str, "digest of the corpus' table"]
    split: Annotated[str, "split protocol"]
    representation: Annotated[dict[str, Any], "settings of the representation, its class as `class`"]
    architecture: Annotated[str, "the classifier"]
    accuracy_mean: Annotated[Number, "mean accuracy over folds", "share"]
    accuracy_std: Annotated[Number, "sample standard deviation over folds; null with one fold", "share"]
    balanced_accuracy_mean: Annotated[Number, "mean over folds", "share"]
    macro_f1_mean: Annotated[Number, "mean over folds", "share"]
    recall_mean: Annotated[dict[str, Number], "recall of each class, mean over the folds that have it", "share"]
    folds_finished: Annotated[int, "folds trained and tested", "folds"]
    folds_in_all: Annotated[int, "folds of the whole cross-validation", "folds"]
    folds: Annotated[list[FoldRecord], "record of each finished fold"]
    leakage: Annotated[Number, "mean over folds", "share"]
    n_test: Annotated[int, "distinct test files", "files"]
    parameters: Annotated[int | None, "trainable parameters", "count"]
    seed: Annotated[int, "seed of the run"]
    versions: Annotated[dict[str, str], "versions of the packages with which the summary was written"]
    git_commit: Annotated[
        str | None,
        "commit of the program that wrote the summary; each fold's record has that of the fold",
    ]
    recipe: Annotated[dict[str, Any], "settings of `data` and `model` from which the run is rebuilt"]
    training: Annotated[dict[str, Any], "settings of the training: epochs, batch size, precision and others"]


class CostNumbers(TypedDict):
    """``cost_auc90`` and ``cost_auc90_bounded`` of an attack."""

    gradients: Annotated[float, "the cost; a lower bound if censored", "batch gradients"]
    censored: Annotated[bool, "whether no budget reached AUC > 0.9; for a mean, on any of its folds or attacks"]
    low: Annotated[Number, "for a mean, the smallest cost averaged", "batch gradients"]
    high: Annotated[Number, "for a mean, the largest cost averaged; null if any is censored", "batch gradients"]


class _Rates(TypedDict):
    """Rates and areas common to a budget, an attack and a mean."""

    fooling_rate: Annotated[float, "mean success over S", "share"]
    success_65: Annotated[float, "mean `success_65` over S", "share"]
    success_8bit: NotRequired[Annotated[float, "of maps: mean `success_8bit` over S", "share"]]
    success_16bit: NotRequired[Annotated[float, "of sounds: mean `success_16bit` over S", "share"]]
    target_rate: Annotated[Number, "mean `target_hit` over S; null for an attack without targets", "share"]
    fooling_rate_all: Annotated[float, "share of the test clips misclassified after the attack", "share"]
    auc: Annotated[Number, "AUC of -log p(label); 0.5 means no effect"]
    auc_ovr: Annotated[Number, "1 - macro one-versus-rest AUC"]


class _Prices(TypedDict):
    """The cost of an attack."""

    batch_gradients: Annotated[float, "largest `gradients` in a reporting batch, mean over batches", "gradients"]
    full_jacobian_batch_gradients: Annotated[float, "the same for `full_jacobian_gradients`", "gradients"]


class _RateEnds(TypedDict):
    """Intervals over recordings."""

    fooling_rate_low: Annotated[Number, "lower end of the interval of `fooling_rate`", "share"]
    fooling_rate_high: Annotated[Number, "upper end", "share"]
    interval_method: Annotated[str, "method of the interval of `fooling_rate`"]
    auc_low: Annotated[Number, "lower end of the interval of `auc`"]
    auc_high: Annotated[Number, "upper end"]


class BudgetNumbers(_Rates, _Prices, _RateEnds):
    """An entry of ``budgets`` of ``attacks/summary.json``: one budget of an attack on one fold."""

    fold: Annotated[int, "number of the fold, from 1"]
    attack: Annotated[str, "name of the attack"]
    budget_index: Annotated[int, "position of the budget in its profile, from 0"]
    budget: Annotated[dict[str, Any], "settings of the budget"]
    n: Annotated[int, "clips of S", "clips"]
    n_test: Annotated[int, "test clips, those misclassified when clean included", "clips"]
    recordings: Annotated[int, "distinct recordings of the clips of S", "recordings"]
    gradients_mean: Annotated[float, "mean of `gradients` over S", "gradients"]
    median_l2: Annotated[float | str | None, "median l_2 norm over the successes", "units of the map"]
    median_linf: Annotated[float | str | None, "median l_inf norm over the successes", "units of the map"]
    median_l0: Annotated[float | str | None, "median number of changed values over the successes", "count"]
    median_snr_db: Annotated[float | str | None, "median signal-to-noise ratio over the successes", "dB"]
    median_l2_all: Annotated[
        float | str | None, "median l_2 norm over S, failures counted as infinite", "units of the map"
    ]
    zero_gradient_share: Annotated[float, "share of the gradients that are exactly zero", "share"]
    seconds: Annotated[float, "running time of the attack", "s"]


class AttackNumbers(_Rates, _Prices):
    """An entry of ``attacks`` of ``attacks/summary.json``: one attack on one fold, mean over its budgets."""

    fold: Annotated[int, "number of the fold, from 1"]
    attack: Annotated[str, "name of the attack"]
    n: Annotated[int, "clips of S", "clips"]
    budgets: Annotated[int, "number of budgets", "count"]
    recordings: Annotated[int, "distinct recordings of the clips of S", "recordings"]
    auc_budget: Annotated[Number, "area under the fooling rate over log delta or SNR, divided by its width", "share"]
    cost_auc90: Annotated[CostNumbers, "cheapest budget that reaches AUC > 0.9"]
    cost_auc90_bounded: Annotated[CostNumbers, "the same among budgets with a median SNR of at least 20 dB"]
    seconds: Annotated[float, "running time of the attack", "s"]


class MeanNumbers(_Rates, _Prices, _RateEnds):
    """An entry of ``means`` of ``attacks/summary.json``, by the name of the attack: means over folds."""

    folds: Annotated[int, "number of folds", "count"]
    n: Annotated[int, "distinct clips of S over the folds", "clips"]
    recordings: Annotated[int, "distinct recordings of these", "recordings"]
    auc_budget: Annotated[Number, "mean over folds", "share"]
    fooling_rate_std: Annotated[
        Number, "sample standard deviation of `fooling_rate` over folds; null with one fold", "share"
    ]
    success_65_std: Annotated[Number, "the same for `success_65`", "share"]
    success_8bit_std: NotRequired[Annotated[Number, "the same for `success_8bit`", "share"]]
    success_16bit_std: NotRequired[Annotated[Number, "the same for `success_16bit`", "share"]]
    target_rate_std: Annotated[Number, "the same for `target_rate`", "share"]
    fooling_rate_all_std: Annotated[Number, "the same for `fooling_rate_all`", "share"]
    auc_std: Annotated[Number, "the same for `auc`"]
    auc_ovr_std: Annotated[Number, "the same for `auc_ovr`"]
    batch_gradients_std: Annotated[Number, "the same for `batch_gradients`", "gradients"]
    full_jacobian_batch_gradients_std: Annotated[Number, "the same for `full_jacobian_batch_gradients`", "gradients"]
    auc_budget_std: Annotated[Number, "the same for `auc_budget`", "share"]
    cost_auc90: Annotated[CostNumbers, "mean over folds"]
    cost_auc90_bounded: Annotated[CostNumbers, "mean over folds"]
    batch_gradients_min: Annotated[float, "smallest `batch_gradients` of any fold", "gradients"]
    batch_gradients_max: Annotated[float, "largest `batch_gradients` of any fold", "gradients"]
    seconds: Annotated[float, "running time of the attack on all folds", "s"]


class SixNumbers(_Prices, _RateEnds):
    """``six`` of ``attacks/summary.json``: plain means over the six attacks, null unless all ran on the same folds."""

    attacks: Annotated[list[str], "the six"]
    n: Annotated[int, "distinct clips of S over the folds", "clips"]
    recordings: Annotated[int, "distinct recordings of these", "recordings"]
    fooling_rate: Annotated[Number, "mean over the six", "share"]
    auc: Annotated[Number, "mean over the six"]
    auc_ovr: Annotated[Number, "mean over the six"]
    cost_auc90: Annotated[CostNumbers, "mean over the six"]


class AttackedFoldNumbers(TypedDict):
    """An entry of ``folds`` of ``attacks/summary.json``: the clean clips of one fold."""

    fold: Annotated[int, "number of the fold, from 1"]
    n_test: Annotated[int, "test clips chosen for the attack", "clips"]
    n: Annotated[int, "of these, classified correctly when clean: S", "clips"]
    accuracy: Annotated[float, "`n` / `n_test`", "share"]


class CheckRecord(TypedDict):
    """An entry of ``checks`` of ``attacks/summary.json``: a trust check of one fold."""

    name: Annotated[str, "what was checked"]
    kind: Annotated[Literal["hard", "soft"], "`hard`: has to hold for every clip; `soft`: a warning sign"]
    passed: Annotated[bool, "whether the check holds"]
    fold: Annotated[int, "number of the fold, from 1"]
    attack: Annotated[str | None, "the attack checked; null for a check of the whole fold"]
    found: Annotated[str, "what was measured"]
    remedy: Annotated[str, "what to do if the check fails"]


class Maker(TypedDict):
    """An entry for an attack in ``made_by`` of ``attacks/summary.json``: what attacked clips with it.

    In files of earlier versions the value for an attack is such an entry, of the first commit, instead of a list.
    """

    git_commit: Annotated[str | None, "commit of the program, with `+changes` if files differed from it"]
    versions: Annotated[dict[str, str], "versions of the packages"]
    folds: NotRequired[Annotated[list[int], "folds on which it attacked clips; missing in files of earlier versions"]]


class AttackNumbersOfRun(TypedDict):
    """The part of ``attacks/summary.json`` that is computed from the rows of the attacks on one run alone."""

    n_test: Annotated[int, "distinct test clips chosen for the attack", "clips"]
    n: Annotated[int, "of these, classified correctly when clean on some fold: S", "clips"]
    recordings: Annotated[int, "distinct recordings of the clips of S", "recordings"]
    accuracy_on_attacked: Annotated[
        float, "share of the tests of clips on all folds that are correct when clean", "share"
    ]
    folds: Annotated[list[AttackedFoldNumbers], "one entry per fold"]
    budgets: Annotated[list[BudgetNumbers], "one entry per fold, attack and budget"]
    attacks: Annotated[list[AttackNumbers], "one entry per fold and attack"]
    means: Annotated[dict[str, MeanNumbers], "one entry per attack"]
    six: Annotated[SixNumbers | None, "mean over the six attacks"]


class AttackSummary(AttackNumbersOfRun):
    """``attacks/summary.json``, of sounds ``attacks-sound/summary.json``: every number of the attacks on one run."""

    schema_version: Annotated[int, "version of the results schema"]
    space: NotRequired[Annotated[Literal["map", "sound"], "what was attacked; maps where it is missing"]]
    silent: NotRequired[Annotated[int, "of sounds: distinct silent clips, left out of all other numbers", "clips"]]
    corpus: Annotated[str, "name of the corpus"]
    num_classes: Annotated[int, "classes of the corpus' table", "count"]
    class_names: Annotated[list[str], "names of the classes, by label"]
    split: Annotated[str, "split protocol"]
    representation: Annotated[dict[str, Any], "settings of the representation"]
    architecture: Annotated[str, "the classifier"]
    profile: Annotated[str, "name or file of the profile of budgets"]
    seed: Annotated[int, "seed of targets and of all other random numbers"]
    clips: Annotated[int | None, "size of the stratified subset of each test part; null: all", "clips"]
    checks: Annotated[list[CheckRecord], "trust checks"]
    recipe: Annotated[dict[str, Any], "settings from which the run is rebuilt"]
    checkpoints: Annotated[dict[str, str], "digest of each fold's checkpoint", "SHA-256"]
    made_by: Annotated[
        dict[str, list[Maker]],
        "for each attack, every commit and set of versions that attacked clips with it, in order",
    ]


class TransferCell(TypedDict):
    """An entry of ``rows`` of ``transfer/<name>/summary.json``: one target model, attack and fold."""

    fold: Annotated[int | None, "number of the fold; null for all folds together"]
    attack: Annotated[str | None, "name of the attack; null for the plain mean over the six"]
    target_run: Annotated[str, "name of the target model's run"]
    target_architecture: Annotated[str, "its architecture"]
    target_representation: NotRequired[Annotated[str, "of sounds: class of its representation"]]
    target_sample_rate: NotRequired[Annotated[int, "of sounds: its sample rate", "Hz"]]
    ratio: Annotated[Number, "transfer ratio; null where nothing fools the source", "share"]
    ratio_low: Annotated[Number, "lower end of its interval", "share"]
    ratio_high: Annotated[Number, "upper end", "share"]
    interval_method: Annotated[str, "method of the interval"]
    numerator: Annotated[int, "adversarials that fool both, over clips, folds and budgets", "count"]
    denominator: Annotated[int, "adversarials that fool the source", "count"]
    target_hit_ratio: Annotated[Number, "the same ratio for hits of the target label", "share"]
    target_hit_denominator: NotRequired[
        Annotated[int, "adversarials that reach their target label on the source; only for one attack", "count"]
    ]
    attacks: NotRequired[Annotated[int, "attacks that have a ratio; only for a mean over the six", "count"]]
    auc_on_target: Annotated[
        Number, "AUC on the target model, over clips that both classify correctly; null for an SVM or a forest"
    ]
    n: Annotated[int, "distinct clips in the denominator", "clips"]
    recordings: Annotated[int, "distinct recordings of these", "recordings"]
    source_auc: NotRequired[Annotated[Number, "AUC of the attack on the source itself"]]
    source_batch_gradients: NotRequired[Annotated[Number, "batch gradients of the attack", "gradients"]]


class TransferSummary(TypedDict):
    """``transfer/<name>/summary.json``: how the attacks on one run transfer to other models.

    Attacks on sounds have it in ``transfer-sound``.
    """

    schema_version: Annotated[int, "version of the results schema"]
    space: NotRequired[Annotated[Literal["map", "sound"], "what was attacked; maps where it is missing"]]
    corpus: Annotated[str, "name of the corpus"]
    class_names: Annotated[list[str], "names of the classes, by label"]
    split: Annotated[str, "split protocol"]
    representation: Annotated[dict[str, Any], "settings of the representation"]
    profile: Annotated[str, "name or file of the profile of budgets"]
    seed: Annotated[int, "seed of targets and of all other random numbers"]
    clips: Annotated[int | None, "size of the stratified subset of each test part; null: all", "clips"]
    recipe: Annotated[dict[str, Any], "settings from which the source is rebuilt"]
    checkpoints: Annotated[dict[str, str], "digest of each fold's checkpoint of the source", "SHA-256"]
    source_run: Annotated[str, "name of the run that was attacked"]
    source_architecture: Annotated[str, "its architecture"]
    path: Annotated[str, "the folder of this file"]
    rows: Annotated[list[TransferCell], "one entry per target, attack and fold, and the means"]
    versions: Annotated[dict[str, str], "versions of the packages with which the summary was written"]
    git_commit: Annotated[
        str | None, "commit of the program that wrote the summary; rows that an earlier command added may be of another"
    ]


class RetestRecord(TypedDict):
    """``fold<k>/retest-<corpus>-<split>-fold<k>.json``: a checkpoint tested again by ``--test_only``."""

    checkpoint: Annotated[str, "the model's file"]
    corpus: Annotated[str, "name of the corpus"]
    split: Annotated[str, "split protocol"]
    fold: Annotated[int, "number of the fold, from 1"]
    test_part: Annotated[Literal["recorded", "drawn"], "whether the test part is that of the checkpoint or a new one"]
    accuracy: Annotated[float, "share of the test clips that are classified correctly", "share"]
    n_test: Annotated[int, "clips of the test part", "clips"]
    n_gone: Annotated[int, "recorded test clips that the table no longer lists", "clips"]
    n_seen: Annotated[int, "test clips used in the model's training or validation", "clips"]
    n_seen_recordings: Annotated[
        int, "test clips from a recording of which a clip was used in the model's training or validation", "clips"
    ]


SUMMARIES: tuple[type, ...] = (
    *(FoldRecord, RunSummary, RetestRecord, AttackSummary, AttackedFoldNumbers, BudgetNumbers, AttackNumbers),
    *(MeanNumbers, SixNumbers, CostNumbers, CheckRecord, Maker, TransferSummary, TransferCell),
)
