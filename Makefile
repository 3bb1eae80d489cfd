# Every target is a thin name for a script in scripts/; `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
NOUN ?=
NAME ?=

.PHONY: help run demo build test check lint torture conformance clients dependencies benchmark

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Build and start Herald with a private PostgreSQL; http://127.0.0.1:8080
	@scripts/build-release
	@exec .build/release/herald serve

demo: ## Build and run the demonstration: sample users, plans and a stand-in gateway
	@scripts/build-release
	@exec .build/release/herald demo

build: ## Build the release binary, .build/release/herald
	@scripts/build-release

test: ## Install what is missing, lint, build, run every test on a scratch PostgreSQL
	@scripts/test

check: ## Run the tests of one noun: make check NOUN=Segments
	@test -n "$(NOUN)" || { echo "Name what to test, for example: make check NOUN=Segments" >&2; exit 2; }
	@scripts/test --filter "$(NOUN)"

lint: ## Check the format of the Swift sources
	@scripts/lint

torture: ## Run the long kill and crash suites on a PostgreSQL with fsync on
	@scripts/test --torture

conformance: ## Judge the HTTP API by its own document with schemathesis; needs PyPI, not part of test
	@swift build --product herald
	@Tests/conformance/run.sh
	@Tests/clients/run.sh

clients: ## Let the real clients of Segment and RudderStack talk to Herald; needs PyPI, not part of test
	@swift build --product herald
	@Tests/clients/run.sh

benchmark: ## Compare with nginx, libcurl and SQL by hand on this machine: make benchmark [NAME=dispatch]
	@Benchmarks/run $(NAME)

dependencies: ## Install the libraries and PostgreSQL server Herald is built on
	@scripts/install-dependencies
