/* Findings on a made piece: what is planted is found at its place and nothing else is; what is not sure is not said. */
#include "rehearsal/findings.h"

#include "tests/support/made_take.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define BARS 24

struct heard {
	struct curve curve;
	struct runs runs;
	struct findings findings;
};

static struct take piece(void)
{
	struct take take = made_take(BARS);
	for (size_t bar = 0; bar < BARS; bar++)
		made_bar(&take, bar, bar, 1);
	return take;
}

static struct heard hear_beside(struct take *take, const struct alignment *older, size_t count)
{
	struct heard heard;
	struct error error;
	made_level(take);
	assert_int_equal(curve_draw(take, &heard.curve, &error), STATUS_OK);
	assert_int_equal(runs_find(take, &heard.runs, &error), STATUS_OK);
	const struct findings_input input = {take, &heard.curve, &heard.runs, older, count};
	assert_int_equal(findings_make(&input, &heard.findings, &error), STATUS_OK);
	return heard;
}

static struct heard hear(struct take *take)
{
	return hear_beside(take, NULL, 0);
}

static void forget(struct heard *heard, struct take *take)
{
	curve_free(&heard->curve);
	runs_free(&heard->runs);
	take_free(take);
}

static const struct finding *find(const struct heard *heard, enum finding_kind kind)
{
	for (size_t i = 0; i < heard->findings.count; i++)
		if (heard->findings.list[i].kind == kind)
			return &heard->findings.list[i];
	return NULL;
}

static void add_velocity(struct take *take, size_t first_bar, size_t last_bar, int voice, int more)
{
	for (size_t i = 0; i < take->count; i++)
		if (take->notes[i].unit >= first_bar && take->notes[i].unit <= last_bar &&
		    (voice < 0 || take->notes[i].voice == voice))
			take->notes[i].velocity = (uint8_t)(take->notes[i].velocity + more);
}

static void played_as_expected(void **state)
{
	(void)state;
	struct take take = piece();
	struct heard heard = hear(&take);
	assert_int_equal(heard.findings.count, 0);
	forget(&heard, &take);
}

static void louder_on_the_whole(void **state)
{
	(void)state;
	struct take take = piece();
	add_velocity(&take, 0, BARS, -1, 30);
	struct heard heard = hear(&take);
	assert_int_equal(heard.findings.count, 0); /* the take's own level */
	assert_true(fabs(take.level - 30) < 1);
	forget(&heard, &take);
}

static void loud_left_hand(void **state)
{
	(void)state;
	struct take take = piece();
	add_velocity(&take, 0, BARS, VOICE_ACCOMPANIMENT, 20);
	struct heard heard = hear(&take);
	const struct finding *finding = find(&heard, FINDING_HANDS);
	assert_non_null(finding);
	assert_true(finding->throughout);
	assert_int_equal(finding->part, PART_LEFT);
	assert_true(fabs(finding->value - 20) < 1);
	finding = find(&heard, FINDING_COVERED);
	assert_non_null(finding);
	assert_true(fabs(finding->value) < 3); /* 70 over 70 */
	assert_true(fabs(finding->reference - 20) < 1);
	forget(&heard, &take);
}

static void one_loud_bar(void **state)
{
	(void)state;
	struct take take = piece();
	add_velocity(&take, 9, 9, -1, 25);
	struct heard heard = hear(&take);
	assert_true(heard.findings.count >= 1);
	const struct finding *finding = &heard.findings.list[0];
	assert_int_equal(finding->kind, FINDING_LOUD);
	assert_int_equal(finding->part, PART_ALL);
	assert_int_equal(finding->first_unit, 9);
	assert_int_equal(finding->last_unit, 9);
	assert_true(fabs(finding->value - 25) < 2);
	assert_int_equal(finding->notes, 12);
	for (size_t i = 0; i < heard.findings.count; i++)
		assert_true(heard.findings.list[i].first_unit <= 10 && heard.findings.list[i].last_unit >= 8);
	forget(&heard, &take);
}

static void one_hand_in_one_bar(void **state)
{
	(void)state;
	struct take take = piece();
	add_velocity(&take, 5, 5, VOICE_MELODY, -22);
	struct heard heard = hear(&take);
	const struct finding *finding = find(&heard, FINDING_HANDS);
	assert_non_null(finding);
	assert_false(finding->throughout);
	assert_int_equal(finding->part, PART_LEFT); /* the left hand is the louder one of the two */
	assert_int_equal(finding->first_unit, 5);
	assert_non_null(find(&heard, FINDING_COVERED));
	assert_int_equal(find(&heard, FINDING_COVERED)->first_unit, 5);
	forget(&heard, &take);
}

/* Over bars 12 to 15 the expectation rises bar by bar; played: as given. */
static struct heard crescendo(struct take *take, int expected, int rise)
{
	*take = piece();
	for (size_t i = 0; i < take->count; i++) {
		struct take_note *note = &take->notes[i];
		int step = note->unit < 12 ? 0 : note->unit > 15 ? 0 : (int)note->unit - 11;
		note->expected += expected * step;
		note->velocity = (uint8_t)(note->velocity + rise * step);
	}
	return hear(take);
}

static void failed_crescendo(void **state)
{
	(void)state;
	struct take take;
	struct heard heard = crescendo(&take, 6, -1);
	const struct finding *finding = find(&heard, FINDING_SHAPE);
	assert_non_null(finding);
	assert_true(finding->first_unit >= 11 && finding->first_unit <= 12);
	assert_true(finding->reference > 12 && finding->value < 0);
	forget(&heard, &take);
	heard = crescendo(&take, 6, 6);
	assert_null(find(&heard, FINDING_SHAPE));
	forget(&heard, &take);
	heard = crescendo(&take, 12, 6); /* half of it is still one */
	assert_null(find(&heard, FINDING_SHAPE));
	forget(&heard, &take);
}

static void one_note(void **state)
{
	(void)state;
	struct take take = piece();
	take.notes[100].velocity = (uint8_t)(take.notes[100].velocity + 40);
	struct heard heard = hear(&take);
	const struct finding *finding = find(&heard, FINDING_NOTE);
	assert_non_null(finding);
	assert_int_equal(finding->note, 100);
	assert_true(fabs(finding->value - 40) < 4);
	forget(&heard, &take);
}

static void wide_says_nothing(void **state)
{
	(void)state;
	struct take take = piece();
	add_velocity(&take, 9, 9, -1, 25);
	add_velocity(&take, 0, BARS, VOICE_ACCOMPANIMENT, 20);
	for (size_t i = 0; i < take.count; i++)
		take.notes[i].spread = TAKE_SPREAD_WIDE + 0.1;
	struct heard heard = hear(&take);
	assert_int_equal(heard.findings.count, 0);
	assert_true(isnan(take.level));
	forget(&heard, &take);
}

static void uneven_run(void **state)
{
	(void)state;
	struct take take = piece();
	int64_t start = take.notes[take.count - 1].onset_us;
	for (int i = 0; i < 16; i++) {
		struct take_note *note = made_note(&take, start + 300000 + i * 80000, 70000, 84 + i, 60 + (i % 2 ? 18 : -18),
						   VOICE_UNKNOWN, (double)NAN);
		note->unit = BARS - 1;
		note->spread = (double)NAN;
	}
	struct heard heard = hear(&take);
	const struct finding *finding = find(&heard, FINDING_RUN_VELOCITY);
	assert_non_null(finding);
	assert_int_equal(finding->notes, 16);
	assert_true(fabs(finding->value - 19) < 2);
	assert_null(find(&heard, FINDING_RUN_TIMING));
	forget(&heard, &take);
}

static void a_bar_left_out(void **state)
{
	(void)state;
	struct take older = piece(), take = made_take(BARS - 1);
	struct alignment alignment;
	struct error error;
	for (size_t bar = 0; bar + 1 < BARS; bar++)
		made_bar(&take, bar, bar < 10 ? bar : bar + 1, 1);
	assert_int_equal(align_takes(&take, &older, &alignment, &error), STATUS_OK);
	struct heard heard = hear_beside(&take, &alignment, 1);
	assert_int_equal(heard.findings.count, 1);
	const struct finding *finding = &heard.findings.list[0];
	assert_int_equal(finding->kind, FINDING_LEFT_OUT);
	assert_int_equal(finding->notes, 12);
	assert_true(finding->first_unit == 9 || finding->first_unit == 10);
	assert_true(finding->reference > 8.5 && finding->reference < 10.5);
	alignment_free(&alignment);
	take_free(&older);
	forget(&heard, &take);
}

static void ten_at_most(void **state)
{
	(void)state;
	struct take take = piece();
	struct heard heard;
	for (size_t bar = 0; bar < BARS; bar++)
		add_velocity(&take, bar, bar, bar % 4 < 2 ? VOICE_MELODY : -1, bar % 2 ? 30 : -30);
	heard = hear(&take);
	assert_in_range(heard.findings.count, 5, FINDINGS_MAX);
	for (size_t i = 1; i < heard.findings.count; i++)
		assert_true(heard.findings.list[i - 1].weight >= heard.findings.list[i].weight);
	forget(&heard, &take);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(played_as_expected), cmocka_unit_test(louder_on_the_whole), cmocka_unit_test(loud_left_hand),
	    cmocka_unit_test(one_loud_bar),	  cmocka_unit_test(one_hand_in_one_bar), cmocka_unit_test(failed_crescendo),
	    cmocka_unit_test(one_note),		  cmocka_unit_test(wide_says_nothing),	 cmocka_unit_test(uneven_run),
	    cmocka_unit_test(a_bar_left_out),	  cmocka_unit_test(ten_at_most),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
