# The commands of the project. `make help` lists them.

JOBS ?= $(shell nproc)
RELEASE := build/release
PYTHON ?= python3
FILTER ?= .

# Folders whose tests feed damaged files to the parsers or do arithmetic on raw memory, and those with threads.
ASAN_FOLDERS := base platform scheduling tensor weights text constraint request planner media kernels decoder encoder compression response ledger cache engine server cli parity
TSAN_FOLDERS := platform scheduling kernels decoder encoder compression ledger cache constraint engine server

# What an instruction set makes different. The preset `aarch64` builds more (src/CMakeLists.txt), in some minutes.
AARCH64_FOLDERS := base platform tensor kernels

# One recipe line: configure, build and run the tests of some folders under a preset.
# $(1) preset, $(2) folders
define folder_tests
cmake --preset $(1) >/dev/null
cmake --build --preset $(1) -j $(JOBS) --target $(addsuffix _test,$(2))
ctest --preset $(1) -j $(JOBS) -R '^($(subst $() ,|,$(strip $(2))))\.' --no-tests=error
endef

.PHONY: help
help:  ## List the commands
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | awk -F'\t' '{printf "  make %-13s %s\n", $$1, $$2}'

.PHONY: packages
packages:
	@tools/install_packages.sh

.PHONY: configure
configure: packages
	@cmake --preset release >/dev/null

.PHONY: build
build: configure  ## Build everything, optimised, into build/release
	cmake --build --preset release -j $(JOBS)

.PHONY: demo
demo: configure  ## Build, then ask the small model that comes with the project about a picture
	cmake --build --preset release -j $(JOBS) --target saccade
	@tools/demo.sh $(RELEASE)/bin/saccade

.PHONY: test
test: packages test-aarch64  ## Build and run every test: aarch64, sanitizers on the parts that need them, then the release build
	@tools/install_packages.sh tools/packages_cache_tests.txt
	$(call folder_tests,tsan,$(TSAN_FOLDERS))
	$(call folder_tests,asan,$(ASAN_FOLDERS))
	@cmake --preset release >/dev/null
	cmake --build --preset release -j $(JOBS)
	ctest --preset release -j $(JOBS) --no-tests=error
	@$(MAKE) --no-print-directory test-clients

.PHONY: test-clients
test-clients: configure  ## Run the official OpenAI clients for Python and Node against the real server
	cmake --build --preset release -j $(JOBS) --target saccade
	PYTHON=$(PYTHON) tests/clients/run.sh $(RELEASE)/bin/saccade build/clients

.PHONY: test-aarch64
test-aarch64: packages  ## Build the kernels for aarch64 and run their tests in an emulator
ifeq ($(shell uname -m),aarch64)
	@echo "test-aarch64: the release tests of this machine cover it"
else
	@tools/install_packages.sh tools/packages_aarch64.txt
	$(call folder_tests,aarch64,$(AARCH64_FOLDERS))
endif

.PHONY: parity
parity: configure  ## Compare with Transformers live, with random dimensions (needs tools/parity/requirements.txt)
	cmake --build --preset release -j $(JOBS) --target saccade saccade_parity
	$(PYTHON) tools/parity/live.py --build $(RELEASE)

.PHONY: eval
eval: configure  ## Print how often the small model is right, on held-out pictures and on pages from a web browser, and by which plan
	cmake --build --preset release -j $(JOBS) --target saccade
	@echo "held out"
	@$(RELEASE)/bin/saccade eval models/saccade-mini.gguf --data samples/heldout/set.jsonl
	@echo "rendered by a web browser"
	@$(RELEASE)/bin/saccade eval models/saccade-mini.gguf --data samples/browser/set.jsonl
	@echo "plans compared, on all of the held-out pictures"
	@$(RELEASE)/bin/saccade sweep models/saccade-mini.gguf --data samples/heldout/set.jsonl --grid samples/plans.txt
	@echo "parts that equal their neighbours, on the pictures that are half empty"
	@$(RELEASE)/bin/saccade sweep models/saccade-mini.gguf --data samples/half_empty.jsonl --reuse 0 \
	  --plan skip-equal=0 --plan skip-equal=0,skip-equal-margin=0

.PHONY: calibrate
calibrate: configure  ## Measure what plans cost the small model in quality, and certify it (an hour; needs fonts, see tools/calibration_set.sh)
	cmake --build --preset release -j $(JOBS) --target saccade
	@test -f build/calibration/set.jsonl || PYTHON=$(PYTHON) tools/calibration_set.sh build/calibration
	$(RELEASE)/bin/saccade calibrate models/saccade-mini.gguf --data build/calibration/set.jsonl --limit 2400 --design-share 0.22 \
	  -t 1 --workers $(JOBS) --work build/calibrate

.PHONY: bench
bench: packages  ## Measure the kernels beside oneDNN, the machine's limits, compression, the cache and constrained answers (FILTER=regex chooses)
	@tools/install_packages.sh tools/packages_bench.txt
	@cmake --preset release >/dev/null
	cmake --build --preset release -j $(JOBS) --target kernels_bench compression_bench cache_bench constraint_bench
	$(RELEASE)/bin/kernels_bench --benchmark_filter='$(FILTER)'
	$(RELEASE)/bin/compression_bench --benchmark_filter='$(FILTER)'
	$(RELEASE)/bin/cache_bench --benchmark_filter='$(FILTER)'
	$(RELEASE)/bin/constraint_bench --benchmark_filter='$(FILTER)'

.PHONY: format
format:  ## Format the C++ sources
	@tools/install_packages.sh tools/packages_lint.txt
	git ls-files '*.cc' '*.h' | xargs clang-format-14 -i

.PHONY: lint
lint: packages  ## Check the form of the C++ sources: clang-format, clang-tidy
	@tools/install_packages.sh tools/packages_lint.txt
	@cmake --preset release >/dev/null
	git ls-files '*.cc' '*.h' | xargs clang-format-14 --dry-run -Werror
	git ls-files 'src/*.cc' 'tests/*.cc' | grep -vE '_test\.cc$$|src/kernels/(avx|neon)' | \
	  xargs -P $(JOBS) -n 4 clang-tidy-14 -p $(RELEASE) --quiet 2>/dev/null

.PHONY: clean
clean:  ## Remove what was built
	rm -rf build
