"""Lesions of the numerical head: for each class, which tissue covers which part of a slice.

Shapes follow radiological habit (a wedge that reaches the cortex, plaques along the ventricles, a broad dural base);
sizes are larger than life, because a lesion must survive at 32 x 32 pixels.
"""

import math
from collections.abc import Callable

import numpy as np

from medgan.sources.phantom.anatomy import Array, Brain, Draws

Layers = list[tuple[str, Array]]


def _place(draws: Draws, near: float, far: float) -> tuple[Array, Array]:
    """A point of either hemisphere, away from the midline; distances from the centre of the head."""
    side, distance, angle = draws.sign(), draws.between(near, far), draws.between(-0.9, 0.9)
    return side * distance * np.cos(angle), 1.25 * distance * np.sin(angle)


def _swelling(brain: Brain, distance: Array, reach: Array | float) -> Array:
    """Oedema around a mass: it creeps along white matter and spares the cortex, hence fingers."""
    finger = reach + 0.06 * brain.texture - distance
    return brain.inside(np.minimum(finger, brain.ribbon - 0.045))


def healthy(brain: Brain, draws: Draws) -> Layers:
    return []


def tumour(brain: Brain, draws: Draws) -> Layers:
    """A large ragged mass with a necrotic core and oedema."""
    x, y = _place(draws, 0.26, 0.36)
    distance = brain.radius(x, y)
    radius = draws.between(0.19, 0.25) * brain.scale
    mass = np.minimum(radius + 0.03 * brain.texture - distance, brain.depth)
    off = brain.radius(x + draws.between(-0.06, 0.06), y + draws.between(-0.06, 0.06))
    core = radius * draws.between(0.35, 0.55) - 0.025 * brain.texture - off
    return [
        ("oedema", _swelling(brain, distance, radius + draws.between(0.06, 0.12))),
        ("tumour", brain.inside(mass)),
        ("necrosis", brain.inside(core)),
    ]


def plaques(brain: Brain, draws: Draws) -> Layers:
    """Small bright ovals that point away from the ventricles (Dawson's fingers), on both sides."""
    best = np.full_like(brain.x, -1)
    for spot in range(7):
        side = 1 if spot % 2 else -1
        across, along = draws.between(0.17, 0.33), -0.38 + 0.13 * spot + draws.between(-0.05, 0.05)
        length, width = draws.between(0.06, 0.09) * brain.scale, draws.between(0.045, 0.06) * brain.scale
        # An oval along the line from the centre: width is its half-thickness, length stretches it.
        tilt = np.arctan2(along, side * across)
        u, v = brain.x - side * across, brain.y - along
        oval = np.hypot((u * np.cos(tilt) + v * np.sin(tilt)) * (width / length), v * np.cos(tilt) - u * np.sin(tilt))
        np.maximum(best, width - oval, out=best)
    return [("plaque", brain.inside(np.minimum(best, brain.depth)))]


def infarct(brain: Brain, draws: Draws) -> Layers:
    """The territory of an artery: a wedge that widens to the cortex and swallows grey and white alike."""
    side, angle = draws.sign(), draws.between(-0.8, 0.8)
    half, tip = draws.between(0.44, 0.58) * brain.scale, draws.between(0.12, 0.2)
    x, y = side * tip * np.cos(angle), tip * np.sin(angle)
    u, v = brain.x - x, brain.y - y
    along = side * u * np.cos(angle) + v * np.sin(angle)
    across = np.abs(v * np.cos(angle) - side * u * np.sin(angle))
    wedge = along * np.sin(half) - across * np.cos(half) + 0.02 * brain.texture
    return [("infarct", brain.inside(np.minimum(wedge, brain.depth)))]


def haemorrhage(brain: Brain, draws: Draws) -> Layers:
    """A late clot: bright blood in a black coat of haemosiderin."""
    x, y = _place(draws, 0.2, 0.34)
    distance = np.hypot(brain.x - x, (brain.y - y) * draws.between(0.7, 0.95))
    radius = draws.between(0.17, 0.22) * brain.scale + 0.012 * brain.texture
    return [
        ("oedema", _swelling(brain, distance, radius + 0.05)),
        ("haemosiderin", brain.inside(np.minimum(radius - distance, brain.depth))),
        ("blood", brain.inside(np.minimum(radius - distance, brain.depth) - draws.between(0.06, 0.075))),
    ]


def cyst(brain: Brain, draws: Draws) -> Layers:
    """A perfectly round bubble of water, without oedema."""
    x, y = _place(draws, 0.3, 0.42)
    radius = draws.between(0.15, 0.22) * brain.scale
    return [("cyst", brain.inside(np.minimum(radius - brain.radius(x, y), brain.depth)))]


def metastases(brain: Brain, draws: Draws) -> Layers:
    """Small nodules, each in its own oedema; melanin makes them dark in T2w and bright in T1w, unlike plaques."""
    nodules, halos = np.full_like(brain.x, -1), np.zeros_like(brain.x)
    turn = draws.between(0, 2 * math.pi)
    for spot in range(4):
        angle = turn + spot * math.pi / 2 + draws.between(-0.35, 0.35)
        out = draws.between(0.3, 0.38)
        distance = brain.radius(out * np.cos(angle), 1.25 * out * np.sin(angle))
        radius = draws.between(0.055, 0.08) * brain.scale
        np.maximum(nodules, radius - distance, out=nodules)
        np.maximum(halos, _swelling(brain, distance, radius + 0.09), out=halos)
    return [("oedema", halos), ("metastasis", brain.inside(nodules))]


def abscess(brain: Brain, draws: Draws) -> Layers:
    """Pus in a thin dark capsule, in wide oedema."""
    x, y = _place(draws, 0.28, 0.36)
    distance = brain.radius(x, y)
    radius = draws.between(0.13, 0.17) * brain.scale + 0.006 * brain.texture
    return [
        ("oedema", _swelling(brain, distance, radius + draws.between(0.13, 0.2))),
        ("capsule", brain.inside(np.minimum(radius - distance, brain.depth))),
        ("pus", brain.inside(np.minimum(radius - distance, brain.depth) - 0.04)),
    ]


def meningioma(brain: Brain, draws: Draws) -> Layers:
    """An even half-ball on the inside of the skull, with a cleft of fluid between it and the brain."""
    side, angle = draws.sign(), draws.between(-0.7, 0.7)
    distance = brain.radius(side * 0.56 * np.cos(angle), 0.7 * np.sin(angle))
    radius = draws.between(0.22, 0.29) * brain.scale
    within = brain.depth + 0.035
    return [
        ("csf", brain.inside(np.minimum(radius + 0.025 - distance, within))),
        ("meningioma", brain.inside(np.minimum(radius - distance, within))),
    ]


def oedema(brain: Brain, draws: Draws) -> Layers:
    """Swollen white matter of one hemisphere without a mass."""
    x, y = _place(draws, 0.22, 0.32)
    distance = np.hypot(brain.x - x, (brain.y - y) * draws.between(0.6, 0.75))
    return [("oedema", _swelling(brain, distance, draws.between(0.22, 0.28) * brain.scale))]


LESIONS: dict[str, Callable[[Brain, Draws], Layers]] = {
    "healthy": healthy,
    "tumour": tumour,
    "plaques": plaques,
    "infarct": infarct,
    "haemorrhage": haemorrhage,
    "cyst": cyst,
    "metastases": metastases,
    "abscess": abscess,
    "meningioma": meningioma,
    "oedema": oedema,
}
