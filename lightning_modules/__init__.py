"""What the Trainer runs: systems (:class:`SoundClassifier`) and the callbacks around them.

A file belongs here if Lightning calls it. Networks belong in ``classifiers``, numbers in ``metrics``, and what reads a
command line or starts a Trainer in ``commands``.
"""

from lightning_modules.sound_classifier import SoundClassifier

__all__ = ["SoundClassifier"]
