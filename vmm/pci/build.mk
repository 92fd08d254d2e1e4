vmm_pci_SRC := vmm/pci/pci_config.c vmm/pci/pci_root.c
