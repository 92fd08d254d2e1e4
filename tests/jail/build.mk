# build/probe: vrun, and a vrun-vmm that tries to get out of its jail (probe.c). For tests/vm/jail.bats.
probe_SRC := tests/jail/probe.c
PROBE := build/probe

$(PROBE)/vrun: $(B)/vrun
	@mkdir -p $(@D)
	@cp -f $< $@

$(PROBE)/vrun-vmm: $(call objs,$(vrun_vmm_SRC) $(probe_SRC)) $(B)/libruntime.a $(B)/libvmm.a $(B)/liboci.a $(B)/libbase.a
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	@$(CC) $(CFLAGS) $(LINK) -o $@ $^ $(LIBS)

.PHONY: probe
probe: $(PROBE)/vrun $(PROBE)/vrun-vmm
