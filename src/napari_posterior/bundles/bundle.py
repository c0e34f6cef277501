"""A bundle opened: its card, its samplers and its conditioner."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from napari_posterior.bundles.card import MSE, POINT, TEACHER
from napari_posterior.bundles.checksums import check_files
from napari_posterior.bundles.corrected import describe_corrected
from napari_posterior.bundles.from_info import student_of, teacher_of
from napari_posterior.bundles.info import describe
from napari_posterior.bundles.parts import by_sampler, read_parts
from napari_posterior.bundles.reading import read_card
from napari_posterior.bundles.weights import load_weights
from napari_posterior.errors import ModelError
from napari_posterior.networks.registry import STRIDE, build, reach_of
from napari_posterior.sampling.blending import blended, blended_point
from napari_posterior.sampling.conditioning import VECTOR, Conditioner, Normaliser
from napari_posterior.sampling.correct import correct
from napari_posterior.sampling.model import FlowMap
from napari_posterior.sampling.path import get_path
from napari_posterior.sampling.samplers import PointSampler
from napari_posterior.sampling.tiling import tiled, tiled_point

if TYPE_CHECKING:
    import os

    from torch import Tensor, nn

    from napari_posterior.bundles.card import ModelCard
    from napari_posterior.bundles.info import SamplerInfo
    from napari_posterior.bundles.parts import PartFiles
    from napari_posterior.sampling.corrections import Correction
    from napari_posterior.sampling.model import VelocityNet
    from napari_posterior.sampling.samplers import Sampler

__all__ = ["Autocast", "Bundle", "open_bundle"]


@dataclass(frozen=True)
class Autocast:
    """A network evaluated under bfloat16 autocast, with float32 in and out."""

    net: VelocityNet

    def __call__(self, x: Tensor, s: Tensor, t: Tensor, maps: Tensor, vector: Tensor) -> Tensor:
        """Return F, (B, 1, H, W) float32."""
        with torch.autocast(x.device.type, dtype=torch.bfloat16):
            return self.net(x, s, t, maps, vector).float()


class Bundle:
    """An opened bundle; make it with :func:`open_bundle`.

    Parameters
    ----------
    folder : Path
        Where the files lie.
    card : ModelCard
        The card; the files have been compared with it.

    Raises
    ------
    ModelError
        If the parts do not belong together.
    """

    def __init__(self, folder: Path, card: ModelCard) -> None:
        self.folder = folder
        self.card = card
        self._parts = read_parts(folder, card)
        self._samplers = by_sampler(self._parts)
        self._nets: dict[tuple[str, torch.device], nn.Module] = {}
        self._normaliser = _read_normaliser(card)

    def __repr__(self) -> str:
        return f"Bundle({self.card.name!r}, {self.card.version}, samplers {list(self.names)})"

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the samplers: ``"teacher"``, the students, ``"mse"``."""
        return tuple(self._samplers)

    @property
    def weights_hash(self) -> str:
        """SHA-256 over all that decides a sample, 64 hexadecimal digits.

        Covers weights, network and sampler settings, path, target and normalisation; not the
        texts, nor the measured figures, which may be added later.
        """
        card = self.card
        parts = ("teacher/", "point/", "mse/", "students/")
        decides = {
            "path": card.path,
            "target_sigma": card.target_sigma,
            "conditioning": card.conditioning.model_dump(mode="json"),
            "files": {name: r.sha256 for name, r in card.files.items() if name.startswith(parts)},
        }
        return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()

    def info(
        self,
        name: str,
        *,
        steps: int | None = None,
        precision: str = "float32",
        correction: Correction | None = None,
    ) -> SamplerInfo:
        """Say what a sampler is with these settings; loads no weights.

        Parameters
        ----------
        name : str
            One of :attr:`names`.
        steps : int, optional
            Grid intervals; default: what the bundle says.
        precision : str
            ``"float32"`` or ``"bfloat16"``.
        correction : HandOver, Refine or Guided, optional
            How the teacher corrects the student of this name.

        Returns
        -------
        SamplerInfo

        Raises
        ------
        ModelError
            If the bundle has no such sampler.
        InputError
            If the sampler cannot take these steps or be corrected so, or the precision is unknown.
        """
        part = self._part(name)
        if correction is None:
            return describe(part, steps=steps, precision=precision)
        return describe_corrected(
            part, self._part(TEACHER), correction, steps=steps, precision=precision
        )

    def sampler(
        self,
        name: str,
        *,
        steps: int | None = None,
        device: str | torch.device = "cpu",
        precision: str = "float32",
        tile: int | None = None,
        correction: Correction | None = None,
    ) -> Sampler:
        """Build a sampler with its weights on a device.

        Parameters
        ----------
        name : str
            One of :attr:`names`.
        steps : int, optional
            Grid intervals; default: what the bundle says.
        device : str or torch.device
            Where to compute.
        precision : str
            ``"float32"``, or ``"bfloat16"`` for autocast of the network calls.
        tile : int, optional
            Side in pixels of the tiles of each network call; None: the whole plane at once. Tiles
            of a network that is not local overlap by a quarter and blend: another law than that of
            the whole plane, without edges.
        correction : HandOver, Refine or Guided, optional
            How the teacher corrects the student of this name.

        Returns
        -------
        Sampler

        Raises
        ------
        ModelError
            If the bundle has no such sampler or its weights do not fit.
        InputError
            If the sampler cannot take these steps, precision or tile.
        """
        info = self.info(name, steps=steps, precision=precision, correction=correction)
        if info.role == "point" and MSE not in self._parts:
            return PointSampler(name)
        where, path = torch.device(device), self.card.path
        net = self._on_tiles(name, where, precision=precision, tile=tile)
        if info.role == "point":
            return PointSampler(name, FlowMap(get_path(path), net))
        if info.role == "teacher":
            return teacher_of(info, net, path)
        student = student_of(info, net, path)
        if correction is None:
            return student
        reference = self.info(TEACHER, precision=precision)
        other = self._on_tiles(TEACHER, where, precision=precision, tile=tile)
        return correct(student, teacher_of(reference, other, path), correction)

    def conditioner(
        self, device: str | torch.device = "cpu", *, tile: int | None = None
    ) -> Conditioner:
        """Build what turns a measurement into network inputs.

        Parameters
        ----------
        device : str or torch.device
            Where the point estimate is computed; give the same to ``Conditioner.prepare``.
        tile : int, optional
            Side in pixels of the tiles it is computed on; None: the whole plane at once.

        Raises
        ------
        ModelError
            If the weights of the point estimate do not fit.
        """
        net = self._net(self._parts[POINT], torch.device(device))
        halo = reach_of(net)
        if halo is None:
            on_tiles = blended_point(net, tile=tile, stride=STRIDE)
        else:
            on_tiles = tiled_point(net, tile=tile, halo=halo, stride=STRIDE)
        return Conditioner(self._normaliser, on_tiles, stride=STRIDE)

    def unload(self) -> int:
        """Let the networks go; they are loaded anew when they are asked for.

        Returns
        -------
        int
            Bytes that they took, on all devices; what torch took of a GPU for them it keeps until
            `memory.give_back`.
        """
        held = [one for net in self._nets.values() for one in (*net.parameters(), *net.buffers())]
        self._nets.clear()
        return sum(one.untyped_storage().nbytes() for one in held)

    def _on_tiles(
        self, name: str, device: torch.device, *, precision: str, tile: int | None
    ) -> VelocityNet:
        """Return a sampler's network, evaluated on tiles."""
        module = self._net(self._part(name), device)
        net: VelocityNet = Autocast(module) if precision == "bfloat16" else module
        halo = reach_of(module)
        if halo is None:
            return blended(net, tile=tile, stride=STRIDE)
        return tiled(net, tile=tile, halo=halo, stride=STRIDE)

    def _part(self, name: str) -> PartFiles:
        if name not in self._samplers:
            raise ModelError(
                f"the model {self.card.name!r} has no sampler {name!r}; "
                f"use one of: {', '.join(self.names)}"
            )
        return self._samplers[name]

    def _net(self, part: PartFiles, device: torch.device) -> nn.Module:
        key = (part.name, device)
        if key not in self._nets:
            net = build(part.config.arch, part.config.arch_kwargs)
            load_weights(net, self.folder / part.weights_path, part.weights)
            # Convolutions on a CPU are a third faster with the channels last.
            net = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # stub
            self._nets[key] = net.to(device).eval().requires_grad_(False)
        return self._nets[key]


def open_bundle(folder: str | os.PathLike[str]) -> Bundle:
    """Open a bundle after comparing every file with the checksums of its card.

    Parameters
    ----------
    folder : str or path
        Folder that holds ``posterior.json``.

    Returns
    -------
    Bundle

    Raises
    ------
    ModelError
        If the card or a part is wrong, a file is missing or changed, or weights are not listed.
    """
    where = Path(folder)
    card = read_card(where)
    check_files(where, card.files)
    return Bundle(where, card)


def _read_normaliser(card: ModelCard) -> Normaliser:
    if card.conditioning.vector != VECTOR:
        raise ModelError(
            f"the model {card.name!r} was trained with other condition numbers than this version "
            "of napari-posterior gives; use the version that it was made with"
        )
    try:
        return Normaliser(**card.conditioning.normaliser)  # type: ignore[arg-type]  # from JSON
    except TypeError as error:
        raise ModelError(
            f"the normaliser settings of the model {card.name!r} do not fit ({error})"
        ) from error
