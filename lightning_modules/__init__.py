"""What a Trainer runs: systems (:class:`SoundClassifier`, ``AttackEvaluation``) and callbacks.

Code belongs here if Lightning calls it. Networks belong in ``classifiers``, numbers in ``metrics``, and code that reads
a command line or starts a Trainer in ``commands``.
"""

from lightning_modules.sound_classifier import SoundClassifier

__all__ = ["SoundClassifier"]
