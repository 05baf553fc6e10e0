"""OVTrack and VOVTrack: quasi-dense tracking on DetPro's detector."""

custom_imports = dict(imports=["ovtrack"])
