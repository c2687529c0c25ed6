"""Pictures for print: colours that readers who lack a kind of cone tell apart, and fonts that journals take."""

import itertools

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from reporting.figures.figure import COLOURS, LINES, MARKERS, ReportFigure, new_figure

# Machado, Oliveira and Fernandes 2009, severity 1.0, applied to linear RGB.
SIMULATED = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)


def lab(colour, matrix):
    """CIE 1976 L*a*b* of an sRGB colour under D65, as a reader sees it."""
    gamma = np.array(to_rgb(colour))
    linear = np.where(gamma <= 0.04045, gamma / 12.92, ((gamma + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.asarray(matrix) @ linear, 0, 1)
    share = TO_XYZ @ seen / (TO_XYZ @ np.ones(3))
    root = np.where(share > (6 / 29) ** 3, np.cbrt(share), share / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * root[1] - 16, 500 * (root[0] - root[1]), 200 * (root[1] - root[2])])


def test_delta_e_of_known_colours():
    # Red of sRGB: L*a*b* = (53.24, 80.09, 67.20).
    assert lab("#ff0000", np.eye(3)) == pytest.approx([53.24, 80.09, 67.20], abs=0.05)
    assert lab("#ffffff", np.eye(3)) == pytest.approx([100, 0, 0], abs=0.01)


@pytest.mark.parametrize("vision", SIMULATED)
def test_representations_are_told_apart_in_every_kind_of_sight(vision):
    for first, second in itertools.combinations(("MFCC", "STFT", "DWT"), 2):
        seen = [lab(COLOURS[name], SIMULATED[vision]) for name in (first, second)]
        # Of 2.3 a difference is just seen; the colours before had 6.8 between MFCC and DWT in protanopia.
        assert np.linalg.norm(seen[0] - seen[1]) > 15, (first, second)


def test_line_styles_and_markers_tell_representations_apart_without_colour():
    for styles in (COLOURS, LINES, MARKERS):
        assert set(styles) == set(COLOURS)
        assert len(set(styles.values())) == len(styles)


def test_a_pdf_has_no_type_3_font():
    figure = new_figure(2, 2)
    figure.subplots().set_title("delta, minus, 0.5")
    pdf = ReportFigure("key", "title", "caption", "alt", figure, []).pdf()
    assert pdf.startswith(b"%PDF")
    assert b"/Type3" not in pdf
    assert b"/TrueType" in pdf or b"/CIDFontType2" in pdf
