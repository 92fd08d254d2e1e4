base_SRC :=
