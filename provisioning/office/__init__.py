"""What the office prints and files: work orders, labels, their QR. It decides nothing; the authority does."""
