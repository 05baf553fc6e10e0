"""The networks that track in graphs, and their losses."""

from vovtrack.graph.models.hierarchy import HierarchicalTracker
from vovtrack.graph.models.losses import GraphLosses
from vovtrack.graph.models.network import HierarchicalNet
from vovtrack.graph.models.reid import ReIDNet

__all__ = ["GraphLosses", "HierarchicalNet", "HierarchicalTracker", "ReIDNet"]
