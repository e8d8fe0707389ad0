# Two commands matter: `make demo` and `make test`. Both make .venv from the pinned requirements first.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
ONCE ?=

.PHONY: demo test test-long faults check bench docs serve lock picture clean
CHROMIUM ?= chromium
.DEFAULT_GOAL := test

# The stamp files rebuild the environment only when a pinned version changes.
$(VENV)/run.stamp: requirements.txt pyproject.toml
	test -x $(BIN)/python || $$(command -v $(PYTHON) || command -v python3) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

$(VENV)/dev.stamp: $(VENV)/run.stamp requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	touch $@

demo: $(VENV)/run.stamp  ## walk 60 days on local stand-ins, then serve the pages (ONCE=1: report and exit)
	$(BIN)/netterms demo $(if $(ONCE),--once)

serve: $(VENV)/run.stamp  ## run the jobs and the pages with ./config.toml
	$(BIN)/netterms serve

test: $(VENV)/dev.stamp  ## the whole suite but the long tests
	$(BIN)/python -m pytest -q -n 2 -m "not long"

test-long: $(VENV)/dev.stamp  ## what takes minutes
	$(BIN)/python -m pytest -q -n 2 -m long

SEEDS ?= 20
faults: $(VENV)/dev.stamp  ## the long run of the scoreboard of faults
	$(BIN)/python benchmarks/faults.py --seeds $(SEEDS)

check: $(VENV)/dev.stamp  ## style, types, imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# What takes long is measured small; FULL=1 takes the sizes that the README quotes, which takes an hour.
BENCHMARKS := startup day_one webhooks pace \
  "pull $(if $(FULL),,1000)" "push $(if $(FULL),--minute 60 --large,--invoices 1000)" "idle $(if $(FULL),,--contracts 1000)" \
  "invoice_run $(if $(FULL),,--contracts 10000)" "selfcheck $(if $(FULL),,--contracts 1000)"
bench: $(VENV)/dev.stamp  ## print the figures the README quotes, and which were missed (FULL=1: at their full size)
	missed=; for each in $(BENCHMARKS); do set -- $$each; name=$$1; shift; echo "== $$name"; \
	  $(BIN)/python benchmarks/$$name.py "$$@" || missed="$$missed $$name"; done; \
	if [ -n "$$missed" ]; then echo "missed:$$missed"; exit 1; fi

docs: $(VENV)/dev.stamp  ## write anew what docs/terms holds of the program's own output
	NETTERMS_WRITE_DOCS=1 $(BIN)/python -m pytest -q tests/billing/test_docs.py

# What is shown of a single thing is the first of its kind, but for the contract: that with the most invoices.
PAGES := customers contracts invoices drafts elsewhere payments review jobs connections \
  customers/1 invoices/1 payments/1 review/1 contracts/$$contract
picture: $(VENV)/run.stamp  ## make docs/home.png and docs/pages/*.png from the demo (needs chromium)
	$(BIN)/netterms demo --once --dir build/picture
	mkdir -p docs/pages
	$(BIN)/netterms --config build/picture/demo.toml serve --no-jobs & server=$$!; trap "kill $$server" EXIT; sleep 3; \
	contract=$$($(BIN)/netterms --config build/picture/demo.toml report invoices --csv | grep -o 'D[0-9]\{5,\}' \
	  | sort | uniq -c | sort -rn | awk 'NR==1 {print $$2}'); \
	take() { $(CHROMIUM) --headless --no-sandbox --disable-gpu --disable-background-networking --hide-scrollbars \
	  --user-data-dir=build/chromium --window-size=1200,1130 --screenshot=$$1 http://127.0.0.1:8400/$$2; }; \
	take docs/home.png ""; \
	for page in $(PAGES); do \
	  case $$page in */*) name=$${page%%s/*} ;; *) name=$$page ;; esac; \
	  [ $$page != review/1 ] || name=review-item; take docs/pages/$$name.png $$page; done

lock:  ## pin every version and hash anew (needs the tool uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-annotate --upgrade requirements.in -o requirements.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-annotate -c requirements.txt requirements-dev.in -o requirements-dev.txt

clean:
	rm -rf $(VENV) build demo *.egg-info
