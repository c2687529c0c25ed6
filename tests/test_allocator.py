"""The allocator's settings, seen by what the kernel counts: pages that it had to hand out."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parent.parent
# A block beyond glibc's largest threshold, taken and freed again and again, as the activations of a batch are.
# The first one grows the heap and is not counted.
BLOCKS = """
import resource
import sys
import numpy as np
from commands.allocator import keep_freed_memory
if sys.argv[1] == "kept":
    assert keep_freed_memory()
rounds, block_bytes = 20, 40 * 2**20
np.ones(block_bytes, dtype=np.uint8)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(rounds):
    np.ones(block_bytes, dtype=np.uint8)
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / rounds)
"""
# With huge pages of 2 MiB, which some machines give to every process, a block of 40 MiB is 20 faults, without them
# 10240; one in the block's place takes none. Half of the fewest is the line between handed out anew and kept.
FEWEST_FAULTS_OF_A_NEW_BLOCK = 10


def faults_per_block(mode: str) -> float:
    """Mean number of page faults for each of 20 blocks taken one after the other, the first one of all left out."""
    done = subprocess.run(
        [sys.executable, "-c", BLOCKS, mode], cwd=CHECKOUT, check=True, capture_output=True, text=True
    )
    return float(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the settings are those of glibc")
def test_a_freed_block_is_not_handed_out_again() -> None:
    assert faults_per_block("kept") < FEWEST_FAULTS_OF_A_NEW_BLOCK / 10


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the settings are those of glibc")
def test_without_the_settings_every_block_is_handed_out_anew() -> None:
    assert faults_per_block("plain") > FEWEST_FAULTS_OF_A_NEW_BLOCK


def test_nothing_is_set_without_glibc(monkeypatch: pytest.MonkeyPatch) -> None:
    from commands.allocator import keep_freed_memory

    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert not keep_freed_memory()
