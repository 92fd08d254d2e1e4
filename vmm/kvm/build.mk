# The KVM engine, what it needs of the architecture, and the command line that both engines use.
vmm_kvm_SRC := \
	vmm/cmdline.c \
	vmm/arch/x86/acpi.c \
	vmm/arch/x86/aml.c \
	vmm/arch/x86/boot.c \
	vmm/arch/x86/ioapic.c \
	vmm/arch/x86/kernel_bzimage.c \
	vmm/arch/x86/kernel_elf.c \
	vmm/arch/x86/kernel_image.c \
	vmm/arch/x86/legacy_io.c \
	vmm/arch/x86/mptable.c \
	vmm/arch/x86/serial8250.c \
	vmm/kvm/cpuid.c \
	vmm/kvm/crash.c \
	vmm/kvm/engine.c \
	vmm/kvm/irq.c \
	vmm/kvm/machine.c \
	vmm/kvm/probe.c \
	vmm/kvm/stats.c \
	vmm/kvm/timed_guest.c \
	vmm/kvm/vcpu.c \
	vmm/kvm/vcpu_state.c \
	vmm/kvm/vm.c
