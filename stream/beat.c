/* The choice between sources of the beat, and the grid that survives it, see beat.h. The grid is an axis of quarters that
 * only ever grows with time, and an anchor on it: where the present bar began. A source moves the tempo of the axis and the
 * anchor, never the axis itself, so that durations across a change stay true. */
#include "stream/beat.h"

#include "stream/clock_follow.h"
#include "stream/tap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TRANSPORT_TIMEOUT_US 1000000
#define TRACKER_BELIEVED 0.45 /* confidence from which the tracker is, */
#define TRACKER_DOUBTED 0.3   /* and below which it is no longer */
#define TRACKER_SILENT_US 4000000
#define FAR_BARS 1e6
#define JUST_PASSED 0.05 /* of a beat: it is still the next one to be told */
#define BACK_BEATS 0.75	 /* further back is not where the grid was a little early */

struct beat {
	struct beat_options options;
	struct clock_follow clock;
	int clock_input; /* whose clock is followed; -1: the next one's */
	struct tap tap;
	struct beat_line transport;
	int64_t transport_us; /* when it was last heard rolling */
	bool rolling;
	struct tracker *tracker;
	struct tracker_beat heard; /* the tracker's newest beat */
	bool has_heard, believed;
	int heard_place;  /* of that beat in its bar */
	double fixed_bpm; /* 0: there is none */
	/* the grid */
	int64_t at_us;
	double quarters, bpm; /* the axis at at_us, and how it goes on */
	double bar_start;     /* on the axis */
	int64_t bar;
	int64_t anchor_bar; /* the first one that this anchor counts */
	int numerator, denominator;
	bool begun; /* bars are counted: from the first reset on, or from a source that counts by itself */
	struct beat_cue cue;
	bool has_said;
	int64_t said_bar; /* of the last beat of the tracker */
	int said_place;
	void (*said)(void *context, const struct beat_cue *cue);
	void *said_context;
};

/* ---- the axis ---- */

static double axis(const struct beat *beat, int64_t time_us)
{
	double quarters = beat->quarters + (double)(time_us - beat->at_us) * beat->bpm / BEAT_US_PER_MINUTE;

	return quarters > 0 ? quarters : 0;
}

static double bar_quarters(const struct beat *beat)
{
	return 4.0 * beat->numerator / beat->denominator;
}

static void move_axis(struct beat *beat, int64_t now_us)
{
	if (now_us <= beat->at_us)
		return;
	beat->quarters = axis(beat, now_us);
	beat->at_us = now_us;
}

/* Bars that are over. */
static void roll_bars(struct beat *beat, double quarters)
{
	double bars = floor((quarters - beat->bar_start) / bar_quarters(beat));

	if (bars >= 1 && bars < FAR_BARS) {
		beat->bar += (int64_t)bars;
		beat->bar_start += bars * bar_quarters(beat);
	}
}

/* The bar began so many quarters ago. Takes the nearest way there; but a bar that has begun does not come back: until the
 * source has reached its beginning, too, it waits there; and where the source has gone back by a beat, another bar begins,
 * for beats are told once. */
static void anchor(struct beat *beat, double since, int numerator, int denominator)
{
	double before = bar_quarters(beat);

	if (!beat->begun) { /* nobody has counted bars yet */
		beat->begun = true;
		beat->bar = 0;
		if (since > 4.0 * numerator / denominator - JUST_PASSED)
			since -= 4.0 * numerator / denominator; /* by jitter alone in the bar before */
		beat->bar_start = beat->quarters - since;
	}
	roll_bars(beat, beat->quarters);
	double turn = since - (beat->quarters - beat->bar_start);
	beat->numerator = numerator;
	beat->denominator = denominator;
	if (turn > 0.5 * before) { /* the source is still in the bar before */
		beat->bar_start = beat->quarters;
	} else {
		beat->bar += turn < -BACK_BEATS * 4.0 / denominator;
		beat->bar_start = beat->quarters - since;
	}
	beat->anchor_bar = beat->bar;
}

/* ---- sources ---- */

static bool may(const struct beat *beat, enum beat_source source)
{
	return source == BEAT_PLAIN || (beat->options.sources & BEAT_BIT(source)) != 0;
}

static bool transport_line(const struct beat *beat, int64_t now_us, struct beat_line *line)
{
	if (!beat->rolling || now_us - beat->transport_us > TRANSPORT_TIMEOUT_US)
		return false;
	*line = beat->transport;
	return true;
}

static bool tracker_is_alive(struct beat *beat, int64_t now_us)
{
	if (!beat->has_heard || now_us - beat->heard.due_us > TRACKER_SILENT_US)
		beat->believed = false;
	else if (beat->heard.confidence >= TRACKER_BELIEVED)
		beat->believed = true;
	else if (beat->heard.confidence < TRACKER_DOUBTED)
		beat->believed = false;
	return beat->believed;
}

/* The most trusted source that is alive. line: set for those that know the phase of a bar by themselves. */
static enum beat_source choose(struct beat *beat, int64_t now_us, struct beat_line *line)
{
	if (may(beat, BEAT_CLOCK) && clock_follow_line(&beat->clock, now_us, line))
		return BEAT_CLOCK;
	if (may(beat, BEAT_JACK) && transport_line(beat, now_us, line))
		return BEAT_JACK;
	if (may(beat, BEAT_TAP) && tap_line(&beat->tap, line))
		return BEAT_TAP;
	if (may(beat, BEAT_FIXED) && beat->fixed_bpm > 0)
		return BEAT_FIXED;
	if (may(beat, BEAT_TRACKER) && tracker_is_alive(beat, now_us))
		return BEAT_TRACKER;
	return BEAT_PLAIN;
}

/* ---- what is said ---- */

static bool is_said(const struct beat_cue *a, const struct beat_cue *b)
{
	return a->source == b->source && a->bpm == b->bpm && a->confidence == b->confidence && a->session == b->session &&
	       a->bar == b->bar && a->beat == b->beat && a->beats == b->beats && a->next_us == b->next_us &&
	       a->beat_us == b->beat_us;
}

static void say(struct beat *beat, struct beat_cue cue, int64_t now_us)
{
	cue.session = beat->cue.session;
	if (beat->has_said && is_said(&cue, &beat->cue))
		return;
	cue.at_us = now_us;
	beat->cue = cue;
	beat->has_said = true;
	if (beat->said)
		beat->said(beat->said_context, &beat->cue);
}

/* Of a source that goes on by itself: the next beat of the grid. */
static void say_steady(struct beat *beat, enum beat_source source, double bpm, double confidence, int64_t now_us)
{
	struct beat_cue cue = {
	    .source = source, .bpm = bpm, .confidence = confidence, .beats = beat->numerator, .next_us = INT64_MAX};
	double unit = 4.0 / beat->denominator, since = (axis(beat, now_us) - beat->bar_start) / unit;
	double next = ceil(since - JUST_PASSED);

	if (source != BEAT_PLAIN && (source != BEAT_FIXED || beat->begun)) {
		cue.bar = beat->bar + (int64_t)floor(next / beat->numerator);
		cue.beat = (int)(next - floor(next / beat->numerator) * beat->numerator);
		cue.beat_us = unit * BEAT_US_PER_MINUTE / beat->bpm;
		cue.next_us = now_us + (int64_t)llrint((next - since) * cue.beat_us);
	}
	say(beat, cue, now_us);
}

/* Of the tracker: the beat that it has just announced, or only that it is believed. */
static void say_tracked(struct beat *beat, int64_t next_us)
{
	struct beat_cue cue = {.source = BEAT_TRACKER,
			       .bpm = beat->bpm,
			       .confidence = beat->heard.confidence,
			       .bar = beat->said_bar,
			       .beat = beat->said_place,
			       .beats = beat->numerator,
			       .next_us = next_us};

	say(beat, cue, beat->at_us);
}

/* ---- keeping up ---- */

static double within(double bpm)
{
	return bpm < BEAT_BPM_MIN ? BEAT_BPM_MIN : bpm > BEAT_BPM_MAX ? BEAT_BPM_MAX : bpm;
}

static double plain_bpm(const struct beat *beat)
{
	return beat->options.bpm > 0 ? within(beat->options.bpm) : BEAT_PLAIN_BPM;
}

/* A tempo alone. The axis is left as it is while the tempo stays, so that no rounding gathers. */
static void keep_pace(struct beat *beat, double bpm, int64_t now_us)
{
	if (beat->bpm != bpm)
		move_axis(beat, now_us);
	beat->bpm = bpm;
	roll_bars(beat, axis(beat, now_us));
}

/* The grid follows whoever is believed at now_us. */
static void follow(struct beat *beat, int64_t now_us)
{
	struct beat_line line = {0};

	enum beat_source source = choose(beat, now_us, &line);
	if (source != BEAT_FIXED && source != BEAT_PLAIN)
		move_axis(beat, now_us);
	switch (source) {
	case BEAT_CLOCK:
	case BEAT_JACK:
	case BEAT_TAP:
		beat->bpm = within(line.bpm);
		double bar = 4.0 * line.numerator / line.denominator;
		double since = beat_line_quarters(&line, beat->at_us);
		anchor(beat, since - floor(since / bar) * bar, line.numerator, line.denominator);
		say_steady(beat, source, line.shown_bpm, line.confidence, now_us);
		break;
	case BEAT_TRACKER:
		beat->bpm = within(BEAT_US_PER_MINUTE / beat->heard.period_us);
		roll_bars(beat, beat->quarters);
		say_tracked(beat, INT64_MAX);
		break;
	case BEAT_FIXED:
	case BEAT_PLAIN:
	case BEAT_SOURCES:
		keep_pace(beat, source == BEAT_FIXED ? beat->fixed_bpm : plain_bpm(beat), now_us);
		say_steady(beat, source, beat->bpm, source == BEAT_FIXED ? 1 : 0, now_us);
		break;
	}
}

/* The tracker has heard a beat: its place in the bar follows from the one before, and the grid from it. */
static void take_beat(struct beat *beat, const struct tracker_beat *heard)
{
	struct beat_line line;
	bool bar_begins = heard->downbeat || !beat->has_heard;

	beat->heard = *heard;
	beat->has_heard = true;
	beat->heard_place = bar_begins ? 0 : beat->heard_place + 1;
	move_axis(beat, heard->due_us);
	if (choose(beat, heard->due_us, &line) != BEAT_TRACKER) {
		follow(beat, heard->due_us);
		return;
	}
	beat->bpm = within(BEAT_US_PER_MINUTE / heard->period_us);
	double late = (double)(heard->due_us - heard->beat_us) * beat->bpm / BEAT_US_PER_MINUTE;
	roll_bars(beat, beat->quarters);
	/* Bars and beats only go forward, whatever the grid has come to by itself meanwhile. */
	if (beat->bar < beat->said_bar)
		beat->bar = beat->said_bar;
	if (beat->bar == beat->said_bar && beat->heard_place <= beat->said_place)
		beat->bar++;
	beat->numerator = heard->bar_beats > beat->heard_place ? heard->bar_beats : beat->heard_place + 1;
	beat->denominator = 4;
	beat->bar_start = beat->quarters - late - beat->heard_place;
	beat->anchor_bar = beat->bar;
	beat->said_bar = beat->bar;
	beat->said_place = beat->heard_place;
	say_tracked(beat, heard->due_us);
}

int64_t beat_deadline(const struct beat *beat)
{
	int64_t next_us = INT64_MAX, due_us;

	if (beat->tracker)
		next_us = tracker_deadline(beat->tracker);
	if (beat->cue.source == BEAT_CLOCK && (due_us = clock_follow_deadline(&beat->clock)) < next_us)
		next_us = due_us;
	if (beat->cue.source == BEAT_JACK && (due_us = beat->transport_us + TRANSPORT_TIMEOUT_US + 1) < next_us)
		next_us = due_us;
	if (beat->cue.source == BEAT_TRACKER && (due_us = beat->heard.due_us + TRACKER_SILENT_US + 1) < next_us)
		next_us = due_us;
	return next_us;
}

/* What is due first. */
static void step(struct beat *beat, int64_t due_us)
{
	struct tracker_beat heard;

	if (beat->tracker && tracker_deadline(beat->tracker) <= due_us) {
		if (tracker_next(beat->tracker, due_us, &heard))
			take_beat(beat, &heard);
		return;
	}
	follow(beat, due_us);
}

void beat_advance(struct beat *beat, int64_t now_us)
{
	for (int64_t due_us; (due_us = beat_deadline(beat)) <= now_us && due_us != INT64_MAX;)
		step(beat, due_us);
}

/* ---- events ---- */

/* One clock at a time: another input's is taken when this one has stopped. */
static void take_clock(struct beat *beat, const struct event *event)
{
	int64_t until_us = clock_follow_deadline(&beat->clock);

	if (beat->clock_input != event->input) {
		if (beat->clock_input >= 0 && until_us != INT64_MAX && until_us > event->event_us)
			return;
		beat->clock_input = event->input;
		beat->clock = (struct clock_follow){0};
	}
	clock_follow_take(&beat->clock, event->pitch, event->position, event->event_us);
	follow(beat, event->event_us);
}

static void take_transport(struct beat *beat, const struct event *event)
{
	bool valid = event->duration_us > 0 && event->pitch > 0 && event->velocity > 0 && event->position >= 0;

	beat->rolling = event->channel == 1 && valid;
	beat->transport_us = event->event_us;
	if (beat->rolling) {
		double bpm = BEAT_US_PER_MINUTE / (double)event->duration_us;

		beat->transport = (struct beat_line){.at_us = event->event_us,
						     .quarters = (double)event->position / EVENT_TRANSPORT_QUARTER,
						     .bpm = bpm,
						     .shown_bpm = bpm,
						     .confidence = 1,
						     .numerator = event->pitch,
						     .denominator = event->velocity};
	}
	follow(beat, event->event_us);
}

void beat_take(struct beat *beat, const struct event *event)
{
	beat_advance(beat, event->event_us);
	switch ((enum event_kind)event->kind) {
	case EVENT_CLOCK: take_clock(beat, event); break;
	case EVENT_TRANSPORT: take_transport(beat, event); break;
	case EVENT_NOTE_ON:
		if (may(beat, BEAT_CLOCK))
			clock_follow_note(&beat->clock, 1, event->event_us);
		if (beat->tracker)
			tracker_take(beat->tracker, event);
		if (event->event_us > beat->at_us)
			follow(beat, event->event_us);
		break;
	case EVENT_NOTE_OFF:
	case EVENT_PEDAL:
		if (beat->tracker)
			tracker_take(beat->tracker, event);
		break;
	case EVENT_INPUT_PRESENT:
	case EVENT_INPUT_GONE:
	case EVENT_END: break;
	}
}

void beat_tap(struct beat *beat, int64_t tap_us)
{
	tap_take(&beat->tap, tap_us);
	follow(beat, tap_us);
}

void beat_forget_taps(struct beat *beat, int64_t now_us)
{
	beat->tap = (struct tap){0};
	follow(beat, now_us);
}

void beat_set_bpm(struct beat *beat, double bpm, int64_t now_us)
{
	if (!(bpm >= BEAT_BPM_MIN && bpm <= BEAT_BPM_MAX))
		return;
	beat->fixed_bpm = bpm;
	beat->options.sources |= BEAT_BIT(BEAT_FIXED);
	beat_forget_taps(beat, now_us);
}

void beat_reset(struct beat *beat, int64_t event_us)
{
	struct beat_line line;

	beat_advance(beat, event_us);
	if (beat->tracker)
		tracker_reset(beat->tracker);
	beat->has_heard = beat->believed = false;
	beat->begun = true;
	move_axis(beat, event_us);
	enum beat_source source = choose(beat, event_us, &line);
	beat->cue.session++;
	beat->said_bar = 0;
	beat->said_place = -1;
	if (source == BEAT_FIXED || source == BEAT_PLAIN) {
		beat->at_us = event_us; /* position 0 is here */
		beat->quarters = beat->bar_start = 0;
		beat->bar = beat->anchor_bar = 0;
		beat->numerator = beat->denominator = 4;
	}
	beat->has_said = false; /* say it again */
	follow(beat, event_us);
}

/* ---- the grid ---- */

int64_t beat_position(const struct beat *beat, int64_t event_us)
{
	return (int64_t)llrint(axis(beat, event_us) * OCTUPLE_GRID);
}

struct place beat_place(struct beat *beat, int64_t position)
{
	uint16_t numerator = (uint16_t)beat->numerator, denominator = (uint16_t)beat->denominator;

	octuple_reduce_signature(&numerator, &denominator);
	int64_t length = octuple_bar_length(numerator, denominator), bar = beat->bar;
	int64_t since = position - (int64_t)llrint(beat->bar_start * OCTUPLE_GRID);
	int64_t bars = since >= 0 ? since / length : -((-since + length - 1) / length);
	if (bars < beat->anchor_bar - beat->bar) { /* a note that comes late: its bar is over */
		bars = beat->anchor_bar - beat->bar;
		since = bars * length;
	}
	int64_t in_bar = since - bars * length;
	roll_bars(beat, (double)position / OCTUPLE_GRID);
	return (struct place){.bar = bar + bars,
			      .position = (uint8_t)(in_bar > 127 ? 127 : in_bar),
			      .time_signature = octuple_signature_id(numerator, denominator),
			      .tempo = octuple_tempo_id(beat->bpm)};
}

double beat_bpm(const struct beat *beat)
{
	return beat->bpm;
}

void beat_listen(struct beat *beat, void (*said)(void *context, const struct beat_cue *cue), void *context, int64_t now_us)
{
	beat->said = said;
	beat->said_context = context;
	beat->has_said = false;
	follow(beat, now_us);
}

const struct beat_cue *beat_cue(const struct beat *beat)
{
	return &beat->cue;
}

/* ---- set-up ---- */

void beat_clear(struct beat *beat)
{
	struct beat fresh = {.options = beat->options,
			     .clock_input = -1,
			     .tracker = beat->tracker,
			     .numerator = 4,
			     .denominator = 4,
			     .said_place = -1,
			     .said = beat->said,
			     .said_context = beat->said_context};

	*beat = fresh;
	if (beat->options.bpm > 0 && may(beat, BEAT_FIXED))
		beat->fixed_bpm = within(beat->options.bpm);
	beat->bpm = plain_bpm(beat);
	if (beat->tracker)
		tracker_reset(beat->tracker);
}

struct beat *beat_new(const struct beat_options *options)
{
	struct beat *beat = calloc(1, sizeof *beat);

	if (!beat)
		return NULL;
	beat->options = *options;
	if (may(beat, BEAT_TRACKER) && options->network) {
		beat->tracker = tracker_new(options->network);
		if (!beat->tracker) {
			free(beat);
			return NULL;
		}
	}
	beat_clear(beat);
	return beat;
}

void beat_free(struct beat *beat)
{
	if (beat)
		tracker_free(beat->tracker);
	free(beat);
}
