"""OVTrack and VOVTrack: quasi-dense association on DetPro's detector."""

custom_imports = dict(imports=["ovtrack"])
