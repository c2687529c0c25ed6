"""How far below its budget BIM stays in sound: ``python -m benchmarks.sound_budget``.

Six sounds of the embedded corpus, 1 s at 16 kHz, an STFT and an untrained ResNet-18.
"""

import numpy as np
import torch

from attacks import ATTACKS
from classifiers import build_classifier
from classifiers.sound_victim import SoundVictim
from datamodules.sound_synthesis import SAMPLE_RATE, SOUNDS, draw_source, synthesise
from metrics.distances import snr_db
from representations import STFT


def main() -> None:
    """Print, for each attack and budget, the SNR above the budget and the share of samples at the bound."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    sounds = [
        synthesise(name, draw_source(np.random.default_rng(clip)), np.random.default_rng([clip, 1]))[:SAMPLE_RATE]
        for clip, name in enumerate(list(SOUNDS)[:6])
    ]
    clean = torch.from_numpy(np.stack(sounds)).float().clamp(-1, 1)[:, None]
    representation = STFT(sample_rate=SAMPLE_RATE, resize=64)
    victim = SoundVictim(representation, build_classifier("resnet18", 10).eval()).requires_grad_(False)
    labels = victim(clean).argmax(dim=1)
    for name, settings in (("fgsm_untargeted", {}), ("bim_b", {"steps": 20})):
        for budget in (50.0, 20.0):
            attack = ATTACKS[name](victim, bounds=(-1.0, 1.0)).with_settings(snr_db=budget, **settings)
            made = attack.run(clean, labels, ids=torch.arange(len(clean))).adversarial
            radii = attack.radii(clean)[:, None, None]
            at_bound = ((made - clean).abs() > 0.99 * radii).double().mean(dim=(1, 2))
            above = snr_db(clean, made) - budget
            print(f"{name} at {budget:g} dB: {above.min():.1f} to {above.max():.1f} dB above the budget,", end=" ")
            print(f"{at_bound.min():.0%} to {at_bound.max():.0%} of the samples at the bound")


if __name__ == "__main__":
    main()
