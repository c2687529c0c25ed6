"""Our attacks beside those of torchattacks, foolbox and ART, on the same clips in one run.

python benchmarks/attacks.py --checkpoint runs/esc10-stft/fold1/best.ckpt --data.root DIR --clips 20

Takes test clips that the classifier gets right, class by class in turn. Every side attacks all of them in one batch
through a gradient counter; what it returns is judged here, by its label and its distance from the clean input. The
peers are installed by ``pip install -e '.[peers]'``; a line says so where one is missing.
"""

import sys
from pathlib import Path

if __name__ == "__main__":
    # This file is called like the package that it measures, and Python looks beside a script first.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    from benchmarks.attacks_run import main

    main(__doc__)
