"""Published data sets that lie under a folder of the user."""
