"""From a sound file to logits without the project: soundfile, soxr and librosa, and networks written out in steps."""

import librosa
import numpy as np
import soundfile
import soxr
import torch
import torch.nn.functional as F

RATE, SECONDS, SIZE = 8000, 5, 24
# Bits of an unsigned 64-bit integer.
WORD = 2**64 - 1


def waveform_of(path):
    """Mean of the channels at 8 kHz, cut or filled with zeros to five seconds."""
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    mixed = samples.mean(axis=1)
    if rate != RATE:
        mixed = soxr.resample(mixed, rate, RATE, quality="HQ")
    mixed = np.clip(mixed[: RATE * SECONDS], -1, 1).astype(np.float64)
    return np.pad(mixed, (0, RATE * SECONDS - len(mixed)))


def stft_map(waveform):
    """Power in dB under the loudest cell, 80 dB of it."""
    power = np.abs(librosa.stft(waveform, n_fft=1024, hop_length=512, pad_mode="constant")) ** 2
    return resized(1 + librosa.power_to_db(power / power.max(), amin=1e-30, top_db=80) / 80)


def mfcc_map(waveform):
    """Twenty coefficients of librosa coefficients between the smallest and the largest of the clip."""
    cepstrum = librosa.feature.mfcc(
        y=waveform, sr=RATE, n_mfcc=20, n_fft=2048, hop_length=1024, n_mels=128, pad_mode="constant"
    )
    return resized((cepstrum - cepstrum.min()) / np.ptp(cepstrum))


def resized(cells):
    """Bilinear interpolation between the centres of cells, the outermost repeated beyond them."""
    for _ in range(2):
        at = ((np.arange(SIZE) + 0.5) * len(cells) / SIZE - 0.5).clip(0, len(cells) - 1)
        below = np.floor(at).astype(int)
        part = (at - below)[:, None]
        cells = ((1 - part) * cells[below] + part * cells[np.minimum(below + 1, len(cells) - 1)]).T
    return cells


@torch.no_grad()
def logits_of(architecture, weights, maps):
    """Logits of maps ``(clips, 1, rows, columns)`` in float64, from a checkpoint's ``state_dict``."""
    weights = {name.removeprefix("classifier."): value.double() for name, value in weights.items()}
    return {"crnn": crnn, "sb_cnn": sb_cnn}[architecture](weights, maps.double())


def crnn(weights, maps):
    """Three blocks of convolution and pooling, an LSTM over time, the mean of what it says."""
    for block in (0, 4, 8):
        normed = [weights[f"features.{block + 1}.{name}"] for name in ("running_mean", "running_var", "weight", "bias")]
        maps = F.conv2d(maps, weights[f"features.{block}.weight"], padding=1)
        maps = F.max_pool2d(F.relu(F.batch_norm(maps, *normed)), 2)
    lstm = torch.nn.LSTM(256, 64, batch_first=True).double()
    lstm.load_state_dict({name.removeprefix("lstm."): value for name, value in weights.items() if "lstm" in name})
    bands = F.adaptive_avg_pool2d(maps, (4, maps.shape[3]))
    said = lstm(bands.flatten(1, 2).transpose(1, 2))[0].mean(dim=1)
    return F.linear(said, weights["fc.weight"], weights["fc.bias"])


def sb_cnn(weights, maps):
    """Three convolutions on the map amid zeros, then two linear layers."""
    rows, columns = 32 - SIZE, 100 - SIZE
    maps = F.pad(maps, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))
    for layer in (0, 3, 6):
        maps = F.conv2d(maps, weights[f"features.{layer}.weight"], weights[f"features.{layer}.bias"])
        maps = F.relu(maps if layer == 6 else F.max_pool2d(maps, (2, 4)))
    hidden = F.adaptive_avg_pool2d(maps, (25, 2)).flatten(1)
    hidden = F.relu(F.linear(hidden, weights["classifier.1.weight"], weights["classifier.1.bias"]))
    return F.linear(hidden, weights["classifier.4.weight"], weights["classifier.4.bias"])


def target_of(clip, label, classes, seed):
    """The wrong label that a clip is driven to, by SplitMix64 in Python's integers."""
    return (label + 1 + (scrambled(clip ^ scrambled(seed)) >> 1) % (classes - 1)) % classes


def scrambled(value):
    """One step of SplitMix64."""
    value = (value + 0x9E3779B97F4A7C15) & WORD
    value = ((value ^ value >> 30) * 0xBF58476D1CE4E5B9) & WORD
    value = ((value ^ value >> 27) * 0x94D049BB133111EB) & WORD
    return value ^ value >> 31
