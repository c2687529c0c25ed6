"""Which attacks the curves of a report draw, and in which order."""

import json

from reporting.figures.curves import COST, SECURITY


def point(attack, cost, **settings):
    return {"attack": attack, "budget": json.dumps(settings), "delta": settings.get("delta"), "batch_gradients": cost}


def test_attacks_of_libraries_join_and_variants_of_ours_do_not():
    points = [
        point("torchattacks.PGD", 10, delta=0.1, steps=10),
        point("torchattacks.PGD", 10, delta=0.01, steps=10),
        point("fgsm_l2", 1, delta=0.1),
        point("check_square", 0, eps=0.1),
        point("bim_b", 5, delta=0.1, steps=5),
        point("adv_lib.apgd", 101, delta=0.1, steps=100),
    ]
    kept = [(one["attack"], one["delta"]) for one in SECURITY.kept(points)]
    assert kept == [
        ("bim_b", 0.1),
        ("adv_lib.apgd", 0.1),
        ("torchattacks.PGD", 0.01),
        ("torchattacks.PGD", 0.1),
    ]


def test_an_attack_without_gradients_has_no_place_on_a_logarithmic_axis_of_them():
    points = [
        point("torchattacks.Square", 0, delta=0.1),
        point("adv_lib.fmn", 30, steps=30),
        point("adv_lib.fmn", 10, steps=10),
        point("lbfgs", 60, search_steps=1),
    ]
    kept = [(one["attack"], one["batch_gradients"]) for one in COST.kept(points)]
    assert kept == [("lbfgs", 60), ("adv_lib.fmn", 10), ("adv_lib.fmn", 30)]
