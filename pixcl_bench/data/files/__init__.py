"""Files of a user: texts, names, and pictures, read rightly or refused by name."""
