"""The command `medgan`."""
