"""From a changed map to a sound: unchanged maps, known gains, a brute-force dual, gradients, silence and resizes."""

import math

import librosa
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics.distances import consistency
from representations import DWT, MFCC, STFT, LogMel, Representation, wavelet_inverse
from representations.map_change import coverage, resize_matrix, way_back
from representations.overlap_add import frames_between
from representations.wavelets import BAND_LIMITED_WAVELETS, centre_frequencies, scales

RATE = 8000
MOTHERS = ["morlet", "mexican_hat", "haar"]
ALL = {
    "STFT": STFT(sample_rate=RATE),
    "STFT native": STFT(sample_rate=RATE, n_fft=512, resize=None),
    "STFT short windows": STFT(sample_rate=RATE, win_length_ratio=0.25),
    "STFT odd frames": STFT(sample_rate=RATE, n_fft=501, hop_length=509, align_corners=True),
    "STFT antialias": STFT(sample_rate=RATE, n_fft=2048, resize_method="bilinear_antialias"),
    "STFT power mean": STFT(sample_rate=RATE, resize_method="power_mean"),
    "LogMel": LogMel(sample_rate=RATE, resize=(64, 128)),
    "LogMel power mean": LogMel(sample_rate=RATE, n_mels=40, resize_method="power_mean"),
    "MFCC": MFCC(sample_rate=RATE, n_mfcc=40),
    "MFCC lifter": MFCC(sample_rate=RATE, n_mfcc=13, lifter_scale=1.5, lifter_formula="paper_eq21", dct_type=3),
    "MFCC unnormalised": MFCC(sample_rate=RATE, norm=None, decibel_reference="maximum", resize=None),
    "MFCC power mean": MFCC(sample_rate=RATE, resize_method="power_mean"),
    **{mother: DWT(sample_rate=RATE, mother=mother) for mother in MOTHERS},
    "morlet native": DWT(sample_rate=RATE, resize=None, frame_milliseconds=30.0),
    "morlet linear": DWT(sample_rate=RATE, magnitude="linear"),
    "haar power mean": DWT(sample_rate=RATE, mother="haar", resize_method="power_mean"),
}


@pytest.fixture(params=sorted(ALL))
def representation(request) -> Representation:
    return ALL[request.param]


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return 0.2 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def decibels(clean: torch.Tensor, difference: torch.Tensor) -> float:
    """SNR of a difference."""
    return float(10 * (clean.double().square().sum() / difference.double().square().sum()).log10())


def tone(frequency: float, samples: int, rate: int = RATE) -> torch.Tensor:
    return torch.sin(2 * torch.pi * frequency * torch.arange(samples, dtype=torch.float64) / rate)


def level(sound: torch.Tensor, frequency: float, rate: int = RATE) -> float:
    """Level in dB of a frequency in the middle half of a sound, under a Hann window."""
    sound = sound.flatten().double()
    middle = sound[len(sound) // 4 : -len(sound) // 4]
    time = torch.arange(len(middle), dtype=torch.float64) / rate
    wave = torch.exp(-2j * torch.pi * frequency * time) * torch.hann_window(len(middle), dtype=torch.float64)
    return float(20 * (middle * wave).sum().abs().log10())


def test_an_unchanged_map_gives_back_the_clip(representation):
    waveform = noise(2, 1, 6000)
    maps = representation(waveform)
    assert torch.equal(representation.inverse(waveform, maps), waveform)
    # A map that was computed with other rounding differs by it from the clip's own.
    other = representation(waveform.double()).float()
    sound = representation.inverse(waveform, other)
    assert decibels(waveform, sound - waveform) > (80 if isinstance(representation, MFCC) else 100)
    double = waveform.double()
    assert decibels(double, representation.inverse(double, representation(double) + 1e-14) - double) > 200


def row_frequencies(representation: Representation) -> torch.Tensor:
    """Centre frequency of each row of the resized map in Hz."""
    if isinstance(representation, STFT):
        native = torch.linspace(0, RATE / 2, representation.n_fft // 2 + 1)
    elif isinstance(representation, LogMel):
        native = torch.from_numpy(librosa.mel_frequencies(representation.n_mels + 2, fmin=0, fmax=RATE / 2)[1:-1])
    else:
        native = centre_frequencies(representation.mother, RATE, representation.n_scales)
    height = len(native) if representation.resize is None else representation.resize[0]
    return torch.nn.functional.interpolate(native[None, None].double(), height, mode="linear")[0, 0]


@pytest.mark.parametrize("name", sorted(name for name in ALL if "MFCC" not in name))
def test_a_tone_whose_band_is_six_decibels_higher_in_the_map_is_six_decibels_louder(name):
    representation = ALL[name]
    waveform = (0.3 * tone(187.5, 16000) + 0.05 * tone(1500.0, 16000) + 1e-3 * noise(16000).double())[None, None]
    maps = representation(waveform)
    # An octave to either side; Haar's wavelet hears a tone in more of its rows.
    band = ((row_frequencies(representation) / 1500.0).log2().abs() <= 1.0)[:, None]
    if name == "morlet linear":
        raised = torch.where(band, maps * 10 ** (6 / 20), maps)
    else:
        raised = torch.where(band, maps + 6 / 80, maps)
    sound = representation.inverse(waveform, raised, maps)
    # Windows of 501 samples every 509 leave gaps, which no spectrum shows and which are kept.
    tolerance = 1.0 if name == "STFT odd frames" else 0.5
    assert level(sound, 1500.0) - level(waveform, 1500.0) == pytest.approx(6.0, abs=tolerance)
    assert level(sound, 187.5) - level(waveform, 187.5) == pytest.approx(0.0, abs=1.0 if "haar" in name else 0.5)


@pytest.mark.parametrize(
    ("name", "low"), [("STFT native", 5.9), ("STFT power mean", 5.9), ("morlet", 5.9), ("MFCC", 4.0)]
)
def test_the_map_of_a_louder_tone_makes_the_tone_louder(name, low):
    # A map of another sound: Morlet's rows and whole bins resolve a tone, 40 cepstra smooth it over.
    representation = ALL[name]
    rest, high = 0.3 * tone(187.5, 16000) + 1e-3 * noise(16000).double(), 0.05 * tone(1500.0, 16000)
    quiet, loud = (rest + high)[None, None], (rest + 10 ** (6 / 20) * high)[None, None]
    sound = representation.inverse(quiet, representation(loud))
    assert low < level(sound, 1500.0) - level(quiet, 1500.0) < 6.1
    assert level(sound, 187.5) - level(quiet, 187.5) == pytest.approx(0.0, abs=0.3)


def test_a_gain_that_cepstra_can_have_is_had():
    representation = MFCC(sample_rate=RATE, n_mfcc=40, resize=None)
    waveform = noise(1, 1, 16000).double() + 0.1 * tone(1500.0, 16000)
    power = representation.cells(waveform[0])
    cepstrum = representation._cepstrum(power)
    extent = cepstrum.amax() - cepstrum.amin()
    band = torch.arange(128, dtype=torch.float64)
    loudest = int(power[0].mean(1).argmax())
    # Six decibels at the tone, falling off over a few bands as the first cosines can.
    bump = 6.0 * torch.exp(-((band - loudest) ** 2) / (2 * 6.0**2))
    change = (representation.liftered_cosines() @ bump) / extent
    sound = representation.inverse(waveform, representation(waveform) + change[:, None])
    assert level(sound, 1500.0) - level(waveform, 1500.0) == pytest.approx(6.0, abs=0.5)


def test_a_smooth_change_of_a_native_spectrogram_is_what_its_sound_shows():
    representation = STFT(sample_rate=RATE, resize=None)
    waveform = noise(2, 1, 20000).double()
    maps = representation(waveform)
    loudest = maps.flatten(1).argmax(1)
    row, column = loudest // maps.shape[3], loudest % maps.shape[3]
    rows, columns = (torch.linspace(0, 1, size, dtype=torch.float64) for size in maps.shape[2:])
    # The loudest cell stays, because every map is relative to it, and nothing becomes louder than it.
    wave = (
        torch.cos(2 * (rows - rows[row, None]))[:, :, None] * torch.cos(2 * (columns - columns[column, None]))[:, None]
    )
    changed = maps + 0.1 * (wave - 1)[:, None]
    shown = representation(representation.inverse(waveform, changed))
    assert consistency(shown, changed, maps).max() < 0.1


def brute_force(mother: str, representation: DWT, clip: np.ndarray, gains: np.ndarray, length: int) -> np.ndarray:
    """Direct sums in float64: transform matrices, gains, their transposes, and an inverse of the frame operator.

    Args:
        mother: mother wavelet.
        representation: settings.
        clip: ``(time,)``.
        gains: factors ``(scales, length)``, sample by sample.
        length: samples of the circle that is long enough for the clip.
    """
    places = np.arange(length)
    # From tau = 0 half way round to either side.
    distance = (places[None, :] - places[:, None] + length // 2) % length - length // 2
    padded = np.pad(clip, (0, length - len(clip)))
    operator, summed = np.zeros((length, length)), np.zeros(length)
    half = np.arange(length // 2 + 1) / length
    for scale, gain in zip(
        scales(mother, representation.sample_rate, representation.n_scales).tolist(), gains, strict=True
    ):
        if mother == "haar":

            def overlap(low, high, start=distance):
                return np.clip(np.minimum(start + 1, high) - np.maximum(start, low), 0.0, None)

            kernel = (overlap(-scale / 2, 0.0) - overlap(0.0, scale / 2)) / scale
        else:
            spectrum = BAND_LIMITED_WAVELETS[mother].spectrum(torch.from_numpy(scale * half)).numpy()
            # The Fourier series of a sampled sound on the circle; a real wavelet has both signs of every frequency.
            signs = (1,) if mother == "morlet" else (1, -1)
            ends = np.isin(np.arange(len(half)), (0, length / 2))
            once = np.where(ends & (mother != "morlet"), 0.5, 1.0) * spectrum / length
            near = np.arange(-(length // 2), length - length // 2)
            values = sum(np.exp(-2j * np.pi * sign * np.outer(near, half)) @ once for sign in signs)
            kernel = values[distance + length // 2]
        transform = kernel @ padded
        summed += (kernel.conj().T @ (gain * transform)).real
        operator += (kernel.conj().T @ kernel).real
    values, vectors = np.linalg.eigh(operator)
    values = np.maximum(values, wavelet_inverse.SMALLEST_COVER * values.max())
    return (vectors @ ((vectors.T @ summed) / values))[: len(clip)]


@pytest.mark.parametrize("mother", MOTHERS)
def test_the_wavelet_inverse_is_the_brute_force_dual(mother):
    representation = DWT(sample_rate=500, mother=mother, n_scales=7, frame_milliseconds=24.0, resize=None)
    hop = representation.hop_length
    clip = np.random.default_rng(3).standard_normal(60)
    waveform = torch.from_numpy(clip)[None, None]
    maps = representation(waveform)
    frames = maps.shape[3]
    change = np.random.default_rng(4).uniform(-0.1, 0.1, (7, frames))
    found = representation.inverse(waveform, maps + torch.from_numpy(change)) - waveform
    # The circle that the module chose for it: what lies outside the clip is zeros.
    length = next(2 * len(table) - 2 for (key, *_), table in representation._tables.items() if key[0] == "cover")
    tau = np.arange(length)
    tau = np.where(tau < (length + 60) // 2, tau, tau - length)
    centres = (np.arange(frames) + 1) * hop - 0.5
    gains = np.stack([10 ** (80 * np.interp(tau, centres, row) / 20) - 1 for row in change])
    expected = brute_force(mother, representation, clip, gains, length)
    # A wavelet that is cut at Nyquist rings on, past the place opposite the clip where gains change sides.
    tolerance = 1e-9 if mother == "haar" else 1e-5
    np.testing.assert_allclose(found[0, 0].numpy(), expected, rtol=0, atol=tolerance * np.abs(expected).max())


@pytest.mark.parametrize("mother", MOTHERS)
def test_what_a_wavelet_transform_shows_is_put_together_exactly_within_its_band(mother):
    representation = DWT(sample_rate=RATE, mother=mother)
    waveform = sum(tone(f, 8000) for f in (120.0, 500.0, 2000.0)) * torch.hann_window(8000, dtype=torch.float64)
    twice = representation.filtered_change(waveform[None], torch.full((1, 128, 319), 20 * math.log10(2.0)).double())
    assert decibels(waveform, twice[0] - waveform) > 100


def test_chunks_change_no_sound_and_no_gradient(monkeypatch):
    representation = DWT(sample_rate=RATE, n_scales=12)
    results = []
    for numbers in (1 << 30, 1 << 14):
        monkeypatch.setattr(wavelet_inverse, "NUMBERS_AT_ONCE", numbers)
        representation._tables.clear()
        waveform = noise(1, 1, 3000).double().requires_grad_()
        changed = (representation(waveform.detach()) + 0.1 * noise(1, 1, 128, 128, seed=1)).requires_grad_()
        sound = representation.inverse(waveform, changed)
        results.append((sound.detach(), *torch.autograd.grad(sound.square().sum(), (waveform, changed))))
    for whole, chunked in zip(*results, strict=True):
        torch.testing.assert_close(chunked, whole, atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("kind", ["STFT", "LogMel", "MFCC", *MOTHERS, "linear", "power mean"])
def test_gradients_agree_with_finite_differences(kind):
    small = {"sample_rate": RATE, "resize": (5, 6)}
    representation = {
        "STFT": STFT(n_fft=16, hop_length=8, **small),
        "power mean": STFT(n_fft=16, hop_length=16, resize_method="power_mean", **small),
        "LogMel": LogMel(n_fft=64, hop_length=16, n_mels=8, **small),
        "MFCC": MFCC(n_fft=64, hop_length=16, n_mels=8, n_mfcc=4, **small),
        "linear": DWT(frame_milliseconds=2.0, n_scales=5, magnitude="linear", **small),
        **{m: DWT(mother=m, frame_milliseconds=2.0, n_scales=5, **small) for m in MOTHERS},
    }[kind]
    waveform = noise(2, 1, 120, seed=5).double().requires_grad_()
    clean = representation(waveform).detach()
    changed = (clean + 0.02 * noise(*clean.shape, seed=6)).requires_grad_()
    # Random directions: a whole Jacobian would take minutes.
    assert torch.autograd.gradcheck(
        lambda *given: representation.inverse(*given, clean), (waveform, changed), fast_mode=True
    )
    assert torch.autograd.gradcheck(representation.inverse, (waveform, changed), fast_mode=True)


def test_a_sound_is_the_same_to_the_last_bit_in_every_batch(representation):
    waveform = noise(3, 1, 4000)
    changed = representation(waveform) + 0.05 * noise(3, 1, *representation(waveform).shape[2:], seed=1)
    together = representation.inverse(waveform, changed)
    assert torch.equal(together[1:2], representation.inverse(waveform[1:2], changed[1:2]))
    assert representation.inverse(waveform[:0], changed[:0]).shape == (0, 1, 4000)


def test_digital_zeros_stay_zero_and_nothing_is_without_number(representation):
    waveform = torch.zeros(3, 1, 8000)
    waveform[0, 0, :2000] = noise(2000)
    waveform[1] = 0.25  # a constant
    maps = representation(waveform)
    changed = (maps + 0.3 * noise(*maps.shape, seed=1)).clamp(0, 1).requires_grad_()
    waveform.requires_grad_()
    sound = representation.inverse(waveform, changed)
    assert sound.isfinite().all()
    assert torch.equal(sound[1:], waveform[1:])
    # Beyond the longest frame nothing can sound; a band-limited wavelet rings, far under the clip.
    assert sound[0, 0, 5500:].abs().max() < (1e-2 if isinstance(representation, DWT) else 1e-6)
    assert not torch.equal(sound[0], waveform[0])
    for gradient in torch.autograd.grad(sound.square().sum(), (waveform, changed)):
        assert gradient.isfinite().all()


@settings(max_examples=30)
@given(
    cells=st.integers(1, 70),
    pixels=st.integers(1, 70),
    align_corners=st.booleans(),
    antialias=st.booleans(),
)
def test_the_way_back_undoes_the_resize(cells, pixels, align_corners, antialias):
    resize = resize_matrix(cells, pixels, align_corners=align_corners, antialias=antialias)
    back = way_back(resize, align_corners=align_corners)
    # There and back again changes nothing, whichever of the two has fewer numbers.
    torch.testing.assert_close(resize @ back @ resize, resize, atol=1e-8, rtol=0)
    torch.testing.assert_close(back.sum(1), torch.ones(cells, dtype=torch.float64), atol=1e-8, rtol=0)


def test_gains_of_a_power_mean_change_the_power_of_its_pixels():
    representation = STFT(sample_rate=RATE, n_fft=62, hop_length=100, resize=(8, 11), resize_method="power_mean")
    cells = noise(1, 32, 44).double().square()
    change = 6.0 * noise(1, 8, 11, seed=1).double()
    factor = torch.from_numpy(np.kron(10 ** (change[0].numpy() / 10), np.ones((4, 4))))[None]
    torch.testing.assert_close(coverage(32, 8) @ change @ coverage(44, 11).T, 10 * factor.log10())
    mean = representation.mean_power(cells, 8, 11)
    torch.testing.assert_close(representation.mean_power(cells * factor, 8, 11), mean * 10 ** (change / 10))


@pytest.mark.parametrize(("hop", "window", "steps"), [(512, 1024, 1), (512, 512, 2), (512, 256, 4), (509, 512, 1)])
def test_frames_are_put_between_where_windows_hardly_overlap(hop, window, steps):
    assert frames_between(hop, window) == steps


def test_wrong_maps_and_representations_without_an_inverse_are_refused():
    stft = STFT(sample_rate=RATE)
    with pytest.raises(ValueError, match=r"expected changed maps \(1, 1, 128, 128\), got \(1, 1, 64, 64\)"):
        stft.inverse(noise(1, 1, 4000), torch.zeros(1, 1, 64, 64))
    with pytest.raises(ValueError, match="expected a waveform"):
        stft.inverse(noise(1, 4000), torch.zeros(1, 1, 128, 128))

    class Own(STFT):
        filtered_change = Representation.filtered_change

    with pytest.raises(NotImplementedError, match="Own does not define how its maps become sounds"):
        Own(sample_rate=RATE).inverse(noise(1, 1, 4000), torch.zeros(1, 1, 128, 128))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_sound_on_the_gpu_is_that_of_the_cpu(representation):
    waveform = noise(2, 1, 8000)
    maps = representation(waveform)
    changed = maps + 0.05 * noise(*maps.shape, seed=1)
    found = representation.inverse(waveform.cuda(), changed.cuda(), maps.cuda()).cpu()
    torch.testing.assert_close(found, representation.inverse(waveform, changed, maps), atol=1e-3, rtol=1e-3)
