"""The README of a bundle: its card in words, for those who open the folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_posterior.bundles.card import MSE, POINT, FlowMapConfig, SolverConfig
from napari_posterior.bundles.info import either
from napari_posterior.bundles.tables import figure_tables

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_posterior.bundles.card import ModelCard, SamplerConfig
    from napari_posterior.bundles.certificate import Certificate

__all__ = ["RANGE_WORDS", "make_readme", "scene_words"]

RANGE_WORDS = {
    "psf_sigma": "PSF sigma (px)",
    "read_noise": "read noise (e-)",
    "peak": "peak of the scene (photoelectrons per pixel)",
    "photon_scale": "photon scale (photoelectrons per pixel)",
    "background": "background level (photoelectrons per pixel)",
}


def make_readme(card: ModelCard, samplers: Mapping[str, SamplerConfig]) -> str:
    """Return the README in Markdown.

    Parameters
    ----------
    card : ModelCard
        What it tells.
    samplers : mapping of str to sampler settings
        The parts of the bundle by name.
    """
    trained = card.training_range.model_dump()
    lines = [f"# {card.name} {card.version}", "", card.description, "", "## Intended use", ""]
    lines += [card.intended_use, "", "## Known limits", ""]
    lines += [f"- {limit}" for limit in card.known_limits]
    lines += ["", "## Parts", "", "| name | what it is |", "|---|---|"]
    lines += [f"| `{name}` | {_what(name, samplers, card)} |" for name in sorted(samplers)]
    lines += ["", "## Trained on", "", "| number | from | to |", "|---|---|---|"]
    lines += [
        f"| {words} | {trained[key][0]:g} | {trained[key][1]:g} |"
        for key, words in RANGE_WORDS.items()
    ]
    lines += ["", f"{scene_words(card)} Seed: {card.training.seed}.", ""]
    if card.evaluation:
        lines += ["## Measured", "", *figure_tables(card.evaluation)]
    lines += ["## Licence", "", card.license, ""]
    return "\n".join(lines)


def scene_words(card: ModelCard) -> str:
    """Say what a model was trained on, in a sentence or two."""
    record = card.training
    if record.own is None:
        told = f"Simulated scenes: {', '.join(record.kinds) or 'none'}."
    else:
        what = {"images": "Clean images", "pairs": "Pairs of a noisy and a clean image"}
        files = f"{record.own.files} file{'s' * (record.own.files != 1)}"
        told = f"{what[record.own.kind]}: {files}, {record.own.pixels / 1e6:.3g} million pixels."
    return told if record.start is None else f"{told} Weights gone on from: {record.start}."


def _what(name: str, samplers: Mapping[str, SamplerConfig], card: ModelCard) -> str:
    config = samplers[name]
    if isinstance(config, SolverConfig):
        certificate = config.certificate
        told = "not certified" if certificate is None else _certified(certificate)
        return (
            f"the reference: {config.solver}, {config.steps} steps on {config.grid}, "
            f"{config.nfe} network evaluations per sample; {told}"
        )
    if isinstance(config, FlowMapConfig):
        counts = config.step_counts
        noun = "step" if counts == (1,) else "steps"
        told = f"student of the teacher: {either(counts)} {noun}, one network evaluation each"
        return "; ".join(filter(None, (told, card.training.methods.get(name))))
    if name == POINT:
        asked = "" if MSE in samplers else ", and the image given where `mse` is asked for"
        return f"point estimate with its expected error: what samples are centred on{asked}"
    return "point estimate: one image, not a draw; the teacher's network, taught to give the mean"


def _certified(certificate: Certificate) -> str:
    return (
        f"{certificate.words} in any band of spatial frequency, measured on {certificate.scenes} "
        f"held-out scenes with {certificate.samples} samples each, "
        f"{certificate.level:.0%} intervals over scenes"
    )
