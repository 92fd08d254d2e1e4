# Everything beyond compiling: guest images, running, tests, formatting, installing.

GUEST := build/guest

# --- The guest's images: the stock kernel, and an initramfs with the agent and the modules it needs ---
.PHONY: guest
guest: $(GUEST)/initrd.img

$(GUEST)/vmlinux: hack/guest-kernel
	@mkdir -p $(@D)
	@hack/guest-kernel -o $@ >/dev/null && touch $@

$(GUEST)/initrd.img: $(GUEST)/vmlinux hack/mkinitrd build/release/vrun-agent
	@echo "  GUEST $@"
	@hack/mkinitrd -a build/release/vrun-agent -k "$$(cat $(GUEST)/vmlinux.release)" -o $@

# --- The tuned kernel: preferred by vrun when it is there; its initramfs needs no modules ---
.PHONY: kernel
kernel:
	@hack/deps build guest kernel
	@hack/kernel/build -o $(GUEST)/vmlinux-tuned -w build/kernel
	@$(MAKE) --no-print-directory $(GUEST)/initrd-tuned.img

$(GUEST)/initrd-tuned.img: hack/mkinitrd build/release/vrun-agent
	@mkdir -p $(@D)
	@echo "  GUEST $@"
	@hack/mkinitrd -a build/release/vrun-agent -k none -o $@

# In release mode the Makefile's own rule makes it.
ifneq ($(MODE),release)
build/release/vrun-agent:
	@$(MAKE) --no-print-directory MODE=release binaries
endif

# --- Running ---
.PHONY: run demo
run:
	@hack/quick-start
demo:
	@hack/deps build guest run
	@$(MAKE) --no-print-directory MODE=release binaries
	@$(MAKE) --no-print-directory guest
	@hack/demo

# --- Tests: `make test` is what CI runs; tests/run has the parts one by one ---
CORES := $(shell nproc)
.PHONY: test check
test:
	@hack/deps build guest run kernel deb test fuzz clients
	@$(MAKE) --no-print-directory -j$(CORES) MODE=release binaries doc probe hostile build/release/tests/net-peer
	@$(MAKE) --no-print-directory -j$(CORES) MODE=asan binaries unit-binaries
	@$(MAKE) --no-print-directory -j$(CORES) MODE=fuzz fuzz-binaries
	@$(MAKE) --no-print-directory guest kernel
	@tests/run
check: test

# Every allocation, mmap, open, … on the way of `vrun run` fails in turn (some 1,000 runs).
.PHONY: faults
faults:
	@hack/deps build guest run
	@$(MAKE) --no-print-directory MODE=release binaries
	@$(MAKE) --no-print-directory guest
	@tests/faults/run -n all

# Minutes of containers that come, work and go, and then a count of what they left.
SOAK_MINUTES ?= 5
.PHONY: soak
soak:
	@hack/deps build guest run test
	@$(MAKE) --no-print-directory MODE=release binaries
	@$(MAKE) --no-print-directory guest
	@tests/soak -m $(SOAK_MINUTES)
	VRUN_TEST_FILES=1000000 bats --tap -f 'more files than descriptors' tests/vm/escape.bats

# So many hostile guests, mostly under a sanitized VMM; a minute has three or four.
ATTACKS ?= 60
.PHONY: hostile-soak
hostile-soak:
	@$(MAKE) --no-print-directory -j$(CORES) MODE=release binaries hostile
	@$(MAKE) --no-print-directory -j$(CORES) MODE=asan binaries
	@$(MAKE) --no-print-directory guest
	VRUN_HOSTILE_SEED=$$(($$(date +%s) % 100000)) VRUN_HOSTILE_ATTACKS=$(ATTACKS) bats --tap tests/vm/hostile.bats

# 4 GiB through TCP each of WAYS, out of a container, into it, and between two, each byte compared, over each MTU of
# MTUS: a minute or more each. ENGINE=kvm: in the lab.
MTUS ?= 1500 9000
WAYS ?= out in between
BULK ?= 4294967296
ENGINE ?= qemu
NETWORK_SOAK := bats --tap --filter 'TCP streams' tests/vm/network.bats
.PHONY: network-soak
network-soak:
	@$(MAKE) --no-print-directory -j$(CORES) MODE=release binaries build/release/tests/net-peer
	@$(MAKE) --no-print-directory guest
ifeq ($(ENGINE),kvm)
	hack/kvm-lab -m 6G -t 3600 -W -D /tmp -e VRUN_TEST_ENGINE=kvm -e VRUN_TEST_BULK=$(BULK) -e VRUN_TEST_MTUS="$(MTUS)" \
		-e VRUN_TEST_WAYS="$(WAYS)" -- $(NETWORK_SOAK)
else
	VRUN_TEST_ENGINE=$(ENGINE) VRUN_TEST_BULK=$(BULK) VRUN_TEST_MTUS="$(MTUS)" VRUN_TEST_WAYS="$(WAYS)" $(NETWORK_SOAK)
endif

# --- Keeping the code in shape ---
C_FILES := $(shell git ls-files '*.[ch]' 2>/dev/null)
.PHONY: format tidy
format:
	clang-format -i $(C_FILES)
tidy: compile_commands.json $(B)/gen/jail-filters.inc
	@hack/deps tidy
	@hack/tidy
compile_commands.json: FORCE
	@hack/compile-commands '$(CPPFLAGS) $(CFLAGS)' $(filter %.c,$(C_FILES)) > $@

# --- Manual pages and completions: what the tables of options hold comes from vrun itself ---
DOC := $(B)/doc
MAN := $(DOC)/vrun.1 $(DOC)/vrun-vmm.8 $(DOC)/vrun.conf.5
COMPLETIONS := $(DOC)/vrun.bash $(DOC)/vrun.zsh $(DOC)/vrun.fish
.PHONY: doc
doc: $(MAN) $(COMPLETIONS)

$(DOC)/vrun.1: cmd/man/vrun.1.in $(B)/vrun
	@mkdir -p $(@D)
	@$(B)/vrun manual > $@.commands
	@sed -e '/^@COMMANDS@$$/{r $@.commands' -e 'd}' $< > $@
	@rm $@.commands
$(DOC)/%: cmd/man/%
	@mkdir -p $(@D)
	@cp $< $@
$(DOC)/vrun.bash $(DOC)/vrun.zsh $(DOC)/vrun.fish: $(B)/vrun
	@mkdir -p $(@D)
	@$(B)/vrun completion $(subst .,,$(suffix $@)) > $@

# --- Installing ---
LIBEXEC := $(PREFIX)/lib/vrun
SHARE := $(PREFIX)/share
SYSCONFDIR ?= /etc
EXAMPLES := hack/examples/containerd.toml hack/examples/docker.json hack/examples/runtimeclass.yaml \
	hack/examples/vrun.conf
.PHONY: install
install: binaries guest doc
	install -Dm755 $(B)/vrun $(DESTDIR)$(PREFIX)/bin/vrun
	install -Dm755 $(B)/vrun-vmm $(DESTDIR)$(LIBEXEC)/vrun-vmm
	install -Dm755 $(B)/vrun-probe $(DESTDIR)$(LIBEXEC)/vrun-probe
	install -Dm644 $(GUEST)/vmlinux $(DESTDIR)$(LIBEXEC)/guest/vmlinux
	install -Dm644 $(GUEST)/initrd.img $(DESTDIR)$(LIBEXEC)/guest/initrd.img
	install -Dm644 $(DOC)/vrun.1 $(DESTDIR)$(SHARE)/man/man1/vrun.1
	install -Dm644 $(DOC)/vrun.conf.5 $(DESTDIR)$(SHARE)/man/man5/vrun.conf.5
	install -Dm644 $(DOC)/vrun-vmm.8 $(DESTDIR)$(SHARE)/man/man8/vrun-vmm.8
	install -Dm644 $(DOC)/vrun.bash $(DESTDIR)$(SHARE)/bash-completion/completions/vrun
	install -Dm644 $(DOC)/vrun.zsh $(DESTDIR)$(SHARE)/zsh/vendor-completions/_vrun
	install -Dm644 $(DOC)/vrun.fish $(DESTDIR)$(SHARE)/fish/vendor_completions.d/vrun.fish
	install -d $(DESTDIR)$(SHARE)/doc/vrun/examples $(DESTDIR)$(SYSCONFDIR)/containers/containers.conf.d
	for f in $(EXAMPLES); do \
		sed 's|@BINDIR@|$(PREFIX)/bin|' $$f > $(DESTDIR)$(SHARE)/doc/vrun/examples/$${f##*/} || exit 1; \
	done
	sed 's|@BINDIR@|$(PREFIX)/bin|' hack/examples/containers.conf \
		> $(DESTDIR)$(SYSCONFDIR)/containers/containers.conf.d/vrun.conf

# A Debian package, in build/.
.PHONY: deb deb-check
deb:
	@hack/deps build guest deb
	@hack/deb
deb-check: deb
	@hack/deps deb-check
	@hack/deb-check

help:
	@echo "make               build into build/release (MODE=dev, asan, fuzz: other ways)"
	@echo "make run           install what is needed, build, run a container in a VM"
	@echo "make demo          what a container in a VM is like, in five scenes"
	@echo "make test          install what tests need, build, run all tests"
	@echo "make fuzz          the fuzzers, FUZZ_SECONDS=600 each; FUZZ='NAME ...' only these"
	@echo "make faults        vrun run with each of its calls failing in turn (half an hour)"
	@echo "make network-soak  4 GiB through TCP each way (ENGINE=kvm: in the lab)"
	@echo "make soak          SOAK_MINUTES=5 of containers made, used, killed; counts what is left"
	@echo "make hostile-soak  ATTACKS=60 hostile guests"
	@echo "make unit MODE=M   the unit tests of one mode"
	@echo "make guest         the guest's kernel and initramfs, in $(GUEST)"
	@echo "make kernel        the tuned guest kernel from Debian's source package (5 minutes on 2 cores)"
	@echo "make bench         vrun beside QEMU microvm, runc and crun: a table, JSON and a chart (30 minutes)"
	@echo "make install       into DESTDIR and PREFIX (now '$(DESTDIR)$(PREFIX)')"
	@echo "make deb           a Debian package of the same, in build/"
	@echo "make deb-check     installs and uses that package in a clean Debian 12"
	@echo "make format, tidy  clang-format; clang-tidy, cppcheck, gcc -fanalyzer"
	@echo "make clean         remove the builds; distclean: the guest's images too"
