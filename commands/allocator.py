"""Settings of the C library's allocator, so that memory freed by one batch is reused by the next."""

import ctypes
import platform

# Parameters of mallopt(3), from <malloc.h>.
M_TRIM_THRESHOLD = -1
M_TOP_PAD = -2
M_MMAP_MAX = -4
# By how much the heap grows at once; the blocks of a training step are of 1 to 32 MiB.
TOP_PAD_BYTES = 64 * 2**20


def keep_freed_memory() -> bool:
    """Keep freed memory in the process instead of returning it to the kernel, with glibc.

    glibc maps every block of over 32 MiB anew and gives the end of its heap back, so that at each step of training or
    of an attack on a CPU the kernel would clear pages for the same activations again (``benchmarks/allocator.py``).
    The process stays at its peak of memory instead. Without glibc nothing changes.

    Returns:
        Whether the allocator took the settings.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return all(
        mallopt(parameter, value)
        for parameter, value in ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, -1), (M_TOP_PAD, TOP_PAD_BYTES))
    )
