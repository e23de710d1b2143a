/* The recorder's thread and what hands it entries, see recorder.h. Normal priority; it alone touches files. It does not know
 * what an entry means but for where a take begins and ends. */
#define _GNU_SOURCE
#include "daemon/recorder.h"

#include "base/clock.h"
#include "base/ring.h"
#include "base/wake.h"
#include "daemon/take_file.h"
#include "daemon/take_head.h"
#include "daemon/take_report.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#define ENTRIES 32768			/* of either ring: 4 MiB; seconds at 1000 notes a second */
#define FLUSH_US 1000000		/* what a power cut may take away */
#define PENDING_BYTES ((size_t)1 << 20) /* of a take in memory before it has a note; older ones give way */
#define BUFFER_BYTES ((size_t)1 << 16)
#define FREE_BYTES ((uint64_t)64 << 20) /* left on the disk for others */
#define NAME_TRIES 100

/* A take that is being written. Two may be: one thread may be in the next while the other still is in this one. */
struct take {
	bool used, begun, stopped; /* begun: it has a note; stopped: the disk refused */
	bool engine_done, osc_done;
	uint32_t number;
	uint64_t lost;
	char *text; /* not written yet */
	size_t count, room;
	int descriptor; /* -1: none yet */
	size_t bytes;	/* in the file, whole lines */
	char path[TAKE_PATH_MAX];
};

struct recorder {
	const char *folder;
	size_t limit_bytes; /* of everything in the folder */
	bool report;
	struct take_head head;
	struct ring *engine_entries, *osc_entries; /* of struct journal_entry */
	int wake;
	_Atomic bool stop;
	_Atomic uint64_t refused; /* labels that did not reach osc, and were therefore not sent */
	bool pushed;		  /* osc thread: the recorder is to be woken */
	pthread_t thread;
	pthread_mutex_t mutex; /* of trouble */
	char trouble[512];
	/* recorder's thread */
	struct take takes[2];
	char message[JOURNAL_LINE_MAX]; /* of several entries */
	size_t message_length;
	uint64_t lost;	     /* counted so far */
	size_t folder_bytes; /* of closed takes and what else was there */
	double bpm;	     /* in force in the newest take of the engine */
	struct take_report spawn;
};

/* ---- the two threads that hand entries over ---- */

void recorder_accept(struct recorder *recorder, uint32_t take, const struct event *event, const struct event *heard)
{
	if (!recorder)
		return;
	bool note = heard->kind == EVENT_NOTE_ON;
	const struct journal_entry entry = {.now_us = event->arrival_us,
					    .take = take,
					    .kind = JOURNAL_ACCEPT,
					    .number = note ? heard->velocity : 0,
					    .fine = note ? heard->fine : 0,
					    .as.event = *event};
	ring_push(recorder->engine_entries, &entry);
}

void recorder_engine(struct recorder *recorder, uint32_t take, enum journal_kind kind, int64_t now_us, int number,
		     double bpm)
{
	if (!recorder)
		return;
	const struct journal_entry entry = {
	    .now_us = now_us, .take = take, .kind = (uint8_t)kind, .number = (uint8_t)number, .as.bpm = bpm};
	ring_push(recorder->engine_entries, &entry);
}

void recorder_refused(struct recorder *recorder)
{
	if (recorder)
		atomic_fetch_add_explicit(&recorder->refused, 1, memory_order_relaxed);
}

static void push_osc(struct recorder *recorder, const struct journal_entry *entry)
{
	ring_push(recorder->osc_entries, entry);
	recorder->pushed = true;
}

/* In pieces; all or none. */
static void push_text(struct recorder *recorder, struct journal_entry *entry, const char *text)
{
	size_t length = strlen(text), pieces = length / (JOURNAL_TEXT - 1) + 1;
	bool fits = ring_space(recorder->osc_entries) >= pieces;
	for (size_t i = 0; i < (fits ? pieces : 1); i++) {
		entry->more = i + 1 < pieces;
		snprintf(entry->as.text, JOURNAL_TEXT, "%s", text + i * (JOURNAL_TEXT - 1));
		if (!fits)
			entry->kind = 0; /* a hole, if there is room for one; counted if not */
		push_osc(recorder, entry);
	}
}

void recorder_event(struct recorder *recorder, uint32_t take, const struct event *event, const struct input_names *names,
		    int64_t now_us)
{
	if (!recorder)
		return;
	struct journal_entry entry = {.now_us = now_us, .take = take};
	if (names && strcmp(names->identity, names->name) != 0) {
		entry.kind = JOURNAL_IDENTITY;
		entry.number = event->input;
		push_text(recorder, &entry, names->identity);
	}
	if (names) {
		entry.kind = JOURNAL_INPUT;
		entry.number = event->input;
		push_text(recorder, &entry, names->name);
	}
	entry = (struct journal_entry){.now_us = now_us, .take = take, .kind = JOURNAL_EVENT, .as.event = *event};
	push_osc(recorder, &entry);
}

void recorder_osc(struct recorder *recorder, uint32_t take, enum journal_kind kind, int64_t now_us, int number, double bpm)
{
	if (!recorder)
		return;
	const struct journal_entry entry = {
	    .now_us = now_us, .take = take, .kind = (uint8_t)kind, .number = (uint8_t)number, .as.bpm = bpm};
	push_osc(recorder, &entry);
}

void recorder_state(struct recorder *recorder, uint32_t take, const struct journal_state *state, int64_t now_us)
{
	if (!recorder)
		return;
	const struct journal_entry entry = {.now_us = now_us, .take = take, .kind = JOURNAL_STATE, .as.state = *state};
	push_osc(recorder, &entry);
}

void recorder_tempo(struct recorder *recorder, uint32_t take, const struct beat_tempo *tempo, int64_t now_us)
{
	if (!recorder)
		return;
	const struct journal_entry entry = {.now_us = now_us, .take = take, .kind = JOURNAL_TOLD_TEMPO, .as.tempo = *tempo};
	push_osc(recorder, &entry);
}

void recorder_beat(struct recorder *recorder, uint32_t take, const struct told_beat *beat, int64_t now_us)
{
	if (!recorder)
		return;
	const struct journal_entry entry = {.now_us = now_us, .take = take, .kind = JOURNAL_TOLD_BEAT, .as.beat = *beat};
	push_osc(recorder, &entry);
}

void recorder_message(struct recorder *recorder, uint32_t take, const char *line)
{
	struct journal_entry entry = {.take = take, .kind = JOURNAL_MESSAGE};
	if (recorder && !journal_is_passing(line))
		push_text(recorder, &entry, line);
}

void recorder_wake(struct recorder *recorder)
{
	if (!recorder || !recorder->pushed)
		return;
	recorder->pushed = false;
	wake_post(recorder->wake);
}

/* ---- trouble ---- */

static void tell(struct recorder *recorder, const char *text)
{
	pthread_mutex_lock(&recorder->mutex);
	snprintf(recorder->trouble, sizeof recorder->trouble, "%s", text);
	pthread_mutex_unlock(&recorder->mutex);
	fprintf(stderr, "midibertd: record: %s\n", text);
}

bool recorder_trouble(struct recorder *recorder, char *text, size_t size)
{
	if (!recorder)
		return false;
	pthread_mutex_lock(&recorder->mutex);
	bool any = recorder->trouble[0] != '\0';
	snprintf(text, size, "%s", recorder->trouble);
	recorder->trouble[0] = '\0';
	pthread_mutex_unlock(&recorder->mutex);
	return any;
}

/* ---- a take's file ---- */

static bool append(struct take *take, const char *text, size_t length)
{
	if (take->count + length > take->room) {
		size_t room = 2 * take->room + length + BUFFER_BYTES;
		char *grown = realloc(take->text, room);
		if (!grown)
			return false;
		take->text = grown;
		take->room = room;
	}
	memcpy(take->text + take->count, text, length);
	take->count += length;
	return true;
}

/* Nothing more is written: what the file has ends with a whole line. */
static void give_up(struct recorder *recorder, struct take *take, const char *why)
{
	char text[512];
	take->stopped = true;
	take->lost++;
	if (take->descriptor >= 0 && ftruncate(take->descriptor, (off_t)take->bytes) != 0)
		why = strerror(errno);
	snprintf(text, sizeof text, "%.200s: %.120s; the rest of this take is not recorded",
		 take->path[0] ? take->path : recorder->folder, why);
	tell(recorder, text);
}

static bool has_room(const struct recorder *recorder, const struct take *take, const char **why)
{
	struct statvfs about;
	if (recorder->folder_bytes + take->bytes + take->count > recorder->limit_bytes) {
		*why = "the folder has reached --record-limit";
		return false;
	}
	if (fstatvfs(take->descriptor, &about) == 0 &&
	    (uint64_t)about.f_bavail * about.f_frsize < FREE_BYTES + take->count) {
		*why = "the disk is full";
		return false;
	}
	return true;
}

static void flush(struct recorder *recorder, struct take *take)
{
	const char *why = NULL;
	if (take->descriptor < 0 || take->stopped || take->count == 0)
		return;
	if (!has_room(recorder, take, &why)) {
		give_up(recorder, take, why);
		return;
	}
	for (size_t done = 0; done < take->count;) {
		ssize_t written = write(take->descriptor, take->text + done, take->count - done);
		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0) {
			give_up(recorder, take, strerror(written < 0 ? errno : EIO));
			return;
		}
		done += (size_t)written;
	}
	take->bytes += take->count;
	take->count = 0;
}

static void create(struct recorder *recorder, struct take *take)
{
	char stamp[32];
	time_t now = time(NULL);
	struct tm local;
	strftime(stamp, sizeof stamp, "%Y-%m-%d_%H-%M-%S", localtime_r(&now, &local));
	for (int i = 1; i < NAME_TRIES && take->descriptor < 0; i++) {
		char again[8] = "";
		if (i > 1)
			snprintf(again, sizeof again, "-%d", i);
		snprintf(take->path, sizeof take->path, "%.4000s/%s%s" JOURNAL_SUFFIX, recorder->folder, stamp, again);
		take->descriptor = open(take->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
		if (take->descriptor < 0 && errno != EEXIST)
			break;
	}
	if (take->descriptor < 0)
		give_up(recorder, take, strerror(errno));
	else
		flock(take->descriptor, LOCK_EX | LOCK_NB); /* tells others that it is being written */
}

static void close_take(struct recorder *recorder, struct take *take)
{
	char text[128];
	struct error error = {STATUS_OK, ""};
	if (!take->used)
		return;
	take->used = false;
	if (take->descriptor < 0)
		return;
	int length = snprintf(text, sizeof text, "end %llu\n", (unsigned long long)take->lost);
	if (!take->stopped && append(take, text, (size_t)length))
		flush(recorder, take);
	bool good = fsync(take->descriptor) == 0;
	enum status status = take_file_make_midi(take->path, &error);
	if (close(take->descriptor) != 0 || !good)
		tell(recorder, "a take could not be brought to the disk");
	take->descriptor = -1;
	recorder->folder_bytes = take_file_folder_bytes(recorder->folder);
	if (status != STATUS_OK) {
		tell(recorder, error.text);
		return;
	}
	if (take->lost > 0) {
		snprintf(text, sizeof text, "%llu entries of a take were lost; it cannot be repeated exactly",
			 (unsigned long long)take->lost);
		tell(recorder, text);
	}
	fprintf(stderr, "midibertd: recorded %s\n", take->path);
	if (recorder->report)
		take_report_want(&recorder->spawn);
}

/* ---- from entries to lines ---- */

static struct take *take_of(struct recorder *recorder, uint32_t number)
{
	struct take *take = &recorder->takes[number & 1];
	if (take->used && take->number == number)
		return take;
	close_take(recorder, take); /* a reset was lost */
	char *text = take->text;
	size_t room = take->room;
	*take = (struct take){.used = true, .number = number, .descriptor = -1, .text = text, .room = room};
	size_t length;
	char *head = take_head_text(&recorder->head, recorder->bpm, &length);
	if (!head || !append(take, head, length))
		give_up(recorder, take, "no memory");
	free(head);
	return take;
}

static void add_line(struct recorder *recorder, struct take *take, const struct journal_entry *entry, const char *text)
{
	char line[JOURNAL_LINE_MAX];
	if (take->stopped)
		return;
	if (!append(take, line, journal_write(entry, text, line))) {
		give_up(recorder, take, "no memory");
		return;
	}
	if (entry->kind == JOURNAL_ACCEPT && entry->as.event.kind == EVENT_NOTE_ON && !take->begun) {
		take->begun = true;
		create(recorder, take);
	}
	if (!take->begun && take->count > PENDING_BYTES) {
		take->count = 0; /* hours of pedals without a note */
		take->lost++;
	}
	if (take->count > BUFFER_BYTES)
		flush(recorder, take);
}

static void take_engine_entry(struct recorder *recorder, const struct journal_entry *entry)
{
	struct take *take = take_of(recorder, entry->take);
	if (entry->kind == JOURNAL_TEMPO)
		recorder->bpm = entry->as.bpm;
	add_line(recorder, take, entry, NULL);
	if (entry->kind == JOURNAL_RESET)
		take->engine_done = true;
}

static void take_osc_entry(struct recorder *recorder, const struct journal_entry *entry)
{
	struct take *take = take_of(recorder, entry->take);
	if (entry->kind == 0) {
		take->lost++;
	} else if (entry->kind == JOURNAL_MESSAGE || entry->kind == JOURNAL_INPUT || entry->kind == JOURNAL_IDENTITY) {
		size_t room = sizeof recorder->message - recorder->message_length;
		size_t length = strnlen(entry->as.text, JOURNAL_TEXT);
		if (length < room) {
			memcpy(recorder->message + recorder->message_length, entry->as.text, length);
			recorder->message_length += length;
		}
		if (entry->more)
			return;
		recorder->message[recorder->message_length] = '\0';
		recorder->message_length = 0;
		if (entry->kind == JOURNAL_INPUT)
			take_head_set_input(&recorder->head, entry->number, recorder->message);
		if (entry->kind == JOURNAL_IDENTITY)
			take_head_set_identity(&recorder->head, entry->number, recorder->message);
		add_line(recorder, take, entry, recorder->message);
	} else {
		add_line(recorder, take, entry, NULL);
	}
}

/* The state that opens a take also says that the one before is over for the osc thread. */
static void drain(struct recorder *recorder)
{
	struct journal_entry entry;
	bool any = true;
	while (any) {
		any = false;
		while (ring_pop(recorder->engine_entries, &entry)) {
			take_engine_entry(recorder, &entry);
			any = true;
		}
		while (ring_pop(recorder->osc_entries, &entry)) {
			struct take *before = &recorder->takes[(entry.take - 1) & 1];
			if (entry.kind == JOURNAL_STATE && before->used && before->number + 1 == entry.take)
				before->osc_done = true;
			take_osc_entry(recorder, &entry);
			any = true;
		}
		uint64_t lost = ring_dropped(recorder->engine_entries) + ring_dropped(recorder->osc_entries) +
				atomic_load_explicit(&recorder->refused, memory_order_relaxed);
		for (int i = 0; i < 2; i++) {
			struct take *take = &recorder->takes[i];
			take->lost += lost - recorder->lost;
			if (take->used && take->engine_done && take->osc_done)
				close_take(recorder, take);
		}
		recorder->lost = lost;
	}
}

static void *run(void *context)
{
	struct recorder *recorder = context;
	int64_t flush_us = 0;
	pthread_setname_np(pthread_self(), "recorder");
	for (bool stopping = false; !stopping;) {
		bool open = recorder->takes[0].descriptor >= 0 || recorder->takes[1].descriptor >= 0;
		wake_wait(recorder->wake, open || take_report_is_busy(&recorder->spawn) ? FLUSH_US : -1);
		stopping = atomic_load_explicit(&recorder->stop, memory_order_acquire);
		drain(recorder);
		int64_t now_us = clock_now_us();
		if (now_us - flush_us >= FLUSH_US) {
			flush_us = now_us;
			for (int i = 0; i < 2; i++) {
				flush(recorder, &recorder->takes[i]);
				if (recorder->takes[i].descriptor >= 0)
					fdatasync(recorder->takes[i].descriptor);
			}
		}
		take_report_turn(&recorder->spawn, recorder->folder);
	}
	for (uint32_t i = 0; i < 2; i++) /* the older one first */
		close_take(recorder, &recorder->takes[(recorder->takes[0].number < recorder->takes[1].number ? i : 1 - i)]);
	take_report_finish(&recorder->spawn, recorder->folder);
	return NULL;
}

/* ---- main thread ---- */

static enum status open_folder(const char *folder, struct error *error)
{
	struct stat about;
	if (mkdir(folder, 0755) != 0 && errno != EEXIST)
		return status_fail(error, STATUS_IO, "record: the folder %s cannot be made: %s", folder, strerror(errno));
	if (stat(folder, &about) != 0 || !S_ISDIR(about.st_mode) || access(folder, W_OK | X_OK) != 0)
		return status_fail(error, STATUS_IO, "record: %s is not a folder that can be written to", folder);
	return STATUS_OK;
}

enum status recorder_open(const struct options *options, const struct setup *setup, int64_t start_us,
			  struct recorder **opened, struct error *error)
{
	*opened = NULL;
	enum status status = open_folder(options->record, error);
	if (status != STATUS_OK)
		return status;
	struct recorder *recorder = calloc(1, sizeof *recorder);
	if (!recorder)
		return status_fail(error, STATUS_NO_MEMORY, "no memory for the recorder");
	recorder->folder = options->record;
	recorder->limit_bytes = (size_t)options->record_limit_mb << 20;
	recorder->report = options->record_report;
	recorder->bpm = setup->bpm;
	recorder->takes[0].descriptor = recorder->takes[1].descriptor = -1;
	pthread_mutex_init(&recorder->mutex, NULL);
	recorder->wake = wake_open();
	recorder->engine_entries = ring_new(sizeof(struct journal_entry), ENTRIES);
	recorder->osc_entries = ring_new(sizeof(struct journal_entry), ENTRIES);
	if (recorder->wake < 0 || !recorder->engine_entries || !recorder->osc_entries)
		status = status_fail(error, STATUS_NO_MEMORY, "no memory or descriptors for the recorder");
	else
		status = take_head_fill(&recorder->head, options, setup, start_us, error);
	take_file_recover(recorder->folder);
	recorder->folder_bytes = take_file_folder_bytes(recorder->folder);
	if (status == STATUS_OK && pthread_create(&recorder->thread, NULL, run, recorder) != 0)
		status = status_fail(error, STATUS_IO, "the system gives no more threads");
	if (status == STATUS_OK) {
		*opened = recorder;
		return STATUS_OK;
	}
	ring_free(recorder->engine_entries);
	ring_free(recorder->osc_entries);
	if (recorder->wake >= 0)
		close(recorder->wake);
	take_head_free(&recorder->head);
	pthread_mutex_destroy(&recorder->mutex);
	free(recorder);
	return status;
}

void recorder_set_session(struct recorder *recorder, const char *session, const char *source)
{
	if (recorder)
		take_head_set_session(&recorder->head, session, source);
}

void recorder_close(struct recorder *recorder)
{
	if (!recorder)
		return;
	atomic_store_explicit(&recorder->stop, true, memory_order_release);
	wake_post(recorder->wake);
	pthread_join(recorder->thread, NULL);
	for (int i = 0; i < 2; i++)
		free(recorder->takes[i].text);
	ring_free(recorder->engine_entries);
	ring_free(recorder->osc_entries);
	close(recorder->wake);
	take_head_free(&recorder->head);
	pthread_mutex_destroy(&recorder->mutex);
	free(recorder);
}
