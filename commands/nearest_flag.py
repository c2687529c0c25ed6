"""Suggestions for misspelt flags and names."""

import difflib
from collections.abc import Collection

ELSEWHERE = {
    **dict.fromkeys(("epochs", "num-epochs", "n-epochs", "max-epoch"), "trainer.max_epochs"),
    **dict.fromkeys(("lr", "learning-rate"), "model.learning_rate"),
    **dict.fromkeys(("gpus", "gpu", "num-gpus", "device", "ngpus"), "trainer.devices"),
    **dict.fromkeys(("nodes", "nnodes"), "trainer.num_nodes"),
    **dict.fromkeys(("cpu", "cuda"), "trainer.accelerator"),
    **dict.fromkeys(("amp", "fp16", "bf16", "half"), "trainer.precision"),
    **dict.fromkeys(("bs", "batch"), "data.batch_size"),
    **dict.fromkeys(("workers", "j"), "data.num_workers"),
    **dict.fromkeys(("dataset", "corpus"), "data"),
    **dict.fromkeys(("data-dir", "data-path", "dataset-root", "root-dir"), "data.root"),
    **dict.fromkeys(("arch", "a", "model", "net", "network", "backbone"), "model.architecture"),
    **dict.fromkeys(("features", "feature", "transform", "frontend", "front-end"), "data.representation"),
    **dict.fromkeys(("sr", "fs", "sampling-rate"), "data.representation.sample_rate"),
    **dict.fromkeys(("wd", "l2"), "model.weight_decay"),
    **dict.fromkeys(("eps", "epsilon", "epsilons", "steps", "profile"), "budgets"),
    **dict.fromkeys(("attack", "attack-name"), "attacks"),
    **dict.fromkeys(("checkpoint", "ckpt", "ckpt-path", "weights", "run", "runs", "model-path"), "checkpoints"),
    **dict.fromkeys(("n", "num-samples", "limit", "samples"), "clips"),
    **dict.fromkeys(("out", "output-dir", "save-dir", "out-dir"), "output"),
    **dict.fromkeys(("exp-name", "experiment", "run-name"), "name"),
    **dict.fromkeys(("resume", "resume-from", "force"), "overwrite"),
    **dict.fromkeys(("kfold", "cv", "fold", "k"), "folds"),
    **dict.fromkeys(("test", "eval", "evaluate"), "test_only"),
    **dict.fromkeys(("log", "loggers", "report-to", "tensorboard", "tb", "no-wandb"), "logger"),
    **dict.fromkeys(("parallel", "processes", "workers", "n-jobs"), "jobs"),
}
"""Names that other tools use, and the flag here; a suggestion is made only if the command has that flag."""


def unknown_flag(flag: str, names: Collection[str], program: str) -> str:
    """The error message for an unknown flag, with the nearest known one.

    Args:
        flag: the flag as it was written.
        names: dotted names of the known flags, without hyphens.
        program: the command.
    """
    written = flag.split("=", 1)[0]
    found = nearest_flag(written.lstrip("-"), names)
    hint = f"did you mean --{found}? see --help" if found else "see --help"
    return f"expected a flag of {program}, got {written}; {hint}"


def nearest_flag(name: str, names: Collection[str]) -> str | None:
    """The flag that was probably meant; None if none is close.

    Candidates, in this order: the same name in another spelling, the flag that other tools call by this name, the same
    last part, a similar name, a similar last part.
    """
    plain = {one: one.replace("-", "_").lower() for one in names}
    wanted = name.replace("-", "_").lower()
    elsewhere = ELSEWHERE.get(name.replace("_", "-").lower())
    last = wanted.rsplit(".", 1)[-1]
    candidates = [one for one, spelt in plain.items() if spelt == wanted]
    candidates += [elsewhere] if elsewhere in plain else []
    candidates += sorted((one for one, spelt in plain.items() if spelt.rsplit(".", 1)[-1] == last), key=len)
    if candidates:
        return candidates[0]
    by_name = difflib.get_close_matches(wanted, plain.values(), n=1, cutoff=0.75)
    tails = {spelt.rsplit(".", 1)[-1]: one for one, spelt in sorted(plain.items(), key=lambda item: -len(item[0]))}
    by_tail = difflib.get_close_matches(last, tails, n=1, cutoff=0.75)
    if by_name:
        return next(one for one, spelt in plain.items() if spelt == by_name[0])
    return tails[by_tail[0]] if by_tail else None


def meant(value: str, allowed: Collection[str]) -> str:
    """``; did you mean ESC10?``, or an empty string if no allowed name is close."""
    spelt = {one.lower(): one for one in allowed}
    near = difflib.get_close_matches(value.lower().replace("-", "").replace("_", ""), spelt, n=1, cutoff=0.6)
    return f"; did you mean {spelt[near[0]]}?" if near else ""
