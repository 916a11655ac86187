"""What several methods share: losses, views, memories, operations in space."""
