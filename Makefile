# make demo  sets everything up and turns the shipped piano pieces into a guitar
# make test  sets everything up and runs the tests
PYTHON ?= python3
VENV ?= .venv
PY := $(VENV)/bin/python
DEMO := demo
MODEL := models/keyboard_acoustic_2_guitar_acoustic

.PHONY: demo test lint clean
.DELETE_ON_ERROR:

$(VENV)/ready: requirements.txt requirements.lock
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements.txt -c requirements.lock
	touch $@

$(VENV)/ready-dev: $(VENV)/ready requirements-dev.txt
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt -c requirements.lock
	touch $@

demo: $(VENV)/ready
	$(PY) synthesize_audios.py --nsynth_path data/notes --midi_path data/midi \
		--audios_path $(DEMO)/audios --instruments keyboard_acoustic guitar_acoustic --shared_gain
	$(PY) compute_features.py --audios_path $(DEMO)/audios --features_path $(DEMO)/features
	$(PY) train.py --dataset_path $(DEMO)/features --audios_path $(DEMO)/audios \
		--origin keyboard_acoustic --target guitar_acoustic --output $(DEMO)/two_minutes \
		--width 8 --dropout 0 --offsets random --gen_lr 2e-3 --disc_lr 2e-4 --lr_decay cosine \
		--epochs 4 --steps_per_epoch 300 --adversarial_start 1050
	$(PY) predict.py --model $(MODEL) --input $(DEMO)/audios/keyboard_acoustic/debussy_clair_de_lune.wav \
		--output $(DEMO)/guitar.wav
	$(PY) evaluate.py --model $(DEMO)/two_minutes $(MODEL) --dataset_path $(DEMO)/features \
		--audios_path $(DEMO)/audios --output $(DEMO)
	@echo "Listen to $(DEMO)/guitar.wav, and open $(DEMO)/report.html"

test: $(VENV)/ready-dev
	$(PY) -m pytest

lint: $(VENV)/ready-dev
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

clean:
	rm -rf $(VENV) $(DEMO)
