"""What runs on a device: it classifies a folder by the model of a component, and takes another one in while it does."""
