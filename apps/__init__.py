"""What stands on the public interface alone."""
