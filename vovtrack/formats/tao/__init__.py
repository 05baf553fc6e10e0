"""TAO: annotations, results, and the tables that they become."""
