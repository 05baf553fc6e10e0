"""DetPro: open-vocabulary detection and its prompts."""

custom_imports = dict(imports=["detpro"])
