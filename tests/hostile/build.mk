# build/hostile.img: an initramfs whose process 1 attacks its VMM (hostile.c). For tests/vm/hostile.bats.
hostile_SRC := tests/hostile/hostile.c tests/hostile/payload.c tests/hostile/pci.c
HOSTILE := build/hostile

$(HOSTILE)/init: $(call agent_objs,$(hostile_SRC))
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	@gcc $(AGENT_CFLAGS) $(AGENT_LINK) -o $@ $^

$(HOSTILE)/initrd.img: hack/mkinitrd $(HOSTILE)/init
	@echo "  GUEST $@"
	@hack/mkinitrd -a $(HOSTILE)/init -k none -o $@

.PHONY: hostile
hostile: $(HOSTILE)/initrd.img
