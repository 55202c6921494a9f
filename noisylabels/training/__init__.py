"""Training: the loop, its randomness, its images on the device."""
