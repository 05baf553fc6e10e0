"""DiMP and those built on it: online tracking of single objects."""

custom_imports = dict(imports=["vovtrack.sot"])
