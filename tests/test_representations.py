"""What holds for every representation in the registry."""

import copy
import json

import numpy as np
import pytest
import scipy.fft
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from representations import DWT, MFCC, REPRESENTATIONS, STFT, LogMel, Representation

SAMPLE_RATE = 8000


def build(name: str, **arguments) -> Representation:
    """A representation by its name, DWT also by that of its mother wavelet."""
    if name in ("morlet", "mexican_hat", "haar"):
        name, arguments = "DWT", {"mother": name, **arguments}
    return REPRESENTATIONS[name](sample_rate=SAMPLE_RATE, **arguments)


@pytest.fixture(params=sorted(name for name, one in REPRESENTATIONS.items() if one.is_map))
def name(request) -> str:
    return request.param


@pytest.fixture(params=["STFT", "MFCC", "LogMel", "morlet", "mexican_hat", "haar"])
def tiny(request) -> Representation:
    """Each representation with frames of a few samples, small enough for finite differences."""
    if request.param == "STFT":
        return STFT(sample_rate=SAMPLE_RATE, n_fft=16, hop_length=8, resize=(5, 6))
    if request.param == "LogMel":
        return LogMel(sample_rate=SAMPLE_RATE, n_fft=64, hop_length=16, n_mels=8, resize=(5, 6))
    if request.param == "MFCC":
        return MFCC(sample_rate=SAMPLE_RATE, n_fft=64, hop_length=16, n_mels=8, n_mfcc=4, resize=(5, 6))
    return DWT(sample_rate=SAMPLE_RATE, mother=request.param, frame_milliseconds=2.0, n_scales=5, resize=(5, 6))


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return 0.2 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_maps_have_the_promised_shape_range_and_precision(name):
    for dtype in (torch.float32, torch.float64):
        maps = build(name)(noise(2, 1, 4000).to(dtype))
        assert maps.shape == (2, 1, 128, 128)
        assert maps.dtype == dtype
        assert maps.min() >= 0.0
        assert maps.max() <= 1.0
        assert maps.std() > 0.01
    assert build(name)(noise(1, 1, 4000).half()).dtype == torch.float32
    assert build(name, resize=16)(noise(1, 1, 4000)).shape == (1, 1, 16, 16)
    assert build(name, resize=(3, 70))(noise(1, 1, 4000)).shape == (1, 1, 3, 70)
    assert build(name)(noise(0, 1, 4000)).shape == (0, 1, 128, 128)


def test_the_resize_is_bilinear_on_the_native_map(name):
    waveform = noise(1, 1, 4000)
    native = build(name, resize=None)(waveform)
    for options, as_torch in (
        ({"align_corners": True}, {"align_corners": True}),
        ({"resize_method": "bilinear_antialias"}, {"antialias": True}),
        ({}, {}),
    ):
        expected = torch.nn.functional.interpolate(native, (128, 128), mode="bilinear", **as_torch)
        torch.testing.assert_close(build(name, **options)(waveform), expected.clamp(0, 1))


def area_mean(cells, size, axis):
    """Brute force in float64: the integral of a step function over each pixel, divided by the pixel's width."""
    cells = np.moveaxis(np.asarray(cells, np.float64), axis, 0)
    edges = np.arange(len(cells) + 1)
    integral = np.concatenate([np.zeros((1, *cells.shape[1:])), np.cumsum(cells, axis=0)])
    at = np.linspace(0, len(cells), size + 1)
    flat = integral.reshape(len(integral), -1)
    values = np.stack([np.interp(at, edges, column) for column in flat.T], axis=1).reshape(-1, *cells.shape[1:])
    return np.moveaxis(np.diff(values, axis=0) / (len(cells) / size), 0, axis)


@pytest.mark.parametrize("kind", ["STFT", "morlet"])
def test_a_power_mean_is_the_mean_power_of_the_cells_under_a_pixel(kind):
    representation = build(kind, resize=(19, 5), resize_method="power_mean")
    clip = noise(1, 4000).double()
    cells = representation.cells(clip)[0].numpy()
    power = cells if kind == "STFT" else cells**2
    mean = area_mean(area_mean(power, 19, 0), 5, 1)
    expected = np.clip(1 + 10 * np.log10(mean / mean.max()) / 80, 0, 1)
    np.testing.assert_allclose(representation(clip[:, None])[0, 0].numpy(), expected, atol=1e-9)


def test_a_power_mean_of_cepstra_is_taken_of_mel_power_over_time():
    representation = build("MFCC", resize=(20, 3), n_mfcc=20, resize_method="power_mean")
    clip = noise(1, 12000).double()
    power = area_mean(representation.cells(clip)[0].numpy(), 3, 1)
    levels = np.maximum(power, max(power.max() * 1e-8, 1e-10))
    cepstrum = scipy.fft.dct(10 * np.log10(levels), type=2, norm="ortho", axis=0)[:20]
    expected = (cepstrum - cepstrum.min()) / (cepstrum.max() - cepstrum.min())
    np.testing.assert_allclose(representation(clip[:, None])[0, 0].numpy(), expected, atol=1e-9)


def test_a_steady_tone_keeps_its_level_under_a_power_mean_and_not_under_bilinear_interpolation():
    time = torch.arange(SAMPLE_RATE * 2, dtype=torch.float64) / SAMPLE_RATE
    # Half way between the rows of the native map that the 128 rows of the bilinear one are interpolated from.
    settings = {"n_fft": 2048, "resize": (128, 128)}
    native = build("STFT", **{**settings, "resize": None})
    missed = torch.sin(2 * torch.pi * SAMPLE_RATE / 2048 * 416 * time)[None, None]
    clip = missed + 1e-4 * noise(1, 1, len(time)).double()
    loudest = float(native(clip).amax())
    drawn = {
        method: 80 * (float(build("STFT", **settings, resize_method=method)(clip).amax()) - loudest)
        for method in ("bilinear", "power_mean")
    }
    assert drawn["power_mean"] == pytest.approx(0, abs=1e-9)
    assert drawn["bilinear"] < -20


@pytest.mark.parametrize("kind", ["STFT", "MFCC", "LogMel", "morlet", "haar"])
@pytest.mark.parametrize("method", ["bilinear_antialias", "power_mean"])
def test_every_resize_method_keeps_clips_apart_and_gradients_finite(kind, method):
    representation = build(kind, resize=(24, 40), resize_method=method)
    clips = torch.stack([noise(1, 4000), torch.zeros(1, 4000), noise(1, 4000, seed=1)])
    clips[2, :, 1000:] = 0
    clips.requires_grad_()
    maps = representation(clips)
    alone = torch.cat([representation(clip[None]) for clip in clips])
    assert torch.equal(maps, alone)
    assert maps.min() >= 0
    assert maps.max() <= 1
    assert not maps[1].any()
    maps.square().sum().backward()
    assert torch.isfinite(clips.grad).all()
    assert not clips.grad[1].any()


@pytest.mark.parametrize("kind", ["STFT", "MFCC", "LogMel", "morlet", "mexican_hat", "haar"])
def test_a_map_is_the_same_to_the_last_bit_in_every_batch_and_with_any_number_of_threads(kind):
    representation = build(kind) if kind in REPRESENTATIONS else build("DWT", mother=kind, n_scales=24)
    many, long = noise(32, 1, 601), noise(2, 1, 6001)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = torch.cat([representation(clip) for clip in many.split(1)])
        for batch in (2, 7, 32):
            assert torch.equal(torch.cat([representation(clips) for clips in many.split(batch)]), alone)
        expected = representation(long)
        for threads in (2, 3):
            torch.set_num_threads(threads)
            assert torch.equal(representation(long), expected)
            assert torch.equal(representation(long[1:]), expected[1:])
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("samples", [1, 37, 2000])
@pytest.mark.parametrize("level", [0.0, 0.5, -1.0])
def test_silence_and_constants_give_zeros_and_zero_gradients(name, samples, level):
    waveform = torch.full((2, 1, samples), level, requires_grad=True)
    maps = build(name)(waveform)
    assert torch.count_nonzero(maps) == 0
    maps.sum().backward()
    assert torch.count_nonzero(waveform.grad) == 0


@pytest.mark.parametrize("samples", [2, 3, 100, 3000])
def test_short_and_clipped_clips_have_finite_gradients(name, samples):
    clipped = (100.0 * noise(2, 1, samples)).clamp(-1.0, 1.0).requires_grad_()
    maps = build(name)(clipped)
    assert maps.isfinite().all()
    assert maps.min() >= 0.0
    assert maps.max() <= 1.0
    (maps * noise(*maps.shape, seed=1)).sum().backward()
    assert clipped.grad.isfinite().all()
    if samples == 3000:
        assert torch.count_nonzero(clipped.grad) > 0


def test_an_impulse_and_a_silent_mate_have_finite_gradients(name):
    waveform = torch.zeros(2, 1, 3000)
    waveform[0, 0, 1234] = 1.0
    waveform.requires_grad_()
    maps = build(name)(waveform)
    assert torch.count_nonzero(maps[0]) > 0
    assert torch.count_nonzero(maps[1]) == 0
    maps.square().sum().backward()
    assert waveform.grad.isfinite().all()
    assert torch.count_nonzero(waveform.grad[1]) == 0


def test_no_clip_feels_the_gradient_of_another(name):
    waveform = noise(2, 1, 2000).requires_grad_()
    build(name)(waveform)[0].sum().backward()
    assert torch.count_nonzero(waveform.grad[0]) > 0
    assert torch.count_nonzero(waveform.grad[1]) == 0


def test_gradients_agree_with_finite_differences(tiny):
    waveform = noise(2, 1, 50, seed=3).double().requires_grad_()
    assert torch.autograd.gradcheck(tiny, (waveform,), eps=1e-7, atol=1e-4)


@given(exponent=st.integers(-40, 40), seed=st.integers(0, 9))
@settings(max_examples=10)
@pytest.mark.parametrize("kind", ["STFT", "MFCC", "LogMel", "DWT"])
def test_a_quieter_clip_has_the_same_map(kind, exponent, seed):
    relative = {"decibel_reference": "maximum"} if kind == "MFCC" else {}
    representation = build(kind, resize=None, **relative)
    waveform = noise(1, 1, 900, seed=seed)
    assert torch.equal(representation(waveform * 2.0**exponent), representation(waveform))
    torch.testing.assert_close(representation(0.3 * waveform), representation(waveform), atol=1e-4, rtol=0.0)


@pytest.mark.parametrize("kind", ["STFT", "LogMel", "DWT"])
def test_a_later_sound_lies_in_later_columns(kind):
    burst = noise(1, 1, 400)
    early, late = torch.zeros(1, 1, 8000), torch.zeros(1, 1, 8000)
    early[..., 1000:1400] = burst
    late[..., 6000:6400] = burst
    representation = build(kind)
    loudest = [representation(waveform)[0, 0].mean(0).argmax().item() for waveform in (early, late)]
    assert loudest == pytest.approx([1200 / 8000 * 128, 6200 / 8000 * 128], abs=4)


def test_settings_rebuild_the_representation(name):
    representation = build(name, resize=(64, 32), resize_method="power_mean")
    values = representation.settings
    assert json.loads(json.dumps(values)) == values
    assert values.pop("class") == name
    again = REPRESENTATIONS[name](**values)
    assert again.settings == representation.settings
    assert torch.equal(again(noise(1, 1, 900)), representation(noise(1, 1, 900)))
    assert "sample_rate=8000" in repr(again)


def test_a_map_first_made_in_inference_mode_can_be_differentiated_later(name):
    representation = build(name)
    with torch.inference_mode():
        representation(noise(1, 1, 900))
    waveform = noise(1, 1, 900).requires_grad_()
    representation(waveform).sum().backward()
    assert waveform.grad.isfinite().all()


def test_autocast_does_not_coarsen_the_map(name):
    representation, waveform = build(name), noise(1, 1, 900)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = representation(waveform)
    assert torch.equal(inside, representation(waveform))


def test_nothing_of_it_is_written_into_checkpoints_and_copies_work(name):
    representation = build(name)
    expected = representation(noise(1, 1, 900))
    assert len(representation.state_dict()) == 0
    assert torch.equal(copy.deepcopy(representation)(noise(1, 1, 900)), expected)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_map_on_the_gpu_is_that_of_the_cpu(name):
    representation, waveform = build(name), noise(3, 1, 8000)
    maps = representation.to("cuda")(waveform.cuda())
    assert maps.device.type == "cuda"
    torch.testing.assert_close(maps.cpu(), representation(waveform), atol=1e-4, rtol=0.0)


@pytest.mark.parametrize(
    ("waveform", "message"),
    [
        (torch.zeros(2, 100), r"expected a waveform \(batch, 1, time\), got shape \(2, 100\)"),
        (torch.zeros(2, 2, 100), r"got shape \(2, 2, 100\)"),
        (torch.zeros(2, 1, 0), r"got shape \(2, 1, 0\)"),
        (torch.zeros(2, 1, 100, dtype=torch.int16), r"floating-point numbers, got torch.int16"),
    ],
)
def test_a_wrong_waveform_is_named(name, waveform, message):
    with pytest.raises(ValueError, match=message):
        build(name)(waveform)


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        ("STFT", {"sample_rate": 0}, "positive sample_rate in Hz, got 0"),
        ("STFT", {"resize": (0, 5)}, "positive height and width or null"),
        ("STFT", {"resize_method": "cubic"}, "resize_method to be one of .*, got 'cubic'"),
        ("MFCC", {"resize": None, "resize_method": "power_mean"}, "a size to resize to with resize_method power_mean"),
        ("DWT", {"align_corners": True, "resize_method": "power_mean"}, "align_corners false with resize_method"),
        ("STFT", {"n_fft": 1}, "n_fft of at least 2 samples, got 1"),
        ("STFT", {"win_length_ratio": 1.5}, r"win_length_ratio in \(0, 1\], got 1.5"),
        ("STFT", {"hop_length": 0}, "hop_length of at least 1, got 0"),
        ("MFCC", {"n_fft": 1}, "n_fft of at least 2"),
        ("MFCC", {"hop_length": 0}, "hop_length of at least 1"),
        ("MFCC", {"n_mfcc": 129}, r"n_mfcc in 1..n_mels = 128, got 129"),
        ("MFCC", {"lifter_scale": -1.0}, "lifter_scale of at least 0, got -1.0"),
        ("MFCC", {"dct_type": 1}, r"dct_type to be one of \(2, 3\), got 1"),
        ("MFCC", {"norm": "slaney"}, "norm to be one of"),
        ("MFCC", {"lifter_formula": "eq21"}, "lifter_formula to be one of"),
        ("MFCC", {"decibel_reference": "max"}, "decibel_reference to be one of"),
        ("DWT", {"mother": "db2"}, r"mother to be one of \('morlet', 'mexican_hat', 'haar'\), got 'db2'"),
        ("DWT", {"magnitude": "dB"}, "magnitude to be 'log' or 'linear'"),
        ("DWT", {"n_scales": 0}, "n_scales of at least 1"),
        ("DWT", {"sample_rate": 100}, "sample_rate over 133 Hz for morlet, got 100"),
        ("DWT", {"frame_milliseconds": 0.0}, "frame_milliseconds of at least two samples"),
    ],
)
def test_impossible_settings_are_refused_at_construction(kind, arguments, message):
    with pytest.raises(ValueError, match=message):
        REPRESENTATIONS[kind](**arguments)
