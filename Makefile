# What people do with this checkout. Everything is built in one configuration, release, so that running and testing share
# one build; whatever is made at run time is in .build and .strait.

ONCE ?= 0
export SWIFT_BACKTRACE = enable=no

.PHONY: run test bench bench-hostile bench-control soak fuzz sanitize format lint clean

run: ## a whole fleet on this machine, until Ctrl-C (ONCE=1: until the first request is done)
	@infra/setup run
	@ONCE=$(ONCE) exec infra/dev

test: ## format, unit, integration and end-to-end tests
	@infra/test

bench: ## what an edge costs beside other proxies, into Tests/Benchmarks/README.md
	@infra/setup bench
	@/usr/bin/python3 infra/build
	@exec .strait/venv-clients/bin/python Tests/Benchmarks/bench.py --write

bench-hostile: ## what attacks do to everybody else, into Tests/Benchmarks/README.md
	@infra/setup bench
	@/usr/bin/python3 infra/build
	@exec .strait/venv-clients/bin/python Tests/Benchmarks/besieged.py --write

bench-control: ## what the control link does with many edges and many keys, into Tests/Benchmarks/README.md
	@infra/setup bench
	@/usr/bin/python3 infra/build
	@exec .strait/venv-control/bin/python Tests/Benchmarks/control_link.py --write

soak: ## mixed traffic for SECONDS (600), and whether an edge's memory and descriptors drift
	@infra/setup bench
	@/usr/bin/python3 infra/build
	@exec .strait/venv-clients/bin/python Tests/Benchmarks/soak.py $(SECONDS)

fuzz: ## a search for inputs that break the parsers, SECONDS (60) each target
	@infra/setup test
	@/usr/bin/python3 infra/build
	@infra/fuzz run $(or $(SECONDS),60)

sanitize: ## the tests under AddressSanitizer and ThreadSanitizer; two builds of their own, of 15 minutes each at first
	@infra/sanitize

format: ## write every Swift file in the house's style
	@infra/swift-files | xargs swift format --in-place

lint: ## say where a Swift file is not in the house's style
	@infra/swift-files | xargs swift format lint --strict

clean: ## remove what was built and what ran; the next run starts from nothing
	@infra/clean
