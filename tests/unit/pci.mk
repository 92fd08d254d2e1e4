unit_TESTS += test_console_log test_vm_spec test_console test_balloon test_pci_root test_virtio_pci test_virtio_pci_irq \
	test_virtio_pci_access test_vmm
test_console_log_SRC := tests/unit/test_console_log.c
test_vm_spec_SRC := tests/unit/test_vm_spec.c
test_console_SRC := tests/unit/test_console.c tests/unit/ring_driver.c
test_balloon_SRC := tests/unit/test_balloon.c tests/unit/ring_driver.c
test_pci_root_SRC := tests/unit/test_pci_root.c
virtio_pci_fixture_SRC := tests/unit/virtio_pci_fixture.c tests/unit/pci_driver.c tests/unit/ring_driver.c
test_virtio_pci_SRC := tests/unit/test_virtio_pci.c $(virtio_pci_fixture_SRC)
test_virtio_pci_irq_SRC := tests/unit/test_virtio_pci_irq.c $(virtio_pci_fixture_SRC)
test_virtio_pci_access_SRC := tests/unit/test_virtio_pci_access.c $(virtio_pci_fixture_SRC)
test_vmm_SRC := tests/unit/test_vmm.c
