/* The tables of a report, see table.h. What is written here is documented in docs/REPORT.md, name by name. */
#include "rehearsal/table.h"

#include <math.h>
#include <stdio.h>

const char *const table_dynamics[DYNAMICS] = {"pp", "p", "mp", "mf", "f", "ff"};
static const char *const voice_names[VOICES] = {"melody", "bridge", "accompaniment"};
static const char *const hand_names[HANDS] = {"left", "right"};
static const char *const part_names[PARTS] = {"all", "melody", "accompaniment", "left", "right"};
const char *const table_finding_kinds[FINDING_KINDS] = {"loud",	    "soft",	    "covered",	  "hands",
							"shape",    "run_velocity", "run_timing", "single_note",
							"left_out", "added",	    "changed"};

static struct cell none(void)
{
	return (struct cell){.kind = CELL_NONE};
}

static struct cell integer(long long value)
{
	return (struct cell){.kind = CELL_INTEGER, .integer = value};
}

static struct cell real(double value)
{
	return isfinite(value) ? (struct cell){.kind = CELL_REAL, .real = value} : none();
}

static struct cell text(const char *value)
{
	return (struct cell){.kind = CELL_TEXT, .text = value};
}

static struct cell ms(int64_t us)
{
	return real((double)us / 1e3);
}

const char *table_note_name(int pitch)
{
	static const char *const names[128] = {
#define OCTAVE(n) "C" n, "C#" n, "D" n, "D#" n, "E" n, "F" n, "F#" n, "G" n, "G#" n, "A" n, "A#" n, "B" n
	    OCTAVE("-1"), OCTAVE("0"), OCTAVE("1"), OCTAVE("2"), OCTAVE("3"), OCTAVE("4"),
	    OCTAVE("5"),  OCTAVE("6"), OCTAVE("7"), OCTAVE("8"), "C9",	      "C#9",
	    "D9",	  "D#9",       "E9",	    "F9",	 "F#9",	      "G9"};
#undef OCTAVE
	return names[pitch & 127];
}

/* ---- takes ---- */

static const char *const take_columns[] = {
    "take",  "file",	"notes", "units",    "unit_kind",	    "beat_support", "quantised", "end_ms",
    "level", "matched", "added", "left_out", "velocity_difference", "tempo_ratio",  "curve",	 NULL};

static size_t take_rows(const struct report *report)
{
	return 1 + report->older_count;
}

static struct cell take_cell(const struct report *report, size_t row, size_t column)
{
	const struct take *take = row == 0 ? &report->take : &report->older[row - 1];
	const struct alignment *beside = row == 0 ? NULL : &report->beside[row - 1];
	int64_t end_us = 0;
	for (size_t i = 0; column == 7 && i < take->count; i++)
		end_us = take->notes[i].end_us > end_us ? take->notes[i].end_us : end_us;
	switch (column) {
	case 0: return integer((long long)row);
	case 1: return text(take->path);
	case 2: return integer((long long)take->count);
	case 3: return integer((long long)take->unit_count);
	case 4: return text(take->has_beat ? "bar" : "second");
	case 5: return real(take->beat_support);
	case 6: return integer(take->quantised);
	case 7: return ms(end_us);
	case 8: return real(take->level);
	case 9: return beside ? integer((long long)beside->matched) : none();
	case 10: return beside ? integer((long long)beside->added) : none();
	case 11: return beside ? integer((long long)beside->left_out) : none();
	case 12: return beside ? real(beside->level) : none();
	case 13: return beside ? real(beside->tempo) : none();
	default: return take->curve ? text(take->curve) : none();
	}
}

/* ---- notes ---- */

static const char *const note_columns[] = {"note",
					   "onset_ms",
					   "duration_ms",
					   "pitch",
					   "velocity",
					   "unit",
					   "beat",
					   "voice",
					   "voice_confidence",
					   "expected_velocity",
					   "expected_spread",
					   "deviation",
					   "hand",
					   "hand_confidence",
					   "lead_ms",
					   "overlap_ms",
					   "run",
					   "keyboard_velocity",
					   NULL};

static size_t note_rows(const struct report *report)
{
	return report->take.count;
}

static struct cell note_cell(const struct report *report, size_t row, size_t column)
{
	const struct take_note *note = &report->take.notes[row];
	switch (column) {
	case 0: return integer((long long)row + 1);
	case 1: return ms(note->onset_us);
	case 2: return ms(note->end_us - note->onset_us);
	case 3: return integer(note->pitch);
	case 4: return integer(note->velocity);
	case 5: return integer((long long)note->unit + 1);
	case 6: return note->beat > 0 ? real(note->beat) : none();
	case 7: return note->voice < 0 ? none() : text(voice_names[note->voice]);
	case 8: return report->take.has_voices ? real(note->voice_confidence) : none();
	case 9: return real(note->expected);
	case 10: return real(note->spread);
	case 11: return real(take_deviation(&report->take, note));
	case 12: return note->hand < 0 ? none() : text(hand_names[note->hand]);
	case 13: return real(note->hand_confidence);
	case 14: return real(note->lead_ms);
	case 15: return real(note->overlap_ms);
	case 16: return note->run < 0 ? none() : integer(note->run + 1);
	default: return integer(note->keyboard_velocity);
	}
}

/* ---- units ---- */

#define OF_PART(name) name "_notes", name "_velocity", name "_expected_velocity", name "_expected_spread", name "_deviation"
#define PART_COLUMNS 5
#define UNIT_COLUMNS_BEFORE 4

static const char *const unit_columns[] = {"unit",
					   "start_ms",
					   "end_ms",
					   "tempo_bpm",
					   OF_PART("all"),
					   OF_PART("melody"),
					   OF_PART("accompaniment"),
					   OF_PART("left"),
					   OF_PART("right"),
					   "gap_velocity",
					   "expected_gap_velocity",
					   "lead_ms",
					   "overlap_ms",
					   "onsets_per_s",
					   "pedal_share",
					   "pedal_presses",
					   NULL};

static size_t unit_rows(const struct report *report)
{
	return report->take.unit_count;
}

static struct cell part_cell(const struct curve_part *part, size_t column)
{
	switch (column) {
	case 0: return integer((long long)part->notes);
	case 1: return real(part->velocity);
	case 2: return real(part->expected);
	case 3: return real(part->spread);
	default: return real(part->deviation);
	}
}

static struct cell unit_cell(const struct report *report, size_t row, size_t column)
{
	const struct take_unit *of_take = &report->take.units[row];
	const struct curve_unit *unit = &report->curve.units[row];
	switch (column) {
	case 0: return integer((long long)row + 1);
	case 1: return ms(of_take->start_us);
	case 2: return ms(of_take->end_us);
	case 3: return real(of_take->bpm);
	default: break;
	}
	column -= UNIT_COLUMNS_BEFORE;
	if (column < PARTS * PART_COLUMNS)
		return part_cell(&unit->part[column / PART_COLUMNS], column % PART_COLUMNS);
	switch (column - PARTS * PART_COLUMNS) {
	case 0: return real(unit->gap);
	case 1: return real(unit->expected_gap);
	case 2: return real(unit->lead_ms);
	case 3: return real(unit->overlap_ms);
	case 4: return real(unit->onsets_per_s);
	case 5: return real(unit->pedal_share);
	default: return integer(unit->pedal_presses);
	}
}

/* ---- parts of the whole take, dynamic levels ---- */

static const char *const part_columns[] = {"part",	"notes", "velocity", "expected_velocity", "expected_spread",
					   "deviation", NULL};

static size_t part_rows(const struct report *report)
{
	(void)report;
	return PARTS;
}

static struct cell whole_cell(const struct report *report, size_t row, size_t column)
{
	return column == 0 ? text(part_names[row]) : part_cell(&report->curve.whole[row], column - 1);
}

static const char *const level_columns[] = {"level", "played_notes", "expected_notes", NULL};

static size_t level_rows(const struct report *report)
{
	(void)report;
	return DYNAMICS;
}

static struct cell level_cell(const struct report *report, size_t row, size_t column)
{
	switch (column) {
	case 0: return text(table_dynamics[row]);
	case 1: return integer(report->take.played_in[row]);
	default: return report->take.has_expected ? real(report->take.expected_in[row]) : none();
	}
}

/* ---- runs, pedal ---- */

static const char *const run_columns[] = {"run",
					  "first_note",
					  "notes",
					  "unit",
					  "start_ms",
					  "interval_ms",
					  "velocity_unevenness",
					  "expected_velocity_unevenness",
					  "timing_unevenness_ms",
					  "loudest_note",
					  "loudest_apart_velocity",
					  "latest_note",
					  "latest_apart_ms",
					  NULL};

static size_t run_rows(const struct report *report)
{
	return report->runs.count;
}

static struct cell run_cell(const struct report *report, size_t row, size_t column)
{
	const struct run *run = &report->runs.runs[row];
	const struct take_note *first = &report->take.notes[run->notes[0]];
	switch (column) {
	case 0: return integer((long long)row + 1);
	case 1: return integer((long long)run->notes[0] + 1);
	case 2: return integer((long long)run->count);
	case 3: return integer((long long)first->unit + 1);
	case 4: return ms(first->onset_us);
	case 5: return real(run->interval_ms);
	case 6: return real(run->velocity_unevenness);
	case 7: return real(run->expected_unevenness);
	case 8: return real(run->timing_unevenness_ms);
	case 9: return integer((long long)run->notes[run->loudest_step] + 1);
	case 10: return real(run->loudest_apart);
	case 11: return integer((long long)run->notes[run->latest_step] + 1);
	default: return real(run->latest_apart_ms);
	}
}

static const char *const pedal_columns[] = {"start_ms", "end_ms", NULL};

static size_t pedal_rows(const struct report *report)
{
	return report->take.pedal_count;
}

static struct cell pedal_cell(const struct report *report, size_t row, size_t column)
{
	const struct take_pedal *pedal = &report->take.pedals[row];
	return ms(column == 0 ? pedal->start_us : pedal->end_us);
}

/* ---- findings ---- */

static const char *const finding_columns[] = {"place",	  "kind",	"part",	 "first_unit", "last_unit",
					      "start_ms", "throughout", "value", "reference",  "spread",
					      "notes",	  "note",	"take",	 "weight",     NULL};

static size_t finding_rows(const struct report *report)
{
	return report->findings.count;
}

static struct cell finding_cell(const struct report *report, size_t row, size_t column)
{
	const struct finding *finding = &report->findings.list[row];
	switch (column) {
	case 0: return integer((long long)row + 1);
	case 1: return text(table_finding_kinds[finding->kind]);
	case 2: return text(part_names[finding->part]);
	case 3: return integer((long long)finding->first_unit + 1);
	case 4: return integer((long long)finding->last_unit + 1);
	case 5: return ms(finding->start_us);
	case 6: return integer(finding->throughout);
	case 7: return real(finding->value);
	case 8: return real(finding->reference);
	case 9: return real(finding->spread);
	case 10: return integer((long long)finding->notes);
	case 11: return finding->note == SIZE_MAX ? none() : integer((long long)finding->note + 1);
	case 12: return finding->older == SIZE_MAX ? none() : integer((long long)finding->older + 1);
	default: return real(finding->weight);
	}
}

/* ---- older takes ---- */

static const char *const change_columns[] = {
    "take", "unit", "matched_notes", "added_notes", "left_out_notes", "velocity_difference", "tempo_ratio", NULL};

static size_t change_rows(const struct report *report)
{
	return report->older_count * report->take.unit_count;
}

static struct cell change_cell(const struct report *report, size_t row, size_t column)
{
	size_t older = row / report->take.unit_count, unit = row % report->take.unit_count;
	const struct align_unit *change = &report->beside[older].units[unit];
	switch (column) {
	case 0: return integer((long long)older + 1);
	case 1: return integer((long long)unit + 1);
	case 2: return integer((long long)change->matched);
	case 3: return integer((long long)change->added);
	case 4: return integer((long long)change->left_out);
	case 5: return real(change->velocity);
	default: return real(change->tempo);
	}
}

static const char *const gap_columns[] = {"take", "kind", "notes", "unit", "older_unit", "onset_ms", NULL};

static size_t gap_rows(const struct report *report)
{
	size_t rows = 0;
	for (size_t i = 0; i < report->older_count; i++)
		rows += report->beside[i].gap_count;
	return rows;
}

static struct cell gap_cell(const struct report *report, size_t row, size_t column)
{
	size_t older = 0;
	while (row >= report->beside[older].gap_count)
		row -= report->beside[older++].gap_count;
	const struct align_gap *gap = &report->beside[older].gaps[row];
	switch (column) {
	case 0: return integer((long long)older + 1);
	case 1: return text(gap->left_out ? "left_out" : "added");
	case 2: return integer((long long)gap->notes);
	case 3: return integer((long long)gap->unit + 1);
	case 4: return integer((long long)gap->older_unit + 1);
	default: return ms(gap->onset_us);
	}
}

const struct table tables[TABLES] = {
    {"takes", take_columns, take_rows, take_cell},	   {"notes", note_columns, note_rows, note_cell},
    {"units", unit_columns, unit_rows, unit_cell},	   {"parts", part_columns, part_rows, whole_cell},
    {"levels", level_columns, level_rows, level_cell},	   {"runs", run_columns, run_rows, run_cell},
    {"pedals", pedal_columns, pedal_rows, pedal_cell},	   {"findings", finding_columns, finding_rows, finding_cell},
    {"changes", change_columns, change_rows, change_cell}, {"gaps", gap_columns, gap_rows, gap_cell},
};
