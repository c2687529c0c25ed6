"""Comparison of our attacks with those of torchattacks, foolbox and ART, on the same clips in one run.

python benchmarks/attacks.py --checkpoint runs/esc10-stft/fold1/best.ckpt --data.root DIR --clips 20

It uses test clips that the classifier gets right, taking the classes in turn. Every attack gets all of them in one
batch, through a gradient counter; the points that it returns are judged here, by their label and their distance from
the clean input. The libraries are installed by ``pip install -e '.[peers]'``; missing ones are skipped with a message.
"""

import sys
from pathlib import Path

if __name__ == "__main__":
    # This file has the name of the package that it measures, and Python searches the folder of a script first.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    from benchmarks.attacks_run import main

    main(__doc__)
