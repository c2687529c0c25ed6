"""Processes that start in a fraction of a second because they do not import PyTorch."""

import subprocess
import sys
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).parents[1]
START = """
import pickle, sys, types
sys.path.insert(0, {checkout!r})
package = types.ModuleType("datamodules")
package.__path__ = [{checkout!r} + "/datamodules"]
sys.modules["datamodules"] = package
given = pickle.load(sys.stdin.buffer)
"""


def start_light_process(program: str, **options: Any) -> subprocess.Popen[bytes]:
    """Start ``program``, which finds what is pickled into its standard input first as ``given``.

    The package ``datamodules`` is there without its ``__init__``, which would import PyTorch for seconds.
    """
    return subprocess.Popen(
        [sys.executable, "-c", START.format(checkout=str(CHECKOUT)) + program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,
    )
