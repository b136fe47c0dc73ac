"""What does a model look like in another precision? fp16, and int8 in the form that a runtime executes best."""
