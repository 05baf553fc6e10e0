"""Track-On: online tracking of points."""

custom_imports = dict(imports=["vovtrack.point"])
