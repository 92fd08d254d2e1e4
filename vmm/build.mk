# Each part lists its own files.
include vmm/virtio/build.mk vmm/pci/build.mk vmm/kvm/build.mk vmm/qemu/build.mk vmm/vhost_user/build.mk vmm/jail/build.mk

vmm_core_SRC := vmm/console_log.c vmm/least_memory.c vmm/vm_spec.c vmm/vmm.c

vmm_SRC := $(vmm_core_SRC) $(vmm_virtio_SRC) $(vmm_pci_SRC) $(vmm_kvm_SRC) $(vmm_qemu_SRC) $(vmm_vhost_user_SRC) $(vmm_jail_SRC)
