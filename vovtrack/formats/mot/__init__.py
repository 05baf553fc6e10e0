"""MOTChallenge text: rows, whole benchmarks of them, and the tracks of single videos."""
