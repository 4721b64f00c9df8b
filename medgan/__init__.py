"""medgan: from a folder of medical images to a generator that can be trusted."""

__version__ = "0.1.0"
