/* Standard MIDI Files, formats 0 and 1, from untrusted bytes. Offline and set-up threads.
 * It keeps notes, tempos, signatures, pedals and track names; everything else is stepped over. It repairs nothing: bytes
 * that break the format are refused with their offset. */
#include "stream/smf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_US_PER_QUARTER 500000
#define KEYS (16 * 128)
#define NO_NOTE UINT32_MAX

struct parse {
	const unsigned char *bytes;
	size_t at, end; /* of the chunk being read */
	const char *name;
	struct error *error;
	struct smf *file;
	uint8_t fine[16];	  /* by channel: controller 88, for its next note */
	int64_t tick, tick_scale; /* of the track; scale is 1 but for SMPTE */
	uint8_t running;	  /* status in force, 0 none */
	bool track_ended;
	size_t note_room, tempo_room, signature_room, control_room, name_room, link_room;
	size_t track_notes;		  /* index of the track's first note */
	uint32_t *link;			  /* link[i]: the next sounding note of note i's key */
	uint32_t first[KEYS], last[KEYS]; /* sounding notes of each channel and pitch in this track, oldest first */
};

static enum status fail(const struct parse *parse, enum status status, size_t offset, const char *reason)
{
	return status_fail(parse->error, status, "%s: byte %zu: %s", parse->name, offset, reason);
}

static enum status fail_memory(const struct parse *parse)
{
	return status_fail(parse->error, STATUS_NO_MEMORY, "%s: not enough memory", parse->name);
}

/* Room for one more item in an array that doubles. */
static bool grow(void *items, size_t *room, size_t count, size_t size)
{
	void **array = items;
	size_t wanted = *room ? *room * 2 : 16;
	void *larger;

	if (count < *room)
		return true;
	larger = realloc(*array, wanted * size);
	if (!larger)
		return false;
	*array = larger;
	*room = wanted;
	return true;
}

static uint32_t big_endian(const unsigned char *bytes, int count)
{
	uint32_t value = 0;

	for (int i = 0; i < count; i++)
		value = value << 8 | bytes[i];
	return value;
}

static enum status take_length(struct parse *parse, uint32_t *value)
{
	size_t start = parse->at;

	*value = 0;
	for (int i = 0; i < 4; i++) {
		uint8_t byte;

		if (parse->at >= parse->end)
			return fail(parse, STATUS_BAD_DATA, start, "the track ends inside a variable-length number");
		byte = parse->bytes[parse->at++];
		*value = *value << 7 | (byte & 0x7f);
		if (!(byte & 0x80))
			return STATUS_OK;
	}
	return fail(parse, STATUS_BAD_DATA, start, "a variable-length number has more than four bytes");
}

static enum status note_on(struct parse *parse, uint8_t channel, uint8_t pitch, uint8_t velocity)
{
	struct smf *file = parse->file;
	size_t key = (size_t)channel * 128 + pitch;
	uint32_t index = (uint32_t)file->note_count;

	if (!grow(&file->notes, &parse->note_room, index, sizeof *file->notes) ||
	    !grow(&parse->link, &parse->link_room, index, sizeof *parse->link))
		return fail_memory(parse);
	file->notes[index] = (struct smf_note){.start_tick = parse->tick,
					       .end_tick = parse->tick,
					       .track = file->tracks,
					       .channel = channel,
					       .pitch = pitch,
					       .velocity = velocity,
					       .fine = parse->fine[channel]};
	parse->fine[channel] = 0;
	parse->link[index] = NO_NOTE;
	if (parse->first[key] == NO_NOTE)
		parse->first[key] = index;
	else
		parse->link[parse->last[key]] = index;
	parse->last[key] = index;
	file->note_count++;
	return STATUS_OK;
}

static void note_off(struct parse *parse, uint8_t channel, uint8_t pitch)
{
	size_t key = (size_t)channel * 128 + pitch;
	uint32_t index = parse->first[key];

	parse->fine[channel] = 0;
	if (index == NO_NOTE) {
		parse->file->stray_note_offs++;
		return;
	}
	parse->file->notes[index].end_tick = parse->tick;
	parse->file->notes[index].ended = true;
	parse->first[key] = parse->link[index];
}

static enum status control(struct parse *parse, uint8_t channel, uint8_t controller, uint8_t value)
{
	struct smf *file = parse->file;

	if (controller == 88)
		parse->fine[channel] = value;
	if (controller != 64 && controller != 66 && controller != 67)
		return STATUS_OK;
	if (!grow(&file->controls, &parse->control_room, file->control_count, sizeof *file->controls))
		return fail_memory(parse);
	file->controls[file->control_count++] = (struct smf_control){
	    .tick = parse->tick, .track = file->tracks, .channel = channel, .controller = controller, .value = value};
	return STATUS_OK;
}

static enum status channel_message(struct parse *parse, uint8_t status)
{
	uint8_t channel = status & 0x0f, data[2] = {0, 0};
	int length = (status & 0xe0) == 0xc0 ? 1 : 2; /* program change and channel pressure have one data byte */

	for (int i = 0; i < length; i++) {
		if (parse->at >= parse->end)
			return fail(parse, STATUS_BAD_DATA, parse->at, "the track ends inside a channel message");
		data[i] = parse->bytes[parse->at];
		if (data[i] & 0x80)
			return fail(parse, STATUS_BAD_DATA, parse->at, "a status byte stands where a data byte belongs");
		parse->at++;
	}
	switch (status & 0xf0) {
	case 0x90:
		if (data[1])
			return note_on(parse, channel, data[0], data[1]);
		note_off(parse, channel, data[0]);
		return STATUS_OK;
	case 0x80: note_off(parse, channel, data[0]); return STATUS_OK;
	case 0xb0: return control(parse, channel, data[0], data[1]);
	default: return STATUS_OK;
	}
}

static enum status tempo(struct parse *parse, const unsigned char *data)
{
	struct smf *file = parse->file;

	if (file->smpte)
		return STATUS_OK;
	if (!grow(&file->tempos, &parse->tempo_room, file->tempo_count, sizeof *file->tempos))
		return fail_memory(parse);
	file->tempos[file->tempo_count++] = (struct smf_tempo){.tick = parse->tick, .us_per_quarter = big_endian(data, 3)};
	return STATUS_OK;
}

static enum status signature(struct parse *parse, const unsigned char *data)
{
	struct smf *file = parse->file;
	int power = data[1] > 15 ? 15 : data[1];

	if (!grow(&file->signatures, &parse->signature_room, file->signature_count, sizeof *file->signatures))
		return fail_memory(parse);
	file->signatures[file->signature_count++] =
	    (struct smf_signature){.tick = parse->tick, .numerator = data[0], .denominator = (uint16_t)(1u << power)};
	return STATUS_OK;
}

static void track_name(struct parse *parse, const unsigned char *data, size_t length)
{
	char *name = parse->file->track_names[parse->file->tracks];

	if (name[0])
		return;
	if (length > sizeof parse->file->track_names[0] - 1)
		length = sizeof parse->file->track_names[0] - 1;
	memcpy(name, data, length);
}

static void device_name(struct parse *parse, const unsigned char *data, size_t length)
{
	struct smf *file = parse->file;

	if (!file->device[0])
		memcpy(file->device, data, length < sizeof file->device ? length : sizeof file->device - 1);
}

static enum status meta_event(struct parse *parse)
{
	size_t start = parse->at;
	uint32_t length;
	uint8_t type;
	const unsigned char *data;
	enum status status;

	if (parse->at >= parse->end)
		return fail(parse, STATUS_BAD_DATA, start, "the track ends inside a meta event");
	type = parse->bytes[parse->at++];
	status = take_length(parse, &length);
	if (status)
		return status;
	if (length > parse->end - parse->at)
		return fail(parse, STATUS_BAD_DATA, start, "a meta event is longer than its track");
	data = parse->bytes + parse->at;
	parse->at += length;
	switch (type) {
	case 0x03: track_name(parse, data, length); return STATUS_OK;
	case 0x09: device_name(parse, data, length); return STATUS_OK;
	case 0x2f: parse->track_ended = true; return STATUS_OK;
	case 0x51:
		return length == 3 ? tempo(parse, data) : fail(parse, STATUS_BAD_DATA, start, "a tempo has not three bytes");
	case 0x58:
		return length == 4 ? signature(parse, data)
				   : fail(parse, STATUS_BAD_DATA, start, "a time signature has not four bytes");
	default: return STATUS_OK;
	}
}

static enum status sysex(struct parse *parse)
{
	size_t start = parse->at;
	uint32_t length;
	enum status status = take_length(parse, &length);

	if (status)
		return status;
	if (length > parse->end - parse->at)
		return fail(parse, STATUS_BAD_DATA, start, "a system exclusive message is longer than its track");
	parse->at += length;
	parse->running = 0;
	return STATUS_OK;
}

static enum status track_event(struct parse *parse)
{
	size_t start = parse->at;
	uint32_t delta;
	uint8_t byte;
	enum status status = take_length(parse, &delta);

	if (status)
		return status;
	parse->tick += (int64_t)delta * parse->tick_scale;
	if (parse->tick > SMF_TICK_MAX)
		return fail(parse, STATUS_BAD_DATA, start, "the delta times add up to an absurd length");
	if (parse->at >= parse->end)
		return fail(parse, STATUS_BAD_DATA, parse->at, "the track ends after a delta time");
	byte = parse->bytes[parse->at];
	if (byte < 0x80) {
		if (!parse->running)
			return fail(parse, STATUS_BAD_DATA, parse->at, "a data byte without a status before it");
		return channel_message(parse, parse->running);
	}
	parse->at++;
	if (byte < 0xf0) {
		parse->running = byte;
		return channel_message(parse, byte);
	}
	if (byte == 0xff)
		return meta_event(parse); /* running status outlives it: files in the wild count on that */
	if (byte == 0xf0 || byte == 0xf7)
		return sysex(parse);
	return fail(parse, STATUS_BAD_DATA, parse->at - 1, "a system message that files cannot hold");
}

/* Reads the chunk between at and end. Notes that nothing ended last as long as the track. */
static enum status track(struct parse *parse)
{
	struct smf *file = parse->file;

	if (!grow(&file->track_names, &parse->name_room, file->tracks, sizeof *file->track_names))
		return fail_memory(parse);
	memset(file->track_names[file->tracks], 0, sizeof *file->track_names);
	parse->tick = 0;
	memset(parse->fine, 0, sizeof parse->fine);
	parse->running = 0;
	parse->track_ended = false;
	parse->track_notes = file->note_count;
	while (parse->at < parse->end && !parse->track_ended) {
		enum status status = track_event(parse);

		if (status)
			return status;
	}
	for (size_t i = parse->track_notes; i < file->note_count; i++) {
		struct smf_note *note = &file->notes[i];

		parse->first[(size_t)note->channel * 128 + note->pitch] = NO_NOTE;
		if (note->ended)
			continue;
		note->end_tick = parse->tick;
		file->unended_notes++;
	}
	if (parse->tick > file->end_tick)
		file->end_tick = parse->tick;
	file->tracks++;
	return STATUS_OK;
}

static enum status division(struct parse *parse, uint16_t word)
{
	struct smf *file = parse->file;
	int per_frame = word & 0xff, frames = 256 - (word >> 8);

	parse->tick_scale = 1;
	if (!(word & 0x8000)) {
		file->ticks_per_quarter = word;
		return word ? STATUS_OK : fail(parse, STATUS_BAD_DATA, 12, "a division of zero ticks");
	}
	file->smpte = true;
	if (per_frame == 0)
		return fail(parse, STATUS_BAD_DATA, 13, "a division of zero ticks");
	switch (frames) {
	case 24:
	case 25:
	case 30: /* half a second: frames * per_frame / 2 ticks */
		parse->tick_scale = 2;
		file->ticks_per_quarter = frames * per_frame;
		return STATUS_OK;
	case 29: /* 30000 / 1001 frames a second */
		parse->tick_scale = 1001;
		file->ticks_per_quarter = 15000 * per_frame;
		return STATUS_OK;
	default: return fail(parse, STATUS_BAD_DATA, 12, "an SMPTE frame rate other than 24, 25, 29 and 30");
	}
}

static enum status header(struct parse *parse, size_t size, int *declared)
{
	const unsigned char *bytes = parse->bytes;
	uint32_t length;

	if (size < 4 || memcmp(bytes, "MThd", 4) != 0)
		return fail(parse, STATUS_BAD_DATA, 0, "not a Standard MIDI File (no MThd)");
	if (size < 14)
		return fail(parse, STATUS_BAD_DATA, size, "the file ends inside its header");
	length = big_endian(bytes + 4, 4);
	if (length < 6 || length > size - 8)
		return fail(parse, STATUS_BAD_DATA, 4, "the header's length does not fit");
	parse->file->format = (uint16_t)big_endian(bytes + 8, 2);
	if (parse->file->format == 2)
		return fail(parse, STATUS_UNSUPPORTED, 8,
			    "format 2 (independent sequences) is not supported; save as format 0 or 1");
	if (parse->file->format > 2)
		return fail(parse, STATUS_BAD_DATA, 8, "a format other than 0, 1 and 2");
	*declared = (int)big_endian(bytes + 10, 2);
	parse->at = 8 + (size_t)length;
	return division(parse, (uint16_t)big_endian(bytes + 12, 2));
}

static enum status chunks(struct parse *parse, size_t size, int declared)
{
	while (parse->file->tracks < declared) {
		const unsigned char *chunk = parse->bytes + parse->at;
		uint32_t length;
		enum status status;

		if (size - parse->at < 8)
			return status_fail(parse->error, STATUS_BAD_DATA,
					   "%s: byte %zu: the file ends before track %d of %d", parse->name, parse->at,
					   parse->file->tracks + 1, declared);
		length = big_endian(chunk + 4, 4);
		if (length > size - parse->at - 8)
			return status_fail(parse->error, STATUS_BAD_DATA,
					   "%s: byte %zu: a chunk of %lu bytes, but %zu are left", parse->name, parse->at,
					   (unsigned long)length, size - parse->at - 8);
		parse->at += 8;
		parse->end = parse->at + length;
		if (memcmp(chunk, "MTrk", 4) == 0) {
			status = track(parse);
			if (status)
				return status;
		}
		parse->at = parse->end;
	}
	return STATUS_OK;
}

static int64_t tick_of(const char *item)
{
	int64_t tick;

	memcpy(&tick, item, sizeof tick);
	return tick;
}

/* Stable, by the tick that every item begins with: tracks lie one after another, so that ties keep track and file order. */
static bool sort_by_tick(void *items, size_t count, size_t size)
{
	char *from = items, *to, *spare;
	size_t sorted = 1;

	while (sorted < count && tick_of(from + (sorted - 1) * size) <= tick_of(from + sorted * size))
		sorted++;
	if (sorted >= count)
		return true;
	spare = malloc(count * size);
	if (!spare)
		return false;
	to = spare;
	for (size_t width = 1; width < count; width *= 2) {
		char *swap = from;

		for (size_t start = 0; start < count; start += 2 * width) {
			size_t left = start, middle = start + width < count ? start + width : count;
			size_t right = middle, end = middle + width < count ? middle + width : count;

			for (size_t i = start; i < end; i++) {
				bool take_left = left < middle && (right >= end || tick_of(from + left * size) <=
										       tick_of(from + right * size));

				memcpy(to + i * size, from + (take_left ? left++ : right++) * size, size);
			}
		}
		from = to;
		to = swap;
	}
	if (from != items)
		memcpy(items, from, count * size);
	free(spare);
	return true;
}

static void time_tempos(struct smf *file)
{
	int64_t time = 0, tick = 0, us_per_quarter = DEFAULT_US_PER_QUARTER;

	for (size_t i = 0; i < file->tempo_count; i++) {
		time += (file->tempos[i].tick - tick) * us_per_quarter;
		tick = file->tempos[i].tick;
		us_per_quarter = file->tempos[i].us_per_quarter;
		file->tempos[i].time = time;
	}
}

enum status smf_parse(const unsigned char *bytes, size_t size, const char *name, struct smf **result, struct error *error)
{
	struct parse *parse = calloc(1, sizeof *parse);
	struct smf *file = calloc(1, sizeof *file);
	enum status status;
	int declared = 0;

	*result = NULL;
	if (!parse || !file) {
		status = status_fail(error, STATUS_NO_MEMORY, "%s: not enough memory", name);
		goto done;
	}
	*parse = (struct parse){.bytes = bytes, .name = name, .error = error, .file = file};
	memset(parse->first, 0xff, sizeof parse->first); /* NO_NOTE */
	status = header(parse, size, &declared);
	if (!status)
		status = chunks(parse, size, declared);
	if (!status && (!sort_by_tick(file->notes, file->note_count, sizeof *file->notes) ||
			!sort_by_tick(file->tempos, file->tempo_count, sizeof *file->tempos) ||
			!sort_by_tick(file->signatures, file->signature_count, sizeof *file->signatures) ||
			!sort_by_tick(file->controls, file->control_count, sizeof *file->controls)))
		status = fail_memory(parse);
	if (!status) {
		time_tempos(file);
		*result = file;
		file = NULL;
	}
done:
	if (parse)
		free(parse->link);
	free(parse);
	smf_free(file);
	return status;
}

/* The whole file, at most SMF_BYTES_MAX bytes, read without trusting its size: it may be a pipe. */
static enum status slurp(FILE *stream, const char *path, unsigned char **bytes, size_t *size, struct error *error)
{
	size_t room = 0;

	*bytes = NULL;
	*size = 0;
	for (;;) {
		size_t wanted = room ? room * 2 : 65536, got;
		unsigned char *larger = realloc(*bytes, wanted);

		if (!larger)
			return status_fail(error, STATUS_NO_MEMORY, "%s: not enough memory", path);
		*bytes = larger;
		room = wanted;
		got = fread(*bytes + *size, 1, room - *size, stream);
		*size += got;
		if (ferror(stream))
			return status_fail(error, STATUS_IO, "%s: byte %zu: %s", path, *size, strerror(errno));
		if (*size > SMF_BYTES_MAX)
			return status_fail(error, STATUS_BAD_DATA, "%s: byte %zu: the file is larger than %zu bytes", path,
					   SMF_BYTES_MAX, SMF_BYTES_MAX);
		if (*size < room)
			return STATUS_OK;
	}
}

enum status smf_read(const char *path, struct smf **file, struct error *error)
{
	unsigned char *bytes;
	size_t size;
	enum status status;
	FILE *stream = fopen(path, "rb");

	*file = NULL;
	if (!stream)
		return status_fail(error, errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO, "%s: %s", path, strerror(errno));
	status = slurp(stream, path, &bytes, &size, error);
	if (!status)
		status = smf_parse(bytes, size, path, file, error);
	free(bytes);
	fclose(stream);
	return status;
}

void smf_free(struct smf *file)
{
	if (!file)
		return;
	free(file->notes);
	free(file->tempos);
	free(file->signatures);
	free(file->controls);
	free(file->track_names);
	free(file);
}

int64_t smf_tick_to_us(const struct smf *file, int64_t tick)
{
	size_t low = 0, high = file->tempo_count; /* tempos before low begin at or before the tick */
	int64_t time;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (file->tempos[middle].tick <= tick)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0)
		time = tick * DEFAULT_US_PER_QUARTER;
	else
		time = file->tempos[low - 1].time +
		       (tick - file->tempos[low - 1].tick) * (int64_t)file->tempos[low - 1].us_per_quarter;
	return (time + file->ticks_per_quarter / 2) / file->ticks_per_quarter;
}
