# ckpt: build it, test it, watch it, measure it. `make help` lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := build
.NOTPARALLEL:

bin := node_modules/.bin
installed := node_modules/.package-lock.json
built_helper = $(or $(CARGO_TARGET_DIR),target)/x86_64-unknown-linux-gnu/release/ckpt-helper
helper := npm/helper-linux-x64/ckpt-helper
programs := $(wildcard test/*/*.c)
fixtures := $(patsubst %.c,dist/fixtures/%,$(notdir $(programs)))
formatted := '{src,test}/**/*.ts' 'scripts/*.mjs' '*.json'
rust := $(if $(wildcard Cargo.lock),--locked)

.PHONY: build test lint fmt proto bench coverage soak demo clean help needs fixtures oracle

build: $(installed) ## the CLI and library into dist/, the helper into npm/helper-linux-x64/
	@scripts/needs.sh cc
	$(bin)/tsc
	scripts/bundle.mjs
	cargo build --release $(rust)
	@install -C -D -m 755 $(built_helper) $(helper)
	scripts/warm.mjs > /dev/null

test: needs build fixtures ## all tests, with all they need; ends with `N passed, M failed` (T=part: some)
	@scripts/test.mjs $(T)

lint: $(installed) ## types, formatting and clippy's advice, all of it as errors
	$(bin)/tsc --noEmit --tsBuildInfoFile dist/.lint.tsbuildinfo
	$(bin)/prettier --check $(formatted)
	cargo fmt --check
	cargo clippy --all-targets $(rust) -- -D warnings

fmt: $(installed) ## format TypeScript and Rust in place
	$(bin)/prettier --write --log-level warn $(formatted)
	cargo fmt

proto: $(installed) ## the TypeScript types of the image messages, from proto/
	npm run proto

bench: build fixtures oracle ## pause, time and memory beside CRIU's
	node dist/test/bench/main.js
	node dist/test/bench/lazy.js
	node dist/test/bench/live.js
	node dist/test/bench/redis.js

coverage: build fixtures oracle ## docs/coverage.md, from what the end-to-end tests find
	node dist/test/e2e/fixtures.test.js || true
	node dist/test/e2e/refusals.test.js || true
	scripts/coverage.mjs

soak: build fixtures oracle ## the tests that repeat something many times, in full
	node dist/test/soak/main.js
	node dist/test/live/main.js

demo: build dist/fixtures/keeper dist/fixtures/counter ## a living process dumped twice, and restored
	@test/oracle/setup.sh || true
	@node dist/test/demo/main.js

clean: ## remove what was built; downloads (node_modules, .cache) stay
	rm -rf dist $(helper)
	cargo clean

help: ## this list
	@sed -n 's/^\([a-z]*\):.* ## /  \1\t/p' Makefile | expand -t 10

needs:
	@scripts/needs.sh cc python3 redis-check-rdb sqlite3 ps ip unshare strace openssl

fixtures: $(fixtures) dist/fixtures/redis-server

oracle: ## Debian's criu and crit into .cache/oracle
	test/oracle/setup.sh

$(installed): package.json package-lock.json
	npm ci --no-audit --no-fund
	@touch $@

vpath %.c $(sort $(dir $(programs)))
dist/fixtures/%: %.c $(wildcard test/fixtures/*.h)
	@mkdir -p $(@D)
	cc -O1 -g -pthread -Wall -Wextra -Werror -Itest/fixtures -o $@ $<

# Debian's redis-tools holds the server, which goes by the name that it is called under.
dist/fixtures/redis-server:
	@mkdir -p $(@D)
	@server=$$(command -v redis-server redis-check-rdb | head -n 1) && ln -s "$$server" $@ || true
