vmm_kvm_SRC :=
