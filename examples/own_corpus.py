"""Train on recordings of your own, with one folder per class, and classify one of them.

.venv/bin/python examples/own_corpus.py
"""

import tempfile
from pathlib import Path

import numpy as np
import soundfile
from pytorch_lightning import Trainer, seed_everything

from datamodules import Folder
from lightning_modules import SoundClassifier
from representations import LogMel

root = Path(tempfile.mkdtemp())  # yours: root/<class>/**/<file>, any audio; here 30 made-up files
for pitch, name in ((300, "hum"), (900, "beep"), (2500, "whistle")):
    for take in range(10):  # two recordings of each class, five takes of each
        time = np.arange(8000) / 8000
        sound = 0.3 * np.sin(2 * np.pi * pitch * time) + 0.05 * np.random.default_rng(take).standard_normal(8000)
        (root / name).mkdir(exist_ok=True)
        soundfile.write(root / name / f"{name}{take % 2}-take{take}.wav", sound, 8000)

seed_everything(0, verbose=False)
data = Folder(
    root=str(root),
    recording_pattern=r"([a-z]+\d)-take",  # which files belong together: none of a recording is tested and trained on
    folds=1,  # one model without a validation part, because two recordings of a class cannot be divided in three
    validation="none",
    representation=LogMel(sample_rate=8000, resize=32),
    augmentation="none",
    batch_size=5,
    cache_dir=str(root / ".cache"),
)
model = SoundClassifier(num_classes=data.num_classes, architecture="crnn", learning_rate=5e-3)
quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
trainer = Trainer(max_epochs=20, accelerator="cpu", **quiet)
trainer.fit(model, datamodule=data)
(result,) = trainer.test(model, datamodule=data, verbose=False)
print(f"{len(data.split.train)} files trained, {len(data.split.test)} tested, leakage {data.leakage:.0%}")
print(f"test accuracy {result['test/accuracy']:.0%} of {', '.join(data.table.class_names)}")
