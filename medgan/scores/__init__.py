"""How near images are to others: extractors of features, distances of sets, distances of pairs."""
