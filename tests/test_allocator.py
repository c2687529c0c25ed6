"""The allocator's settings, seen by what the kernel counts: pages that it had to hand out."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parent.parent
# A block beyond glibc's largest threshold, taken and freed again and again, as the activations of a batch are.
BLOCKS = """
import resource
import sys
import numpy as np
from commands.allocator import keep_freed_memory
if sys.argv[1] == "kept":
    assert keep_freed_memory()
rounds, block_bytes = 20, 40 * 2**20
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(rounds):
    np.ones(block_bytes, dtype=np.uint8)
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / (block_bytes / resource.getpagesize()))
"""


def blocks_faulted(mode: str) -> float:
    """Number of blocks whose pages the kernel had to hand out, of 20 taken one after the other."""
    done = subprocess.run(
        [sys.executable, "-c", BLOCKS, mode], cwd=CHECKOUT, check=True, capture_output=True, text=True
    )
    return float(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the settings are those of glibc")
def test_kernel_hands_a_freed_block_out_once() -> None:
    assert blocks_faulted("kept") < 2.5


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the settings are those of glibc")
def test_without_the_settings_every_block_is_handed_out_anew() -> None:
    # Huge pages, where a machine gives them to every process, are fewer faults a block, but faults each time.
    plain, kept = blocks_faulted("plain"), blocks_faulted("kept")
    assert plain > 5 * kept


def test_nothing_is_set_without_glibc(monkeypatch: pytest.MonkeyPatch) -> None:
    from commands.allocator import keep_freed_memory

    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert not keep_freed_memory()
