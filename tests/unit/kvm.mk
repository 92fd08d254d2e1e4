unit_TESTS += test_cmdline test_kernel_image test_boot test_firmware test_legacy_io test_cpuid
test_cmdline_SRC := tests/unit/test_cmdline.c
test_kernel_image_SRC := tests/unit/test_kernel_image.c
test_boot_SRC := tests/unit/test_boot.c
test_firmware_SRC := tests/unit/test_firmware.c
test_legacy_io_SRC := tests/unit/test_legacy_io.c
test_cpuid_SRC := tests/unit/test_cpuid.c

# A tool for work on the boot path, no test by itself: see its head.
$(B)/tests/kvm-boot: $(call objs,tests/vm/kvm_boot.c) $(B)/libvmm.a $(B)/liboci.a $(B)/libbase.a
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	@$(CC) $(CFLAGS) $(LINK) -o $@ $^ $(LIBS)
