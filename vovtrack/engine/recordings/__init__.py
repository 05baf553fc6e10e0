"""Key points of robot recordings: from HDF5 files to copies of them with tracked points."""
