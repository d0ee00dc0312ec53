"""The code-book layer against closed forms."""

import keras
import numpy as np
import pytest
from keras import ops

from common.networks.codebook import (
    Codebook,
    build_table,
    commitment,
    nearest,
    perplexity,
    straight_through,
)
from common.training.weights import save_h5

CODES = np.array([[0, 0], [1, 0], [0, 2], [5, 5]], np.float32)


def make_codebook(codes=CODES, **settings):
    table = build_table(*codes.shape)
    table.set_weights([codes])
    book = Codebook(table, **settings)
    counts = np.full(len(codes), 4, np.float32)
    book.counts.assign(counts)
    book.sums.assign(codes * counts[:, np.newaxis])
    return book


def test_the_nearest_code_is_that_of_all_distances():
    rng = np.random.default_rng(0)
    vectors, codes = rng.normal(size=(3, 50, 8)), rng.normal(size=(20, 8))
    vectors, codes = vectors.astype(np.float32), codes.astype(np.float32)
    distances = np.linalg.norm(vectors[..., np.newaxis, :] - codes, axis=-1)
    np.testing.assert_array_equal(nearest(vectors, codes), distances.argmin(axis=-1))


def test_codes_move_by_exponential_averages_of_counts_and_sums():
    book = make_codebook(decay=0.9, epsilon=0.5, least=0)
    vectors = np.array([[1.2, 0], [0.8, 0.4], [0, 3]], np.float32)
    quantised, numbers = book(vectors, training=True)
    assert np.asarray(numbers).tolist() == [1, 1, 2]
    np.testing.assert_array_equal(quantised, CODES[[1, 1, 2]])
    counts = 0.9 * np.array([4, 4, 4, 4.0]) + 0.1 * np.array([0, 2, 1, 0])
    sums = 0.9 * 4 * CODES + 0.1 * np.array([[0, 0], [2.0, 0.4], [0, 3], [0, 0]])
    smoothed = (counts + 0.5) / (counts.sum() + 4 * 0.5) * counts.sum()
    np.testing.assert_allclose(book.counts, counts, rtol=1e-6)
    np.testing.assert_allclose(book.sums, sums, rtol=1e-6)
    np.testing.assert_allclose(book.vectors, sums / smoothed[:, np.newaxis], rtol=1e-6)


def test_vectors_without_weight_teach_nothing():
    one, other = (make_codebook(least=0) for _ in range(2))
    vectors = np.array([[1.2, 0], [9, 9]], np.float32)
    one(vectors, np.array([1, 0], np.float32), training=True)
    other(vectors[:1], training=True)
    np.testing.assert_allclose(one.vectors, other.vectors, rtol=1e-6)


def test_a_code_that_is_hardly_chosen_becomes_a_vector_of_the_batch():
    book = make_codebook(least=2.0)
    book.counts.assign([4, 4, 4, 2.0])
    vectors = np.array([[1, 0.1], [0.1, 0], [0, 2.2]], np.float32)
    book(vectors, training=True)  # 0.99 * 2 is less than 2
    assert any(np.allclose(book.vectors[3], one) for one in vectors)
    count = float(book.counts[3])
    total = 0.99 * 14 + 0.01 * 3
    assert count == pytest.approx(total / 4)
    np.testing.assert_allclose(book.sums[3], np.asarray(book.vectors[3]) * count, rtol=1e-6)
    before = np.array(book.vectors[0])
    assert np.linalg.norm(before) < 0.01  # the others go on as before


def test_the_gradient_passes_the_codes():
    if keras.backend.backend() == "jax":
        import jax

        def loss(vectors):
            return ops.sum(ops.square(straight_through(vectors, CODES[:2])))

        found = jax.grad(loss)(CODES[1:3])
    else:
        import tensorflow as tf

        vectors = tf.Variable(CODES[1:3])
        with tf.GradientTape() as tape:
            loss = ops.sum(ops.square(straight_through(vectors, CODES[:2])))
        found = tape.gradient(loss, vectors)
    np.testing.assert_allclose(found, 2 * CODES[:2])  # as if the codes were the variable


def test_perplexity_counts_equally_used_codes_and_commitment_is_a_mean_square():
    assert float(perplexity(np.array([3.0, 3, 3, 0]))) == pytest.approx(3, rel=1e-4)
    assert float(perplexity(np.array([7.0, 0, 0, 0]))) == pytest.approx(1, rel=1e-4)
    assert float(commitment(CODES, CODES + 2)) == pytest.approx(4)


def test_it_begins_with_the_centres_of_clusters():
    rng = np.random.default_rng(1)
    vectors = np.concatenate([code + 0.05 * rng.normal(size=(40, 2)) for code in CODES])
    book = make_codebook(0 * CODES, least=2.0)
    book.start(vectors, seed=3)
    found = np.asarray(book.vectors)
    assert np.linalg.norm(found[:, np.newaxis] - vectors, axis=-1).min(axis=1).max() < 0.3
    counts = np.asarray(book.counts)
    assert counts.min() >= 2.0
    np.testing.assert_allclose(book.sums, found * counts[:, np.newaxis], rtol=1e-5)


def test_the_table_is_a_stock_layer_in_a_file(tmp_path):
    table = build_table(*CODES.shape)
    table.set_weights([CODES])
    save_h5(table, tmp_path / "codebook.h5")
    again = keras.models.load_model(tmp_path / "codebook.h5", compile=False)
    np.testing.assert_array_equal(again(np.array([[2, 0, 3]])), CODES[[[2, 0, 3]]])
