vmm_pci_SRC := vmm/pci/pci_config.c vmm/pci/pci_root.c \
	vmm/pci/virtio_pci.c vmm/pci/virtio_pci_bar.c vmm/pci/virtio_pci_common.c \
	vmm/pci/virtio_pci_device.c vmm/pci/virtio_pci_msix.c
