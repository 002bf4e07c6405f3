"""Training: stacked language models and their optimizers, on torch, numpy and safetensors alone."""
