oci_SRC :=
