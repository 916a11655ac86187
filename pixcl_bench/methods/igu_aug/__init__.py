"""IGU-Aug: information decides which pixels are asked for and how strongly crops are changed."""
