"""Operations of `keras.ops` as layers: on axes, parts, masks, products and reductions."""
