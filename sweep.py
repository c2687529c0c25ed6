"""Run the points of a sweep or a study on this machine and without an account; `wandb sweep` takes the sweeps too.

python sweep.py configs/sweeps/table3_dwt_sampling_rate.yaml --budgets reduced --only data=ESC10 -- --data.root DIR
python sweep.py configs/study_esc10.yaml -- --data.root DIR
"""

import sys
from collections.abc import Sequence
from typing import Any

from commands.errors import end_at_sigterm, run_command, starting


def main(args: Sequence[str] | None = None) -> dict[str, Any]:
    """Run a sweep or a study, or with ``point`` as the first word one setting of it.

    Args:
        args: command line; that of the process by default.

    Returns:
        Names of the points that are finished, that failed and that were only listed; or the numbers of the one point.

    Raises:
        UsageError: if a flag, a combination of flags or the sweep's file is invalid.
        DataError: if a point failed.
    """
    arguments = list(sys.argv[1:] if args is None else args)
    # PyTorch takes seconds to import: the flags are checked and a first line is printed before that.
    if arguments[:1] == ["point"]:
        with starting():
            from commands.start import look_at_point_flags

            look_at_point_flags(arguments[1:])
            from commands.sweeps.command import run_point
        return run_point(arguments[1:])
    with starting():
        from commands.start import read_sweep_flags

        command = read_sweep_flags(arguments)
        from commands.sweeps.command import run_sweep
    return run_sweep(command)


if __name__ == "__main__":
    end_at_sigterm()
    run_command(main)
