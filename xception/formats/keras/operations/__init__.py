"""Operations between layers, read from and written to Keras configs."""
