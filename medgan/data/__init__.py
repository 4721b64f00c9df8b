"""Raw files -> prepared arrays -> batches."""
