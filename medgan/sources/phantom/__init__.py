"""The built-in numerical head with lesions."""
