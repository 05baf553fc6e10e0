"""Weight files: reading, converting, fetching, publishing and exporting them."""
