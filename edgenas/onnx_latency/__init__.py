"""What does an ONNX file cost? Read, given shapes, split into the kernels that runtimes fuse, timed by a model."""
