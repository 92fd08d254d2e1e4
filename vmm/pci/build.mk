vmm_pci_SRC :=
