runtime_SRC :=
