# `make bench`, ROWS="GROUP..." for some; see tests/bench/run.
BENCH := $(B)/bench
.PHONY: bench bench-binaries
bench-binaries: $(BENCH)/stopwatch $(BENCH)/work $(BENCH)/init

$(BENCH)/%: tests/bench/%.c
	@mkdir -p $(@D)
	@echo "  CC    $< (static)"
	@gcc -I. -D_GNU_SOURCE -std=gnu11 $(WARN) -O2 -static -o $@ $<

bench:
	@hack/deps build guest run kernel test bench
	@$(MAKE) --no-print-directory MODE=release binaries guest bench-binaries
	@$(MAKE) --no-print-directory kernel
	@tests/bench/run $(if $(ROWS),-a) $(ROWS)
