"""ESC-10: the 400 clips and ten classes of ESC-50 that its author chose for a simpler task (Piczak 2015)."""

from typing import ClassVar

from datamodules.esc50 import ESC50


class ESC10(ESC50):
    """The rows of ESC-50's table with ``esc10`` true, classes renumbered from 0; ``root`` is that of ESC-50."""

    corpus: ClassVar[str] = "ESC10"
    only_esc10: ClassVar[bool] = True
