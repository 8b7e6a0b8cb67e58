# libauditshim.so: preloaded into dynamic programs, of glibc and of musl.
SHIM_PARTS := endpoint memory settings state send environment report elf real exec connect open streams indirect
SHIM_SOURCES := $(SHIM_PARTS:%=shim/%.c) $(PROTOCOL_SOURCES)
SHIM_HEADERS := $(wildcard shim/*.h) $(PROTOCOL_HEADERS)

# No libc: no built-in functions but memcpy and memset, no stack protector, no thread-local storage, no calls bound late
# (binding needs more stack than a signal handler may have).
SHIM_CFLAGS := -fPIC -ffreestanding -fno-stack-protector -fno-tree-loop-distribute-patterns -fno-asynchronous-unwind-tables \
  $(if $(filter arm64,$(ARCH)),-mno-outline-atomics)
SHIM_LDFLAGS := -shared -nostdlib -Wl,-soname,libauditshim.so -Wl,-z,now -Wl,-z,relro -Wl,-z,noexecstack -Wl,--hash-style=both \
  -Wl,--no-undefined-version -Wl,--build-id=sha1

PRODUCTS += $(OUT)/libauditshim.so
$(OUT)/libauditshim.so: $(SHIM_SOURCES) $(SHIM_HEADERS) shim/module.mk Makefile | $(OUT)
	$(CC) $(ALL_CFLAGS) $(SHIM_CFLAGS) $(SHIM_SOURCES) $(SHIM_LDFLAGS) -o $@

# Unit tests and the fuzzer compile the same sources into a program: hooks are hook_NAME there.
CHECKS += check-shim
FUZZERS += fuzz-shim
.PHONY: check-shim fuzz-shim

SHIM_TEST_FLAGS := -DSHIM_UNIT_TEST -pthread

check-shim: $(BUILD)/test_shim
	$<

$(BUILD)/test_shim: shim/test/test_shim.c $(SHIM_SOURCES) $(SHIM_HEADERS) | $(BUILD)
	$(CC) $(SANITIZE_CFLAGS) $(SHIM_TEST_FLAGS) shim/test/test_shim.c $(SHIM_SOURCES) -o $@

fuzz-shim: $(BUILD)/fuzz_shim
	$(call FUZZ_RUN,$<)

$(BUILD)/fuzz_shim: shim/test/fuzz_shim.c $(FUZZ_MAIN) $(SHIM_SOURCES) $(SHIM_HEADERS) | $(BUILD)
	$(FUZZ_CC) $(FUZZ_CFLAGS) $(SHIM_TEST_FLAGS) -D_GNU_SOURCE shim/test/fuzz_shim.c $(FUZZ_MAIN) $(SHIM_SOURCES) -o $@
