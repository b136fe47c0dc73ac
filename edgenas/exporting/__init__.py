"""What is exported? Verified ONNX files with their model cards."""
