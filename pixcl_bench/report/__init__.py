"""Tables, statistics, claims, figures and pages. Reads result records; never torch."""
