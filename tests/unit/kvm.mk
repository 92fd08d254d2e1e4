# A tool for work on the boot path, no test by itself: see its head.
$(B)/tests/kvm-boot: $(call objs,tests/vm/kvm_boot.c) $(B)/libvmm.a $(B)/libbase.a
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	@$(CC) $(CFLAGS) $(LINK) -o $@ $^ $(LIBS)
