# make demo  sets everything up and turns the shipped piano pieces into a guitar
# make test  sets everything up and runs the tests
# make stress  kills, damages and crowds what the tests leave in peace, and tries the benchmarks, for
#              hours; make stress SHORT=1 for minutes
# make web  builds the page that converts recordings in a browser, and serves it; needs Node.js and npm
# make web-test  tests it in a headless Chromium
# make notes  adds what renders and hears notes: a SoundFont player, a pitch tracker, and the transcriber
#             of evaluate.py
# make test-jax  sets up JAX without TensorFlow, and runs the tests of training and prediction there
PYTHON ?= python3
VENV ?= .venv
VENV_JAX ?= .venv-jax
PY := $(VENV)/bin/python
PY_JAX := $(VENV_JAX)/bin/python
DEMO := demo
MODEL := models/keyboard_acoustic_2_guitar_acoustic_textured

# what depends on Keras's backend
TESTS_JAX := $(addprefix tests/test_,$(addsuffix .py,jax golden model networks losses weights convert pairs style \
	random_cnn stretch_model stretch_methods stretch_shipped vae_model vae_models vae_spectrogram move granular filtered_noise codebook \
	vq_timbre wae_fader timbre_space latent_exploration latent_osc))

.PHONY: demo notes test stress test-jax web web-test lint clean
.DELETE_ON_ERROR:

$(VENV)/ready: requirements.txt requirements.lock
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements.txt -c requirements.lock
	touch $@

# Basic Pitch asks for old versions of what is there already; TinySoundFont for what would play aloud,
# and there is no wheel of it for some machines
$(VENV)/ready-notes: $(VENV)/ready requirements-notes.txt
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements-notes.txt -c requirements.lock
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps basic-pitch -c requirements.lock
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: \
		tinysoundfont -c requirements.lock || echo "synthesize_notes.py will need FluidSynth"
	touch $@

$(VENV)/ready-dev: $(VENV)/ready-notes requirements-dev.txt requirements-export.txt
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt \
		-r requirements-export.txt -c requirements.lock
	touch $@

$(VENV_JAX)/ready: requirements-jax.txt requirements.lock
	$(PYTHON) -m venv $(VENV_JAX)
	$(PY_JAX) -m pip install --quiet --disable-pip-version-check \
		-r requirements-jax.txt pytest hypothesis -c requirements.lock
	touch $@

demo: $(VENV)/ready
	$(PY) synthesize_audios.py --nsynth_path data/notes --midi_path data/midi \
		--audios_path $(DEMO)/audios --instruments keyboard_acoustic guitar_acoustic --shared_gain
	$(PY) compute_features.py --audios_path $(DEMO)/audios --features_path $(DEMO)/features
	$(PY) train.py --dataset_path $(DEMO)/features --audios_path $(DEMO)/audios \
		--origin keyboard_acoustic --target guitar_acoustic --output $(DEMO)/two_minutes \
		--width 8 --dropout 0 --offsets random --gen_lr 2e-3 --disc_lr 2e-4 --lr_decay cosine \
		--epochs 4 --steps_per_epoch 300 --adversarial_start 1050
	$(PY) predict.py --input $(DEMO)/audios/keyboard_acoustic/debussy_clair_de_lune.wav \
		--output $(DEMO)/guitar.wav
	$(PY) evaluate.py --model $(DEMO)/two_minutes $(MODEL) --dataset_path $(DEMO)/features \
		--audios_path $(DEMO)/audios --output $(DEMO)
	@echo "Listen to $(DEMO)/guitar.wav, and open $(DEMO)/report.html"

notes: $(VENV)/ready-notes

# Files in parallel, the long ones first; pass more to pytest by FLAGS. A process that crashes ends the
# run: pytest-xdist would replace it and wait for ever.
PYTEST = $(PY) -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder \
	--max-worker-restart 0 $(FLAGS)

test: $(VENV)/ready-dev
	$(PYTEST)

stress: $(VENV)/ready-dev
	$(PYTEST) -m "stress$(if $(SHORT), and not slow)"
ifndef SHORT
	$(PY) -m stress.kill
	$(PY) -m stress.kill_data --script all
	$(PY) -m stress.fuzz --target all
	$(PY) -m stress.names
endif

# the ordinary environment is there to load weights that JAX wrote
test-jax: $(VENV)/ready $(VENV_JAX)/ready
	KERAS_BACKEND=jax TENSORFLOW_PYTHON=$(abspath $(PY)) $(PY_JAX) -m pytest $(TESTS_JAX)

$(VENV)/ready-export: $(VENV)/ready requirements-export.txt
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements-export.txt -c requirements.lock
	touch $@

web/node_modules/ready: web/package-lock.json
	cd web && npm ci --silent
	touch $@

WEB_PORT ?= 8000
web: $(VENV)/ready-export web/node_modules/ready
	$(PY) -m web.build
	node web/serve.js --port $(WEB_PORT)

web-test: $(VENV)/ready-export web/node_modules/ready
	$(PY) -m web.build
	$(PY) -m web.tests.golden --output web/tests/made
	$(PY) -m web.tests.reference --output web/tests/made
	node --test --test-concurrency=1 web/tests/unit.test.js web/tests/page.test.js web/tests/errors.test.js web/tests/speed.test.js

lint: $(VENV)/ready-dev
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

clean:
	rm -rf $(VENV) $(VENV_JAX) $(DEMO) web/node_modules web/dist web/tests/made
