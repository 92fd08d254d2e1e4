# vrun: plain GNU make, out of tree in build/MODE.
#
#   make                 build/release: vrun, vrun-vmm, vrun-agent, vrun-probe
#   make MODE=dev|asan   other ways to build (see "Modes")
#   make run             install what is needed, build, run a container in a VM
#   make test            install what tests need, build, test
#   make help            all targets
#
# Each folder names its sources in its build.mk; tests/unit/*.mk name the unit tests.

MODE ?= release
B := build/$(MODE)
CC ?= gcc
ifeq ($(origin CC),default)
CC := gcc
endif
AR := ar
PREFIX ?= /usr/local
DESTDIR ?=

VERSION := $(shell cat VERSION)
COMMIT := $(shell git rev-parse --short=12 HEAD 2>/dev/null)

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla \
	-Wno-missing-field-initializers -Wpointer-arith -Wwrite-strings
ifeq ($(CI),1)
WARN += -Werror
endif
ifeq ($(CI),true)
WARN += -Werror
endif

# --- Modes ---
HARDEN := -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection -fcf-protection
ifeq ($(MODE),release)
OPT := -O2 -g $(HARDEN)
LINK := -pie -Wl,-z,relro,-z,now
else ifeq ($(MODE),dev)
OPT := -O0 -g3
LINK := -pie
else ifeq ($(MODE),asan)
OPT := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
LINK := -pie -fsanitize=address,undefined
else ifeq ($(MODE),fuzz)
CC := clang-14
OPT := -O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
LINK := -fsanitize=address,undefined
# clang's own opinion about the kernel's headers
WARN += -Wno-gnu-variable-sized-type-not-at-end
else
$(error MODE must be release, dev, asan or fuzz)
endif

CPPFLAGS := -I. -I$(B)/gen -D_GNU_SOURCE
CFLAGS := -std=gnu11 $(WARN) $(OPT) -fPIE -pthread
# The agent is static and small, never sanitized: it runs as PID 1 in the guest.
AGENT_CFLAGS := -std=gnu11 $(WARN) -Os -g -fstack-protector-strong -ffunction-sections -fdata-sections
AGENT_LINK := -static -Wl,--gc-sections -Wl,-z,relro,-z,now

.DELETE_ON_ERROR:
.SUFFIXES:
.PHONY: all
all: binaries

# --- Sources ---
include base/build.mk oci/build.mk vmm/build.mk runtime/build.mk agent/build.mk cmd/build.mk

objs = $(patsubst %.c,$(B)/obj/%.o,$(1))
agent_objs = $(patsubst %.c,$(B)/agent-obj/%.o,$(1))

$(B)/obj/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC    $<"
	@$(CC) $(CPPFLAGS) $(CFLAGS) $(CFLAGS_$(subst /,_,$*)) -MMD -MP -c -o $@ $<

$(B)/agent-obj/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC    $< (agent)"
	@gcc $(CPPFLAGS) $(AGENT_CFLAGS) -MMD -MP -c -o $@ $<

define archive
$(B)/lib$(1).a: $$(call objs,$$($(1)_SRC))
	@echo "  AR    $$@"
	@rm -f $$@ && $(AR) rcs $$@ $$^
endef
$(foreach m,base oci vmm runtime,$(eval $(call archive,$(m))))

# The version is compiled into one file, remade when VERSION or the commit changes.
$(B)/version.stamp: FORCE
	@mkdir -p $(@D)
	@echo '$(VERSION) $(COMMIT)' | cmp -s - $@ || echo '$(VERSION) $(COMMIT)' > $@
FORCE:
CFLAGS_cmd_version := -DVRUN_VERSION='"$(VERSION)"' -DVRUN_COMMIT='"$(COMMIT)"'
$(B)/obj/cmd/version.o: $(B)/version.stamp

# The jail's lists of system calls are compiled by a program of the build.
$(B)/gen/jail-filters: $(B)/obj/vmm/jail/syscalls.o
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) $(LINK) -o $@ $^ -lseccomp
$(B)/gen/jail-filters.inc: $(B)/gen/jail-filters
	@echo "  GEN   $@"
	@$< > $@
$(B)/obj/vmm/jail/filters.o: $(B)/gen/jail-filters.inc

# --- Binaries ---
LIBS := -lseccomp -lyajl -lcap -lmnl
.PHONY: binaries
binaries: $(if $(vrun_SRC),$(B)/vrun) $(if $(vrun_vmm_SRC),$(B)/vrun-vmm) $(if $(agent_SRC),$(B)/vrun-agent) $(B)/vrun-probe

$(B)/vrun: $(call objs,$(vrun_SRC)) $(B)/libruntime.a $(B)/libvmm.a $(B)/liboci.a $(B)/libbase.a
	@echo "  LINK  $@"
	@$(CC) $(CFLAGS) $(LINK) -o $@ $^ $(LIBS)

$(B)/vrun-vmm: $(call objs,$(vrun_vmm_SRC)) $(B)/libruntime.a $(B)/libvmm.a $(B)/liboci.a $(B)/libbase.a
	@echo "  LINK  $@"
	@$(CC) $(CFLAGS) $(LINK) -o $@ $^ $(LIBS)

$(B)/vrun-agent: $(call agent_objs,$(agent_SRC) $(agent_shared_SRC))
	@echo "  LINK  $@"
	@gcc $(AGENT_CFLAGS) $(AGENT_LINK) -o $@ $^ -lyajl_s -lcap
	@strip --strip-unneeded $@

$(B)/vrun-probe: $(call agent_objs,$(probe_SRC))
	@echo "  LINK  $@"
	@gcc $(AGENT_CFLAGS) $(AGENT_LINK) -o $@ $^
	@strip --strip-unneeded $@

# --- Unit tests ---
# tests/unit/*.mk: unit_TESTS += NAME, NAME_SRC := files, NAME_LIBS := archives and libraries after the usual ones.
include $(wildcard tests/unit/*.mk) tests/bench/bench.mk tests/fuzz/fuzz.mk

define unit_test
$(B)/tests/$(1): $$(call objs,$$($(1)_SRC)) $(B)/libruntime.a $(B)/libvmm.a $(B)/liboci.a $(B)/libbase.a
	@mkdir -p $$(@D)
	@echo "  LINK  $$@"
	@$(CC) $(CFLAGS) $(LINK) -o $$@ $$^ -lcmocka $(LIBS) $$($(1)_LIBS)
endef
$(foreach t,$(unit_TESTS),$(eval $(call unit_test,$(t))))

.PHONY: unit-binaries unit
unit-binaries: $(unit_TESTS:%=$(B)/tests/%)

# The unit tests of this mode; `make test` runs them in asan mode.
unit: unit-binaries
	@for t in $(unit_TESTS); do \
		echo "== $$t"; \
		UBSAN_OPTIONS=print_stacktrace=1 $(B)/tests/$$t || exit 1; \
	done

.PHONY: clean distclean help
clean:
	rm -rf build/release build/dev build/asan build/fuzz
distclean:
	rm -rf build

include tests/jail/build.mk tests/hostile/build.mk

include hack/targets.mk

-include $(shell find $(B) -name '*.d' 2>/dev/null)
