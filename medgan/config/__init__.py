"""params.yaml as a frozen, checked tree, and the sentences of its errors."""
