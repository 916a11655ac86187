"""Methods of others that the papers are compared with, by task."""
