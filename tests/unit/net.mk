unit_TESTS += test_net test_net_stream test_net_vhost test_net_control test_qemu_net
net_guest_SRC := tests/unit/net_guest.c tests/unit/ring_driver.c
test_net_SRC := tests/unit/test_net.c $(net_guest_SRC)
test_net_stream_SRC := tests/unit/test_net_stream.c $(net_guest_SRC)
test_qemu_net_SRC := tests/unit/test_qemu_net.c
test_net_vhost_SRC := tests/unit/test_net_vhost.c $(net_guest_SRC)
test_net_control_SRC := tests/unit/test_net_control.c $(net_guest_SRC)

# A tool for work on networking, no test by itself: see its head.
$(B)/tests/net-boot: $(call objs,tests/vm/net_boot.c) $(B)/libvmm.a $(B)/libbase.a
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	@$(CC) $(CFLAGS) $(LINK) -o $@ $^ $(LIBS)
