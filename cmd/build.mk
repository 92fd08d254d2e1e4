vrun_SRC :=
vrun_vmm_SRC :=
