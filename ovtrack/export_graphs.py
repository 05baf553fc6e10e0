"""The networks of a tracker as graphs of their own, for other programs.

Those of the detector (:mod:`detpro.export_graphs`), and ``association``: pooled regions
(N, C, S, S) to the embeddings that are compared over time.
"""

from __future__ import annotations

from dataclasses import replace

from detpro.export_graphs import export_detector
from ovtrack.models.ovtrack import OVTrack
from vovtrack.engine.weights.export import Export, Graph


def export_tracker(model: OVTrack, size: tuple[int, int]) -> Export:
    """The networks of a tracker; see :func:`detpro.export_graphs.export_detector`."""
    detector = export_detector(model.get_submodule("detector"), size)
    regions = next(graph.inputs["regions"] for graph in detector.graphs if graph.name == "regions")
    association = Graph(
        "association",
        model.track_head,
        {"regions": regions},
        ("embeds",),
        {"regions": {0: "regions"}},
    )
    return replace(detector, graphs=(*detector.graphs, association))
