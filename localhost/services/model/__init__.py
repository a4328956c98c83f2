"""A stand-in for the language model: plans SQL from the catalogue it is shown, and puts results into words."""
