vmm_qemu_SRC := vmm/qemu/command.c vmm/qemu/console.c vmm/qemu/engine.c vmm/qemu/listener.c vmm/qemu/probe.c vmm/qemu/process.c \
	vmm/qemu/qmp.c vmm/qemu/tsc.c
