"""The architectures: sizes, shapes, independence of the batch, ImageNet weights on one channel."""

import urllib.request

import pytest
import torch
import torchvision

from classifiers import ARCHITECTURES, WAVEFORM_ARCHITECTURES, build_classifier, count_parameters
from classifiers.imagenet import DEVIATION, MEAN, fold_first_layer
from storage import DataError

CLASSES = 10


@pytest.fixture(scope="module", params=sorted(set(ARCHITECTURES) - set(WAVEFORM_ARCHITECTURES)))
def classifier(request):
    torch.manual_seed(0)
    return build_classifier(request.param, CLASSES).eval()


@pytest.mark.parametrize("size", [(64, 64), (128, 128), (96, 128)])
def test_maps_of_any_size_from_64_give_one_row_of_logits_each(classifier, size):
    with torch.inference_mode():
        assert classifier(torch.rand(2, 1, *size)).shape == (2, CLASSES)


def test_logits_of_a_clip_do_not_depend_on_its_batch_mates(classifier):
    maps = torch.rand(3, 1, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        together = classifier(maps)
        alone = torch.cat([classifier(clip[None]) for clip in maps])
    assert torch.allclose(together, alone, atol=1e-5, rtol=1e-4)


def test_the_gradient_reaches_the_map_and_logits_are_no_probabilities(classifier):
    maps = torch.rand(2, 1, 64, 64, requires_grad=True)
    logits = classifier(maps)
    (gradient,) = torch.autograd.grad(logits[:, 0].sum(), maps)
    assert gradient.abs().amax((1, 2, 3)).min() > 0
    assert not torch.allclose(logits.sum(1), torch.ones(2))


def test_parameter_counts_are_those_of_the_papers_with_one_channel_and_ten_classes():
    # torchvision's published counts, less two channels of the first kernel and 990 classes of the last layer.
    expected = {
        "resnet18": 11_689_512 - 2 * 64 * 49 - 990 * 513,
        "resnet34": 21_797_672 - 2 * 64 * 49 - 990 * 513,
        "googlenet": 6_624_904 - 2 * 64 * 49 - 990 * 1025,
        "alexnet": 61_100_840 - 2 * 64 * 121 - 990 * 4097,
    }
    for name, count in expected.items():
        assert count_parameters(build_classifier(name, 10)) == count
    # Salamon and Bello 2017: its first linear layer has the shape (2400, 64).
    sb_cnn = 24 * 26 + 48 * (24 * 25 + 1) + 48 * (48 * 25 + 1) + 64 * 2401 + 10 * 65
    assert count_parameters(build_classifier("sb_cnn", 10)) == sb_cnn == 241_434
    lstm = 4 * 64 * (4 * 64 + 64 + 2)
    crnn = 9 * (16 + 16 * 32 + 32 * 64) + 2 * (16 + 32 + 64) + lstm + 10 * 65
    assert count_parameters(build_classifier("crnn", 10)) == crnn == 106_490
    # He et al. 2016, Table 6: 0.85 M with three channels.
    assert count_parameters(build_classifier("resnet56", 10)) == pytest.approx(0.85e6, rel=0.01)


def test_a_grey_picture_is_seen_as_the_network_of_three_channels_saw_it():
    torch.manual_seed(0)
    three = torchvision.models.resnet18(num_classes=5).eval()
    three.bn1.running_mean.normal_()
    folded = fold_first_layer(three.state_dict(), "conv1.weight", "bn1.running_mean")
    one = torchvision.models.resnet18(num_classes=5).eval()
    one.conv1 = torch.nn.Conv2d(1, 64, 7, 2, 3, bias=False)
    one.load_state_dict(folded)
    grey = torch.rand(2, 1, 64, 64)
    normalised = (grey.expand(-1, 3, -1, -1) - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(DEVIATION).view(3, 1, 1)
    # Zero padding stands for the mean colour in the old network and for black in the new one: edges differ.
    with torch.inference_mode():
        before = three.bn1(three.conv1(normalised))[..., 2:-2, 2:-2]
        after = one.bn1(one.conv1(grey))[..., 2:-2, 2:-2]
    assert torch.allclose(before, after, atol=1e-4)


def test_weights_that_cannot_be_had_are_one_sentence(tmp_path, monkeypatch):
    # The proxy refuses every connection: offline, whatever the machine.
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    # urllib remembers the proxies of its first request for the whole process; later tests must not inherit these.
    monkeypatch.setattr(urllib.request, "_opener", None)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(DataError, match=r"expected the ImageNet weights of .* connect this machine"):
        build_classifier("resnet18", 10, pretrained=True)
    for name in ("resnet56", "sb_cnn", "crnn"):
        with pytest.raises(ValueError, match=f"expected pretrained=False for {name}, got True"):
            build_classifier(name, 10, pretrained=True)


def test_unknown_architectures_and_single_classes_are_refused():
    with pytest.raises(ValueError, match=r"expected an architecture, one of resnet18, .* or an import path, got 'vgg'"):
        build_classifier("vgg", 10)
    with pytest.raises(ValueError, match="expected num_classes of at least 2, got 1"):
        build_classifier("resnet18", 1)
