"""What runs on a board that has neither edgenas nor torch?

Written in the grammar of Python 3.8 with the standard library alone (numpy and onnxruntime are imported where models
run), so that a kit can carry these modules, joined into one file. This machine is measured by the same code.
"""
