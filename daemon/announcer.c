/* Beats and tempo to OSC, see announcer.h. A beat is told once: after each, only a later one of the same session. A cue that
 * says a beat has just passed has it told at once. */
#include "daemon/announcer.h"

#include <math.h>

#define BPM_STEP 0.05 /* smaller changes are not worth a message */
#define CONFIDENCE_STEP 0.02
#define LATE_US 250000 /* a beat this late is left out: the machine has slept, or a file was stopped */

static bool is_news(const struct announcer *announcer)
{
	const struct beat_cue *cue = &announcer->cue;
	const struct beat_tempo *tempo = &announcer->tempo;

	return !announcer->told || tempo->source != (int)cue->source || fabs(tempo->bpm - cue->bpm) >= BPM_STEP ||
	       fabs(tempo->confidence - cue->confidence) >= CONFIDENCE_STEP;
}

static void tell_tempo(struct announcer *announcer, uint32_t take, int64_t now_us)
{
	if (!is_news(announcer))
		return;
	announcer->tempo = (struct beat_tempo){announcer->cue.bpm, announcer->cue.confidence, (int)announcer->cue.source};
	announcer->told = true;
	recorder_tempo(announcer->recorder, take, &announcer->tempo, now_us);
	osc_server_send_tempo(announcer->server, announcer->tempo.bpm, announcer->tempo.confidence,
			      (enum osc_tempo_source)announcer->tempo.source, now_us);
}

static bool is_later(const struct announcer *announcer)
{
	const struct beat_cue *cue = &announcer->cue;

	if (!announcer->told_beat || announcer->session != cue->session)
		return true;
	return cue->bar > announcer->bar || (cue->bar == announcer->bar && cue->beat > announcer->beat);
}

static void tell_beat(struct announcer *announcer, uint32_t take, int64_t now_us)
{
	const struct beat_cue *cue = &announcer->cue;
	struct told_beat beat = {.bar = (int)(cue->bar > INT32_MAX ? INT32_MAX : cue->bar),
				 .beat = cue->beat,
				 .confidence = cue->confidence,
				 .bpm = cue->bpm,
				 .event_us = (int64_t)llrint(announcer->due_us)};

	if (!is_later(announcer))
		return;
	announcer->told_beat = true;
	announcer->session = cue->session;
	announcer->bar = cue->bar;
	announcer->beat = cue->beat;
	if (now_us - beat.event_us > LATE_US)
		return;
	recorder_beat(announcer->recorder, take, &beat, now_us);
	osc_server_send_beat(announcer->server, beat.bar, beat.beat, beat.confidence, beat.bpm, beat.event_us);
}

/* The beat after the one that was due. */
static void go_on(struct announcer *announcer)
{
	struct beat_cue *cue = &announcer->cue;

	if (!(cue->beat_us > 0)) {
		cue->next_us = INT64_MAX;
		return;
	}
	announcer->due_us += cue->beat_us;
	cue->next_us = (int64_t)llrint(announcer->due_us);
	if (++cue->beat >= cue->beats) {
		cue->beat = 0;
		cue->bar++;
	}
}

void announcer_expire(struct announcer *announcer, uint32_t take, int64_t now_us)
{
	while (announcer->cued && announcer->cue.next_us <= now_us) {
		tell_beat(announcer, take, now_us);
		go_on(announcer);
	}
}

void announcer_take(struct announcer *announcer, const struct beat_cue *cue, uint32_t take, int64_t now_us)
{
	announcer_expire(announcer, take, cue->at_us < now_us ? cue->at_us : now_us);
	announcer->cue = *cue;
	announcer->cued = true;
	announcer->due_us = (double)cue->next_us;
	tell_tempo(announcer, take, now_us);
	announcer_expire(announcer, take, now_us);
}

int64_t announcer_deadline(const struct announcer *announcer)
{
	return announcer->cued ? announcer->cue.next_us : INT64_MAX;
}
