"""Engine kinds as other packages would provide them. Tests copy them to a folder outside this repository."""
