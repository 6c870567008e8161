# Front doors of the project. `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
CONSILIUM := node services/cli/bin/consilium.js

.PHONY: help install build demo test e2e learn bench lint format native servers clean

help: ## this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

node_modules/.installed: package.json package-lock.json $(wildcard services/*/package.json compute-packages/*/package.json)
	@# Not `npm ci`: it refuses a lock file without the optional binaries of other platforms, which some registries lack.
	npm install --no-save
	@touch $@

install: node_modules/.installed ## install the locked dependencies

build: install ## compile everything
	npm run --silent build

demo: build ## four hospitals train one model on real data, here and now
	$(CONSILIUM) demo $(ARGS)

test: build ## unit and integration tests; says what it skipped and why
	@bash scripts/servers/quick.sh
	node scripts/test.mjs unit integration

learn: build ## federated against pooled and alone, seeds 0 to 9, and the packages learn
	node scripts/test.mjs learning

e2e: build ## whole federations: both nats-servers, MinIO, kills, a package from outside
	node scripts/test.mjs e2e

servers: ## fetch or build the servers and tools that tests compare with
	bash scripts/servers/all.sh

native: install ## the native TensorFlow backend (optional; WASM works without it)
	bash scripts/native.sh

bench: build ## benchmarks, side by side with the peers that are installed
	node scripts/bench.mjs $(ARGS)

lint: install ## formatting, lint rules, import cycles, file sizes, documented errors
	npx biome check .
	node scripts/lint.mjs

format: install ## format everything
	npx biome check --write .

clean: ## remove what was built
	rm -rf services/*/dist compute-packages/*/dist test/dist bench/dist
