"""From the page that jsonargparse writes about a wrong flag to one sentence about it."""

import re
from collections.abc import Mapping

KEY = re.compile(r'^(?:Problem with given class_path|Parser key) "?(?P<key>[\w.]+)"?:\s*')
NONE = "Expected a <class 'NoneType'>"
UNKNOWN = "unrecognized arguments: "
REQUIRED = "the following arguments are required: "


def one_sentence(message: str, flags: Mapping[str, str] | None = None) -> str:
    """Reduce a message of jsonargparse to the flag's dotted name, what was expected and what was got.

    A value that fits none of several types gets a list of reasons, nested once more for each class that the flag
    belongs to; the first reason that is not about the absence of a value is the one that says what to do.

    Args:
        message: what jsonargparse says, on one or many lines.
        flags: how each argument is written on the command line, by its name.

    Returns:
        One line, ``data.representation.n_fft: expected int, got 'x'`` for example.
    """
    keys, reason = _innermost(message.strip())
    reason = re.sub(r"<class '([\w.]+\.)?(\w+)'>", r"\2", reason)
    reason = re.sub(r"typing\.Literal\[(.*?)\]", lambda found: "one of " + found[1].replace("'", ""), reason)
    reason = re.sub(r"^Expected (an?|the) ", "expected ", reason)
    reason = re.sub(r"\. Got value: ", ", got ", reason)
    reason = " ".join(reason.split())
    if reason.startswith(UNKNOWN) and all(word.isdecimal() for word in reason.removeprefix(UNKNOWN).split()):
        # Numbers without a flag of their own: more folds.
        reason += "; expected several folds with commas between them, such as --folds 1,2"
    if reason.startswith(REQUIRED):
        names = [(flags or {}).get(name, name.upper()) for name in reason.removeprefix(REQUIRED).split(", ")]
        reason = f"expected {' and '.join(names)} on the command line, found none; see --help"
    return f"{'.'.join(keys)}: {reason}" if keys else reason


def _innermost(message: str) -> tuple[list[str], str]:
    found = KEY.match(message)
    keys = [found["key"]] if found else []
    rest = message[found.end() :] if found else message
    if "Union subtypes" not in rest:
        inner = KEY.match(rest)
        if inner is None:
            return keys, rest
        deeper, reason = _innermost(rest)
        return keys + deeper, reason
    bullets = [line.strip()[2:] for line in rest.splitlines() if line.strip().startswith("- ")]
    told = [bullet for bullet in bullets if bullet != NONE and "Union subtypes" not in bullet]
    if not told:
        return keys, rest.splitlines()[0]
    deeper, reason = _innermost(told[0])
    value = re.search(r"Given value: (.*)", rest)
    if not deeper and "got" not in reason.lower() and reason.startswith("Expected") and value:
        reason = f"{reason}, got {value[1]}"
    # A reason that was already reduced begins with its own key.
    reduced = re.match(r"^(?P<keys>[\w.]+): (?P<reason>.*)$", reason)
    if reduced and not deeper:
        return [*keys, reduced["keys"]], reduced["reason"]
    return keys + deeper, reason
