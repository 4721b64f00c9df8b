"""Images as arrays, in files and on grids for people. Formats of files are read and written only here."""
