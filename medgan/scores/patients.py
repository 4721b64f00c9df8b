"""How many patients an interval needs."""

# Of a group, or images where each stands for itself: of fewer nobody knows how they vary.
FEWEST = 5
