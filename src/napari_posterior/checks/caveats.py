"""What to keep in mind about a comparison, in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from napari_posterior.checks.gram import same_samples

if TYPE_CHECKING:
    from napari_posterior.checks.gram import Gram
    from napari_posterior.checks.pairing import Chosen
    from napari_posterior.checks.source import Description, Stack
    from napari_posterior.checks.trust import NoiseTrust

__all__ = ["tell_caveats", "tell_scope"]

_ROUGH_BELOW: Final = 16  # samples
_FEW_BLOCKS: Final = 30


def tell_scope(described: tuple[Description, Description], stack: Stack) -> str:
    """Say what the findings are about."""
    name = described[0].image_name or "the image"
    height, width = stack.plane_shape
    planes = f", {stack.planes} planes" if stack.planes > 1 else ""
    return (
        f"{name} ({height} × {width} pixels{planes}): {described[1].samples} samples of "
        f"{described[1].label} against {described[0].samples} samples of {described[0].label}."
    )


def tell_caveats(
    described: tuple[Description, Description],
    trust: NoiseTrust,
    gram: Gram,
    *,
    samples: Chosen,
    blocks: int | None,
) -> tuple[str, ...]:
    """Return what may mislead a reader of the findings.

    Parameters
    ----------
    described : tuple of Description
        How both runs were made.
    trust : NoiseTrust
        What is known of the noise of the measurement.
    gram : Gram
        Of the samples that were compared.
    samples : Chosen
        These samples, and what was left out.
    blocks : int or None
        Blocks of pixels that coverage was scored in; None without a known object.
    """
    found = []
    if min(gram.n_teacher, gram.n_student) < _ROUGH_BELOW:
        found.append(
            f"With fewer than {_ROUGH_BELOW} samples of a run the intervals are rough; draw "
            f"{_ROUGH_BELOW} or more."
        )
    if trust.doubt:
        found.append(
            "Gain, offset or read noise were estimated from the image: numbers in photoelectrons "
            "and the distance of chi-squared from 1 carry that uncertainty."
        )
    if trust.correlated:
        found.append(trust.correlated)
    if trust.saturated:
        found.append(
            f"{trust.saturated} pixel{'s are' if trust.saturated > 1 else ' is'} saturated and "
            "left out of the likelihood; the object is at least as bright there."
        )
    if told := samples.tell():
        found.append(told)
    if samples.paired and same_samples(gram):
        found.append(
            "Both runs hold the same samples, so every difference is zero by construction."
        )
    if described[1].role == "teacher":
        found.append("Both runs were drawn by the teacher; “student” stands for the second run.")
    if samples.teacher.planes > 1:
        found.append(
            "Planes were restored one by one, so nothing is said about how they depend on each "
            "other; maps show one plane."
        )
    if blocks is not None and blocks < _FEW_BLOCKS:
        found.append("The image is small for an interval of the coverage; take it as rough.")
    return tuple(found)
