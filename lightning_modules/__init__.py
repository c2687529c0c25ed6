"""What the Trainer runs: systems (:class:`SoundClassifier`) and the callbacks around them."""

from lightning_modules.sound_classifier import SoundClassifier

__all__ = ["SoundClassifier"]
