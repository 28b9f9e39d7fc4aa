"""PAN++ training: model, labels, losses, data, synthetic text. See ../README.md."""
