/* Plays a score as a person might and writes the result as a Standard MIDI File: score.txt in, demo.mid out.
 * Written loudness becomes velocity with voicing, accent and contour; phrases breathe; hands are not quite together.
 * The same score gives the same bytes everywhere: whole-number ticks, a seeded generator and no library mathematics.
 * A program of its own: it shares no code with the daemon that will listen to it. */
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TICKS 480 /* per quarter */
#define VOICES_MAX 4
#define NOTES_MAX 4000
#define MARKS_MAX 200
#define BREATHS_MAX 100
#define BYTES_MAX (1 << 20)

struct note {
	int voice, pitch, velocity;
	int32_t start, length; /* written, in ticks */
	int32_t on, off;       /* played */
	int chord;	       /* 0 for the lowest of notes struck together, then 1, 2... */
	bool breath;	       /* the player breathes after it */
};

struct mark { /* loudness from here on */
	int32_t tick;
	int level;   /* MIDI velocity of the middle of the voice */
	char toward; /* 0: steady; '<' or '>': evenly towards the next mark */
};

struct voice {
	char name[32];
	struct mark mark[MARKS_MAX];
	int marks;
	int32_t length;
};

struct score {
	char title[80];
	int tempo, beats, unit;
	struct voice voice[VOICES_MAX];
	int voices;
	struct note note[NOTES_MAX];
	int notes;
	int32_t breath[BREATHS_MAX]; /* where a phrase ends, by the first voice */
	int breaths;
};

static const char *score_path;
static int score_line;

static _Noreturn void fail(const char *what, const char *text)
{
	fprintf(stderr, "%s:%d: %s: %s\n", score_path, score_line, what, text);
	exit(1);
}

/* ---- the score ---- */

static int parse_level(const char *name)
{
	static const char *const names[] = {"pp", "p", "mp", "mf", "f", "ff"};
	static const int levels[] = {30, 42, 53, 64, 77, 92};
	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
		if (strcmp(name, names[i]) == 0)
			return levels[i];
	fail("not a loudness", name);
}

/* "F#5" to its MIDI pitch; *end is set behind it. */
static int parse_pitch(const char *text, const char **end)
{
	static const int steps[] = {9, 11, 0, 2, 4, 5, 7}; /* A to G */
	if (text[0] < 'A' || text[0] > 'G')
		fail("not a note", text);
	int pitch = steps[text[0] - 'A'];
	const char *p = text + 1;
	for (; *p == '#' || *p == 'b'; p++)
		pitch += *p == '#' ? 1 : -1;
	if (!isdigit((unsigned char)*p))
		fail("a note without an octave", text);
	pitch += 12 * (*p - '0' + 1);
	*end = p + 1;
	if (pitch < 21 || pitch > 108)
		fail("not on a piano", text);
	return pitch;
}

/* "3" or "1/2" quarters to ticks. */
static int32_t parse_length(const char *text)
{
	char *end;
	long over = strtol(text, &end, 10), under = 1;
	if (*end == '/')
		under = strtol(end + 1, &end, 10);
	if (end == text || *end != '\0' || over < 1 || over > 64 || under < 1 || under > 64 || over * TICKS % under != 0)
		fail("not a length", text);
	return (int32_t)(over * TICKS / under);
}

static void add_mark(struct voice *voice, char toward, int level)
{
	struct mark *last = voice->marks > 0 ? &voice->mark[voice->marks - 1] : NULL;
	if (toward != 0 && last == NULL)
		fail("a hairpin before any loudness", voice->name);
	if (toward == 0 && last != NULL &&
	    ((last->toward == '<' && level <= last->level) || (last->toward == '>' && level >= last->level)))
		fail("a hairpin that points the other way", voice->name);
	if (last != NULL && last->tick == voice->length && toward != 0) {
		last->toward = toward; /* "[f] >": from this loudness on */
		return;
	}
	if (voice->marks == MARKS_MAX)
		fail("too many marks", voice->name);
	voice->mark[voice->marks++] = (struct mark){voice->length, toward != 0 ? last->level : level, toward};
}

static void add_notes(struct score *score, const char *word)
{
	struct voice *voice = &score->voice[score->voices - 1];
	const char *colon = strchr(word, ':');
	if (colon == NULL)
		fail("a note without a length", word);
	int32_t length = parse_length(colon + 1);
	const char *p = word;
	for (int chord = 0; *p != '-' && p < colon; chord++) {
		if (score->notes == NOTES_MAX)
			fail("too many notes", word);
		struct note *note = &score->note[score->notes++];
		*note = (struct note){.voice = score->voices - 1, .start = voice->length, .length = length, .chord = chord};
		note->pitch = parse_pitch(p, &p);
		if (*p == '+')
			p++;
		else if (p != colon)
			fail("not a note", word);
	}
	voice->length += length;
}

static void parse_bars(struct score *score, char *line)
{
	struct voice *voice = &score->voice[score->voices - 1];
	int32_t bar = score->beats * TICKS * 4 / score->unit;
	if (voice->length % bar != 0)
		fail("the line before ends inside a bar", voice->name);
	for (char *word = strtok(line, " \t\n"); word != NULL; word = strtok(NULL, " \t\n")) {
		size_t size = strlen(word);
		if (strcmp(word, "|") == 0) {
			if (voice->length % bar != 0)
				fail("a bar of another length ends here", voice->name);
		} else if (strcmp(word, "<") == 0 || strcmp(word, ">") == 0) {
			add_mark(voice, word[0], 0);
		} else if (strcmp(word, "'") == 0) {
			if (score->notes == 0)
				fail("a breath before any note", voice->name);
			score->note[score->notes - 1].breath = true;
			if (score->voices == 1 && score->breaths < BREATHS_MAX)
				score->breath[score->breaths++] = voice->length;
		} else if (word[0] == '[' && word[size - 1] == ']') {
			word[size - 1] = '\0';
			add_mark(voice, 0, parse_level(word + 1));
		} else {
			add_notes(score, word);
		}
	}
	if (voice->length % bar != 0)
		fail("the line ends inside a bar", voice->name);
}

static void parse_line(struct score *score, char *line)
{
	char *text = line + strspn(line, " \t\n");
	text[strcspn(text, "\n")] = '\0';
	if (*text == '\0' || *text == '#')
		return;
	if (strncmp(text, "title ", 6) == 0) {
		snprintf(score->title, sizeof(score->title), "%s", text + 6 + strspn(text + 6, " "));
	} else if (sscanf(text, "tempo %d", &score->tempo) == 1) {
		if (score->tempo < 16 || score->tempo > 256)
			fail("not a tempo", text);
	} else if (sscanf(text, "metre %d/%d", &score->beats, &score->unit) == 2) {
		if (score->beats < 1 || score->beats > 16 || (score->unit != 2 && score->unit != 4 && score->unit != 8))
			fail("not a metre", text);
	} else if (strncmp(text, "voice ", 6) == 0) {
		if (score->voices == VOICES_MAX)
			fail("too many voices", text);
		struct voice *voice = &score->voice[score->voices++];
		snprintf(voice->name, sizeof(voice->name), "%s", text + 6 + strspn(text + 6, " "));
	} else if (score->voices == 0 || score->tempo == 0 || score->beats == 0) {
		fail("tempo, metre and voice come first", text);
	} else {
		parse_bars(score, text);
	}
}

static void read_score(struct score *score, const char *path)
{
	char line[1000];
	score_path = path;
	FILE *file = fopen(path, "r");
	if (file == NULL)
		fail("cannot be read", strerror(errno));
	while (fgets(line, sizeof(line), file) != NULL) {
		score_line++;
		parse_line(score, line);
	}
	if (ferror(file) || fclose(file) != 0)
		fail("cannot be read", strerror(errno));
	if (score->notes == 0)
		fail("no notes", path);
	for (int v = 1; v < score->voices; v++)
		if (score->voice[v].length != score->voice[0].length)
			fail("a voice that is longer or shorter than the first", score->voice[v].name);
}

/* ---- the performance ---- */

static uint32_t chance_state = 1725;

/* About normal, mean 0, standard deviation 1: twelve uniform numbers. */
static double chance(void)
{
	double sum = -6;
	for (int i = 0; i < 12; i++) {
		chance_state ^= chance_state << 13;
		chance_state ^= chance_state >> 17;
		chance_state ^= chance_state << 5;
		sum += (double)(chance_state >> 8) / 16777216.0;
	}
	return sum;
}

static double loudness_at(const struct voice *voice, int32_t tick)
{
	int i = 0;
	while (i + 1 < voice->marks && voice->mark[i + 1].tick <= tick)
		i++;
	const struct mark *mark = &voice->mark[i];
	if (mark->toward == 0 || i + 1 == voice->marks)
		return mark->level;
	double share = (double)(tick - mark->tick) / (double)(mark[1].tick - mark->tick);
	return mark->level + share * (mark[1].level - mark->level);
}

/* Where tick stands in its phrase, 0 to 1. */
static double phrase_share(const struct score *score, int32_t tick)
{
	int32_t from = 0, to = score->voice[0].length;
	for (int i = 0; i < score->breaths; i++) {
		if (score->breath[i] <= tick) {
			from = score->breath[i];
		} else {
			to = score->breath[i];
			break;
		}
	}
	return (double)(tick - from) / (double)(to - from);
}

/* Quarters a minute at a tick: a little faster inside a phrase, broader at its ends, and a last bar that comes to rest. */
static double tempo_at(const struct score *score, int32_t tick)
{
	double x = 2 * phrase_share(score, tick) - 1;
	double share = 1.05 - 0.13 * x * x;
	int32_t left = score->voice[0].length - tick;
	if (left <= 6 * TICKS)
		share *= 0.62 + 0.38 * (double)left / (6.0 * TICKS);
	return score->tempo * share;
}

static void play_note(const struct score *score, struct note *note)
{
	const struct voice *voice = &score->voice[note->voice];
	int32_t in_bar = note->start % (score->beats * TICKS * 4 / score->unit);
	double ticks_per_ms = tempo_at(score, note->start) * TICKS / 60000.0;

	/* Voicing: the first voice sings, the others stay below, inner notes of a chord below those. */
	double velocity = loudness_at(voice, note->start) + (note->voice == 0 ? 8 : -7) - (note->chord > 0 ? 3 : 0);
	velocity += in_bar == 0 ? 4 : in_bar % TICKS != 0 ? -4 : 0;
	velocity += 0.5 * (note->pitch - (note->voice == 0 ? 71 : 55)); /* rising lines grow */
	velocity += 2 * chance();
	note->velocity = velocity < 1 ? 1 : velocity > 127 ? 127 : (int)velocity;

	/* The melody leads by a few milliseconds, chords roll upwards, nobody is exact. */
	double late = (note->voice == 0 ? -10 : 6) + 7 * note->chord + 4 * chance();
	note->on = note->start + (int32_t)(late * ticks_per_ms);
	if (note->on < 0)
		note->on = 0;

	/* Quavers nearly touch, quarters are detached, long notes are held almost to their end. */
	double held = note->length < TICKS ? 0.95 : note->length < 2 * TICKS ? 0.78 : 0.93;
	if (note->breath)
		held *= 0.88;
	int32_t length = (int32_t)(note->length * (held + 0.02 * chance()));
	note->off = note->on + (length > 20 ? length : 20);
}

static int compare_onsets(const void *a, const void *b)
{
	const struct note *left = a, *right = b;
	if (left->on != right->on)
		return left->on < right->on ? -1 : 1;
	return left->pitch - right->pitch;
}

static void perform(struct score *score)
{
	for (int i = 0; i < score->notes; i++)
		play_note(score, &score->note[i]);
	qsort(score->note, (size_t)score->notes, sizeof(score->note[0]), compare_onsets);
	/* One piano: a key must come up before it goes down again. */
	for (int i = 0; i < score->notes; i++)
		for (int j = i + 1; j < score->notes; j++)
			if (score->note[j].pitch == score->note[i].pitch && score->note[j].on < score->note[i].off + 10)
				score->note[i].off = score->note[j].on - 10;
	for (int i = 0; i < score->notes; i++)
		if (score->note[i].off <= score->note[i].on)
			fail("two voices strike one key at once", score->title);
}

/* ---- the file ---- */

struct bytes {
	uint8_t data[BYTES_MAX];
	size_t count, track_start;
	int32_t tick; /* of the last event of the track */
};

static void put(struct bytes *bytes, int value)
{
	if (bytes->count == BYTES_MAX)
		fail("too long a piece", score_path);
	bytes->data[bytes->count++] = (uint8_t)value;
}

static void put_number(struct bytes *bytes, uint32_t value, int size)
{
	for (int shift = 8 * (size - 1); shift >= 0; shift -= 8)
		put(bytes, (int)(value >> shift & 0xff));
}

static void put_time(struct bytes *bytes, int32_t tick)
{
	uint32_t delta = (uint32_t)(tick - bytes->tick);
	for (int shift = 21; shift > 0; shift -= 7)
		if (delta >> shift != 0)
			put(bytes, (int)(delta >> shift & 0x7f) | 0x80);
	put(bytes, (int)(delta & 0x7f));
	bytes->tick = tick;
}

static void put_text(struct bytes *bytes, int type, const char *text)
{
	put_time(bytes, bytes->tick);
	put(bytes, 0xff);
	put(bytes, type);
	put(bytes, (int)strlen(text));
	for (; *text != '\0'; text++)
		put(bytes, *text);
}

static void open_track(struct bytes *bytes, const char *name)
{
	put_number(bytes, 0x4d54726b, 4); /* MTrk */
	put_number(bytes, 0, 4);
	bytes->track_start = bytes->count;
	bytes->tick = 0;
	put_text(bytes, 0x03, name);
}

static void close_track(struct bytes *bytes)
{
	put_time(bytes, bytes->tick);
	put_number(bytes, 0xff2f00, 3);
	size_t end = bytes->count;
	bytes->count = bytes->track_start - 4;
	put_number(bytes, (uint32_t)(end - bytes->track_start), 4);
	bytes->count = end;
}

static void put_tempo_track(struct bytes *bytes, const struct score *score)
{
	open_track(bytes, score->title);
	put_time(bytes, 0);
	put_number(bytes, 0xff5804, 3);
	put(bytes, score->beats);
	put(bytes, score->unit == 2 ? 1 : score->unit == 4 ? 2 : 3);
	put(bytes, 24);
	put(bytes, 8);
	for (int32_t tick = 0; tick < score->voice[0].length; tick += TICKS / 2) {
		put_time(bytes, tick);
		put_number(bytes, 0xff5103, 3);
		put_number(bytes, (uint32_t)(60e6 / tempo_at(score, tick)), 3);
	}
	close_track(bytes);
}

struct stroke {
	int32_t tick;
	int pitch, velocity; /* velocity 0: the key comes up */
};

static int compare_strokes(const void *a, const void *b)
{
	const struct stroke *left = a, *right = b;
	if (left->tick != right->tick)
		return left->tick < right->tick ? -1 : 1;
	if ((left->velocity == 0) != (right->velocity == 0))
		return left->velocity == 0 ? -1 : 1;
	return left->pitch - right->pitch;
}

static void put_voice(struct bytes *bytes, const struct score *score, int voice)
{
	static struct stroke stroke[2 * NOTES_MAX];
	size_t count = 0;
	for (int i = 0; i < score->notes; i++) {
		const struct note *note = &score->note[i];
		if (note->voice != voice)
			continue;
		stroke[count++] = (struct stroke){note->on, note->pitch, note->velocity};
		stroke[count++] = (struct stroke){note->off, note->pitch, 0};
	}
	qsort(stroke, count, sizeof(stroke[0]), compare_strokes);
	open_track(bytes, score->voice[voice].name);
	put_time(bytes, 0);
	put_number(bytes, 0xc000, 2);
	for (size_t i = 0; i < count; i++) {
		put_time(bytes, stroke[i].tick);
		put(bytes, stroke[i].velocity > 0 ? 0x90 : 0x80);
		put(bytes, stroke[i].pitch);
		put(bytes, stroke[i].velocity > 0 ? stroke[i].velocity : 64);
	}
	close_track(bytes);
}

int main(int count, char **argument)
{
	static struct score score;
	static struct bytes bytes;
	if (count != 3) {
		fprintf(stderr, "usage: perform SCORE.txt OUT.mid\n");
		return 2;
	}
	read_score(&score, argument[1]);
	perform(&score);

	put_number(&bytes, 0x4d546864, 4); /* MThd */
	put_number(&bytes, 6, 4);
	put_number(&bytes, 1, 2);
	put_number(&bytes, (uint32_t)score.voices + 1, 2);
	put_number(&bytes, TICKS, 2);
	put_tempo_track(&bytes, &score);
	for (int voice = 0; voice < score.voices; voice++)
		put_voice(&bytes, &score, voice);

	FILE *file = fopen(argument[2], "wb");
	if (file == NULL || fwrite(bytes.data, 1, bytes.count, file) != bytes.count || fclose(file) != 0) {
		fprintf(stderr, "%s: %s\n", argument[2], strerror(errno));
		return 1;
	}
	return 0;
}
