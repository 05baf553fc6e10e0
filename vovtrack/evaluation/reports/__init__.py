"""Reports: the numbers of an evaluation as files, tables and pages."""
