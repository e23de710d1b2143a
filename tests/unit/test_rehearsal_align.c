/* Takes laid side by side: tempo, wrong notes, bars left out and added, chords broken otherwise, changed velocities. */
#include "rehearsal/align.h"

#include "base/random.h"
#include "tests/support/made_take.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define BARS 20

static struct take piece(double stretch)
{
	struct take take = made_take(2 * BARS);
	for (size_t bar = 0; bar < BARS; bar++)
		made_bar(&take, bar, bar, stretch);
	return take;
}

static struct alignment align(const struct take *newer, const struct take *older)
{
	struct alignment alignment;
	struct error error;
	assert_int_equal(align_takes(newer, older, &alignment, &error), STATUS_OK);
	assert_int_equal(alignment.matched + alignment.added, newer->count);
	assert_int_equal(alignment.matched + alignment.left_out, older->count);
	for (size_t i = 0; i < newer->count; i++)
		if (alignment.older_of[i] != ALIGN_NONE) {
			assert_int_equal(alignment.newer_of[alignment.older_of[i]], i);
			assert_int_equal(newer->notes[i].pitch, older->notes[alignment.older_of[i]].pitch);
		}
	return alignment;
}

static void the_same_twice(void **state)
{
	(void)state;
	struct take newer = piece(1), older = piece(1);
	struct alignment alignment = align(&newer, &older);
	assert_int_equal(alignment.matched, newer.count);
	assert_int_equal(alignment.gap_count, 0);
	for (size_t i = 0; i < newer.count; i++)
		assert_int_equal(alignment.older_of[i], i);
	assert_true(fabs(alignment.tempo - 1) < 1e-9);
	assert_true(fabs(alignment.level) < 1e-9);
	alignment_free(&alignment);
	take_free(&newer);
	take_free(&older);
}

/* Every onset of a take at another time; order is kept. */
static void retime(struct take *take, double factor, uint64_t seed, int jitter_us)
{
	struct random random = {seed, 0};
	int64_t last = 0;
	for (size_t i = 0; i < take->count; i++) {
		struct take_note *note = &take->notes[i];
		int64_t length = note->end_us - note->onset_us;
		note->onset_us = (int64_t)((double)note->onset_us * factor) + random_integer(&random, -jitter_us, jitter_us);
		note->onset_us = note->onset_us < last ? last : note->onset_us;
		last = note->onset_us;
		note->end_us = note->onset_us + length;
		size_t unit = (size_t)(note->onset_us / MADE_BAR_US);
		note->unit = unit < take->unit_count ? unit : take->unit_count - 1;
	}
}

static void other_tempi(void **state)
{
	(void)state;
	static const double factors[] = {0.6, 0.8, 1.25, 1.6};
	for (size_t f = 0; f < sizeof factors / sizeof *factors; f++) {
		struct take newer = piece(1), older = piece(1);
		retime(&older, factors[f], f, 25000);
		struct alignment alignment = align(&newer, &older);
		size_t right = 0;
		for (size_t i = 0; i < newer.count; i++)
			right += alignment.older_of[i] == i;
		assert_true(right + 4 >= newer.count);
		assert_true(fabs(alignment.tempo - factors[f]) < 0.02);
		assert_true(fabs(alignment.units[5].tempo - factors[f]) < 0.1);
		alignment_free(&alignment);
		take_free(&newer);
		take_free(&older);
	}
}

/* A chord of four struck at once in one take and broken over 90 ms in the other. */
static void broken_chords(void **state)
{
	(void)state;
	struct take newer = made_take(BARS), older = made_take(BARS);
	for (int bar = 0; bar < BARS; bar++)
		for (int i = 0; i < 4; i++) {
			int64_t at = (int64_t)bar * MADE_BAR_US;
			int pitch = 48 + (bar * 5) % 12 + i * 4;
			made_note(&newer, at, 1000000, pitch, 60, VOICE_ACCOMPANIMENT, 60);
			made_note(&older, at + i * 30000, 1000000, pitch, 60, VOICE_ACCOMPANIMENT, 60);
		}
	struct alignment alignment = align(&newer, &older);
	assert_int_equal(alignment.matched, newer.count);
	alignment_free(&alignment);
	take_free(&newer);
	take_free(&older);
}

static void left_out_and_added(void **state)
{
	(void)state;
	struct take older = piece(1), newer = made_take(2 * BARS);
	for (size_t bar = 0; bar + 2 < BARS; bar++)
		made_bar(&newer, bar, bar < 7 ? bar : bar + 2, 1.0);
	struct alignment alignment = align(&newer, &older);
	assert_int_equal(alignment.left_out, 24);
	assert_int_equal(alignment.added, 0);
	assert_int_equal(alignment.gap_count, 1);
	assert_true(alignment.gaps[0].left_out);
	assert_int_equal(alignment.gaps[0].notes, 24);
	assert_true(alignment.gaps[0].older_unit >= 6 && alignment.gaps[0].older_unit <= 7);
	assert_true(fabs(alignment.tempo - 1) < 0.02); /* the gap is no tempo */
	alignment_free(&alignment);
	alignment = align(&older, &newer);
	assert_int_equal(alignment.added, 24);
	assert_int_equal(alignment.left_out, 0);
	assert_int_equal(alignment.gap_count, 1);
	assert_false(alignment.gaps[0].left_out);
	alignment_free(&alignment);
	take_free(&newer);
	take_free(&older);
}

static void wrong_notes(void **state)
{
	(void)state;
	struct take newer = piece(1), older = piece(1);
	for (size_t i = 11; i < newer.count; i += 29)
		newer.notes[i].pitch++;
	struct alignment alignment = align(&newer, &older);
	size_t wrong = (newer.count - 12) / 29 + 1, right = 0;
	assert_true(alignment.added <= wrong);
	for (size_t i = 0; i < newer.count; i++)
		right += alignment.older_of[i] == i;
	assert_true(right + wrong == newer.count);
	assert_int_equal(alignment.gap_count, 0);
	alignment_free(&alignment);
	take_free(&newer);
	take_free(&older);
}

static void velocities(void **state)
{
	(void)state;
	struct take newer = piece(1), older = piece(1);
	for (size_t i = 0; i < newer.count; i++)
		newer.notes[i].velocity = (uint8_t)(newer.notes[i].velocity + 10 + (newer.notes[i].unit == 6 ? 15 : 0));
	struct alignment alignment = align(&newer, &older);
	assert_true(fabs(alignment.level - 10) < 1e-9);
	assert_true(fabs(alignment.units[6].velocity - 15) < 1e-9);
	assert_true(fabs(alignment.units[5].velocity) < 1e-9);
	assert_int_equal(alignment.units[6].matched, 12);
	alignment_free(&alignment);
	take_free(&newer);
	take_free(&older);
}

static void nothing_in_common(void **state)
{
	(void)state;
	struct take newer = piece(1), older = made_take(2);
	for (int i = 0; i < 5; i++)
		made_note(&older, i * 100000, 50000, 20 + i, 60, VOICE_UNKNOWN, 60);
	struct alignment alignment = align(&newer, &older);
	assert_int_equal(alignment.matched, 0);
	assert_true(isnan(alignment.level) && isnan(alignment.tempo));
	assert_int_equal(alignment.gap_count, 2);
	alignment_free(&alignment);
	take_free(&newer);
	take_free(&older);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_same_twice),	  cmocka_unit_test(other_tempi), cmocka_unit_test(broken_chords),
	    cmocka_unit_test(left_out_and_added), cmocka_unit_test(wrong_notes), cmocka_unit_test(velocities),
	    cmocka_unit_test(nothing_in_common),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
