# The fuzzers, built in fuzz mode (clang, libFuzzer): fuzz_TARGETS += NAME, fuzz_NAME_SRC := files beside fuzz_NAME.c.
fuzz_TARGETS := virtqueue virtio_pci fs vsock net balloon vhost_user guest_frames agent_frames config vm_spec \
	netlink kernel_image
fuzz_shared_SRC := tests/fuzz/fuzz.c
fuzz_kernel_image_SRC := tests/unit/ring_driver.c
fuzz_device_SRC := tests/fuzz/device.c tests/unit/ring_driver.c
fuzz_virtqueue_SRC := tests/unit/ring_driver.c
fuzz_virtio_pci_SRC := tests/unit/pci_driver.c $(fuzz_device_SRC)
fuzz_fs_SRC := tests/unit/fs_client.c
fuzz_vsock_SRC := $(fuzz_device_SRC)
fuzz_net_SRC := $(fuzz_device_SRC)
fuzz_balloon_SRC := $(fuzz_device_SRC)
fuzz_vhost_user_SRC := tests/unit/vu_front.c tests/unit/ring_driver.c
fuzz_agent_frames_SRC := $(agent_core_SRC)
# The kernel's answers come from the input.
fuzz_netlink_LIBS := -Wl,--wrap=mnl_socket_recvfrom -Wl,--wrap=mnl_socket_sendto

define fuzz_target
$(B)/fuzz/$(1): $$(call objs,tests/fuzz/fuzz_$(1).c $$(fuzz_shared_SRC) $$(fuzz_$(1)_SRC)) $(B)/libruntime.a $(B)/libvmm.a $(B)/liboci.a $(B)/libbase.a
	@mkdir -p $$(@D)
	@echo "  LINK  $$@"
	@$(CC) $(CFLAGS) $(LINK) -fsanitize=fuzzer -o $$@ $$^ $$(fuzz_$(1)_LIBS) -lcmocka $(LIBS)
endef
$(foreach t,$(fuzz_TARGETS),$(eval $(call fuzz_target,$(t))))

.PHONY: fuzz fuzz-binaries
fuzz-binaries: $(fuzz_TARGETS:%=$(B)/fuzz/%)

# FUZZ_SECONDS: for each; FUZZ: the names of those that are wanted.
FUZZ_SECONDS ?= 600
fuzz:
	@hack/deps build fuzz
	@$(MAKE) --no-print-directory MODE=fuzz fuzz-binaries
	@tests/fuzz/run -t $(FUZZ_SECONDS) $(FUZZ)
