vmm_qemu_SRC :=
