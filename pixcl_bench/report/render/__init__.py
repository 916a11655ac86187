"""What is seen: pages, tables, figures and exports, made from the rows and verdicts of `report`."""
