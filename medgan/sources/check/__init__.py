"""What a folder of raw files seems to be: guessed from names and a sample of files; `prepare` is the judge."""
