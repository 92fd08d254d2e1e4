# The KVM engine, what it needs of the architecture, and the command line that both engines use.
vmm_kvm_SRC := vmm/cmdline.c
