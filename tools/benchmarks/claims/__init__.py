"""Do the stages pay in the mini world? Claim by claim, over seeds and worlds."""
