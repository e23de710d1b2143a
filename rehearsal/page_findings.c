/* The places worth hearing again, as sentences. Offline. Every number said here is in the table of findings. */
#include "rehearsal/page_parts.h"

#include "rehearsal/table.h"
#include "rehearsal/word.h"

#include <math.h>

static const enum text part_texts[PARTS] = {TEXT_PART_ALL, TEXT_PART_MELODY, TEXT_PART_ACCOMPANIMENT, TEXT_PART_LEFT,
					    TEXT_PART_RIGHT};

static const char *note_name(const struct report *report, const struct finding *finding)
{
	return finding->note == SIZE_MAX ? "" : table_note_name(report->take.notes[finding->note].pitch);
}

/* What is to be heard. */
static void say(const struct report *report, const struct finding *finding, FILE *out)
{
	const char *part = text_of(part_texts[finding->part]);
	const char *other = text_of(finding->part == PART_LEFT ? TEXT_PART_RIGHT : TEXT_PART_LEFT);
	const struct take *older = finding->older == SIZE_MAX ? NULL : &report->older[finding->older];
	const char *file = older ? page_file_name(older) : "";
	struct word size = word_number(fabs(finding->value), 0), value = word_number(finding->value, 0);
	struct word reference = word_number(finding->reference, 0), notes = word_count(finding->notes);
	struct word change = word_signed(finding->value, 0), rise = word_number(fabs(finding->reference), 0);
	switch (finding->kind) {
	case FINDING_LOUD: text_put(out, TEXT_IS_LOUD, part, size.text, NULL); break;
	case FINDING_SOFT: text_put(out, TEXT_IS_SOFT, part, size.text, NULL); break;
	case FINDING_COVERED:
		text_put(out, finding->value < -0.5 ? TEXT_IS_UNDER : TEXT_IS_COVERED,
			 finding->value < -0.5 ? size.text : value.text, reference.text, NULL);
		break;
	case FINDING_HANDS:
		text_put(out, finding->throughout ? TEXT_IS_HAND : TEXT_IS_HAND_HERE, part, size.text, other, NULL);
		break;
	case FINDING_SHAPE:
		text_put(out, finding->reference > 0 ? TEXT_IS_NO_CRESCENDO : TEXT_IS_NO_DIMINUENDO, rise.text, change.text,
			 NULL);
		break;
	case FINDING_RUN_VELOCITY:
		text_put(out, TEXT_IS_RUN_VELOCITY, notes.text, size.text, note_name(report, finding), NULL);
		break;
	case FINDING_RUN_TIMING:
		text_put(out, TEXT_IS_RUN_TIMING, notes.text, reference.text, size.text, note_name(report, finding), NULL);
		break;
	case FINDING_NOTE:
		text_put(out, finding->value > 0 ? TEXT_IS_NOTE_LOUD : TEXT_IS_NOTE_SOFT, note_name(report, finding),
			 size.text, NULL);
		break;
	case FINDING_LEFT_OUT: {
		size_t there = (size_t)finding->reference;
		struct word place = word_place(older, there, there);
		text_put(out, TEXT_IS_LEFT_OUT, notes.text, file, place.text, NULL);
		break;
	}
	case FINDING_ADDED: text_put(out, TEXT_IS_ADDED, notes.text, file, NULL); break;
	case FINDING_CHANGED:
		text_put(out, finding->value > 0 ? TEXT_IS_LOUDER_THAN : TEXT_IS_SOFTER_THAN, size.text, file, NULL);
		break;
	case FINDING_KINDS: break;
	}
}

static void say_why(const struct finding *finding, FILE *out)
{
	struct word notes = word_count(finding->notes), around = word_count(finding->notes - 1);
	struct word reference = word_number(finding->reference, 0), spread = word_number(finding->spread, 0);
	switch (finding->kind) {
	case FINDING_LOUD:
	case FINDING_SOFT: text_put(out, TEXT_RESTS_LEVEL, notes.text, reference.text, spread.text, NULL); break;
	case FINDING_COVERED: text_put(out, TEXT_RESTS_VOICES, notes.text, NULL); break;
	case FINDING_HANDS: text_put(out, TEXT_RESTS_HANDS, notes.text, NULL); break;
	case FINDING_SHAPE: text_put(out, TEXT_RESTS_SHAPE, notes.text, spread.text, NULL); break;
	case FINDING_RUN_VELOCITY:
		text_put(out, isnan(finding->reference) ? TEXT_RESTS_RUN : TEXT_RESTS_RUN_EXPECTED, reference.text, NULL);
		break;
	case FINDING_RUN_TIMING: text_put(out, TEXT_RESTS_RUN, NULL); break;
	case FINDING_NOTE: text_put(out, TEXT_RESTS_NOTE, around.text, reference.text, spread.text, NULL); break;
	case FINDING_LEFT_OUT:
	case FINDING_ADDED: text_put(out, TEXT_RESTS_ALIGNED, NULL); break;
	case FINDING_CHANGED: text_put(out, TEXT_RESTS_PAIRS, notes.text, NULL); break;
	case FINDING_KINDS: break;
	}
}

void page_findings(const struct report *report, FILE *out)
{
	const struct findings *findings = &report->findings;
	page_heading(out, "findings", TEXT_FINDINGS);
	if (findings->count == 0) {
		page_paragraph(out, TEXT_FINDINGS_NONE);
		fputs("</section>\n", out);
		return;
	}
	page_paragraph(out, TEXT_FINDINGS_LEAD);
	fputs("<ol class=\"findings\">\n", out);
	for (size_t i = 0; i < findings->count; i++) {
		const struct finding *finding = &findings->list[i];
		struct word place = word_place(&report->take, finding->first_unit, finding->last_unit);
		fprintf(out, "<li><a href=\"#row%zu\">", page_roll_row(&report->take, finding->first_unit) + 1);
		text_escape(out, finding->throughout ? text_of(TEXT_THROUGHOUT) : place.text);
		fputs("</a>: ", out);
		say(report, finding, out);
		fputs(" <span class=\"soft\">", out);
		say_why(finding, out);
		fputs("</span></li>\n", out);
	}
	fputs("</ol>\n</section>\n", out);
}
