/* Measures the way of a note: from the note-on at a JACK port to the datagrams at a UDP receiver. One program is both ends,
 * so that one clock (CLOCK_MONOTONIC) times them.
 *
 * What is measured: t0 is the later of the event's time (the start of the JACK cycle that carries it, at offset 0) and the
 * moment at which this client's callback puts it into its port; t1 is the return of recv for the first datagram about that
 * note. So it contains the daemon's turn in the cycle, its threads, the inference, the encoding, the loopback and the
 * wake-up of the receiver, which has real-time priority where that is granted. Nothing is asserted but that every note was
 * answered.
 *
 *   latency [--seconds 120] [--rate 8] [--chord 1] [--load 0] [--idle 10] [--json] -- build/midibertd --source jack ...
 * The daemon is started with --osc and --connect added; the JACK server is the default one ($JACK_DEFAULT_SERVER).
 * --rate: onsets a second; --chord: notes at each, in one JACK cycle; --load: processes of normal priority that do nothing
 * but keep a core busy each, while it is played. Jitter is the mean change of the delay from a note to the next. Threads:
 * JACK's callback plays, the main thread receives. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <jack/jack.h>
#include <jack/midiport.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NOTES_MAX 100000
#define CHORD_MAX 12
#define LOAD_MAX 64
#define RECEIVER_PRIORITY 80

enum answer { ANSWER_NOTE, ANSWER_MELODY, ANSWER_CAUSAL, ANSWER_HIDDEN, ANSWERS };
static const char *const answer_address[ANSWERS] = {"/midibert/note", "/midibert/melody", "/midibert/velocity",
						    "/midibert/velocity/hidden"};

/* What the callback touches; the main thread sets the plan before `playing` and reads stamps of notes below `played`. */
struct player {
	jack_client_t *client;
	jack_port_t *port;
	atomic_bool playing;
	atomic_int played;
	int notes, chord;    /* in all, a multiple of those of a chord */
	jack_nframes_t step; /* frames from onset to onset */
	jack_nframes_t due;  /* frame of the next onset */
	bool started;
	int sounding; /* first note that is held, or -1 */
	jack_nframes_t release;
	int64_t stamp_us[NOTES_MAX];
	_Atomic uint64_t refused; /* events that JACK's buffer did not take */
};

struct receiver {
	int socket, port;
	int64_t answer_us[ANSWERS][NOTES_MAX]; /* 0: none yet */
	int32_t id[NOTES_MAX];
	int heard, finals;
	long messages, unexpected;
	double published[4]; /* last /midibert/latency */
	int32_t dropped, xruns;
	bool status;
};

static struct player player = {.sounding = -1};
static struct receiver receiver;

static int64_t now_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static _Noreturn void fail(const char *what, const char *why)
{
	fprintf(stderr, "latency: %s: %s\n", what, why);
	exit(1);
}

/* ---- the player ---- */

/* A tune over broken chords: every fourth note is high. Or chords of different keys, moving. */
static int pitch_of(int note)
{
	if (player.chord > 1)
		return 30 + note % player.chord * 6 + note / player.chord % 6;
	static const int tune[] = {72, 76, 79, 77, 76, 74, 72, 71}, chord[] = {48, 55, 52, 53, 57, 60, 43, 50};
	return note % 4 == 0 ? tune[note / 4 % 8] : chord[note % 8];
}

static void emit(void *buffer, jack_nframes_t offset, int status, int pitch, int velocity)
{
	uint8_t *bytes = jack_midi_event_reserve(buffer, offset, 3);
	if (bytes == NULL) {
		atomic_fetch_add_explicit(&player.refused, 1, memory_order_relaxed);
		return;
	}
	bytes[0] = (uint8_t)status;
	bytes[1] = (uint8_t)pitch;
	bytes[2] = (uint8_t)velocity;
}

static void release(void *buffer)
{
	for (int i = 0; player.sounding >= 0 && i < player.chord; i++)
		emit(buffer, 0, 0x80, pitch_of(player.sounding + i), 0);
	player.sounding = -1;
}

static int process(jack_nframes_t frames, void *context)
{
	(void)context;
	int64_t entry_us = now_us();
	void *buffer = jack_port_get_buffer(player.port, frames);
	jack_midi_clear_buffer(buffer);
	jack_nframes_t first = jack_last_frame_time(player.client);
	if ((int32_t)(first - player.release) >= 0)
		release(buffer);
	int note = atomic_load_explicit(&player.played, memory_order_relaxed);
	if (!atomic_load_explicit(&player.playing, memory_order_acquire) || note == player.notes)
		return 0;
	if (!player.started) {
		player.started = true;
		player.due = first;
	}
	if ((int32_t)(first - player.due) < 0)
		return 0;
	/* JACK counts on a clock of its own rate; how far it is from ours is asked in the same breath. */
	int64_t event_us = (int64_t)jack_frames_to_time(player.client, first) + now_us() - (int64_t)jack_get_time();
	release(buffer);
	player.sounding = note;
	player.release = first + player.step * 3 / 4;
	player.due += player.step;
	for (int i = 0; i < player.chord; i++) {
		player.stamp_us[note + i] = event_us > entry_us ? event_us : entry_us;
		emit(buffer, 0, 0x90, pitch_of(note + i), 50 + (note + i) * 7 % 40);
	}
	atomic_store_explicit(&player.played, note + player.chord, memory_order_release);
	return 0;
}

/* ---- the receiver ---- */

static void take_answer(enum answer answer, int32_t id, int64_t at_us)
{
	for (int note = receiver.heard - 1; note >= 0; note--) {
		if (receiver.id[note] != id)
			continue;
		if (receiver.answer_us[answer][note] == 0)
			receiver.answer_us[answer][note] = at_us;
		return;
	}
	receiver.unexpected++;
}

static int32_t int_at(const char *data, size_t at)
{
	uint32_t word;
	memcpy(&word, data + at, 4);
	return (int32_t)ntohl(word);
}

static double float_at(const char *data, size_t at)
{
	int32_t bits = int_at(data, at);
	float value;
	memcpy(&value, &bits, 4);
	return (double)value;
}

static void take(const char *data, size_t size, int64_t at_us)
{
	size_t length = strnlen(data, size), values = (length / 4 + 1) * 4;
	if (length == size || values >= size)
		return;
	size_t types = strnlen(data + values, size - values);
	if (values + types == size)
		return;
	const char *type = data + values;
	values += (types / 4 + 1) * 4;
	receiver.messages++;
	if (values + 4 * (types - 1) > size)
		return;
	if (strcmp(data, "/midibert/note") == 0 && strcmp(type, ",iiiiii") == 0) {
		int note = receiver.heard;
		if (note >= NOTES_MAX || int_at(data, values + 4) != pitch_of(note)) {
			receiver.unexpected++;
			return;
		}
		receiver.id[note] = int_at(data, values);
		receiver.heard++;
		take_answer(ANSWER_NOTE, receiver.id[note], at_us);
	} else if (strcmp(data, "/midibert/melody") == 0 && strcmp(type, ",iiifi") == 0) {
		int stage = int_at(data, values + 16);
		if (stage == 0)
			take_answer(ANSWER_MELODY, int_at(data, values), at_us);
		receiver.finals += stage == 2;
	} else if (strcmp(data, "/midibert/velocity") == 0 && strcmp(type, ",iiiffffi") == 0) {
		take_answer(ANSWER_CAUSAL, int_at(data, values), at_us);
	} else if (strcmp(data, "/midibert/velocity/hidden") == 0 && strcmp(type, ",iiiffffi") == 0) {
		if (int_at(data, values + 28) == 0)
			take_answer(ANSWER_HIDDEN, int_at(data, values), at_us);
	} else if (strcmp(data, "/midibert/latency") == 0 && strcmp(type, ",ffff") == 0) {
		for (size_t i = 0; i < 4; i++)
			receiver.published[i] = float_at(data, values + 4 * i);
	} else if (strcmp(data, "/midibert/status") == 0 && strcmp(type, ",iiiiiii") == 0) {
		receiver.dropped = int_at(data, values + 8);
		receiver.xruns = int_at(data, values + 16);
		receiver.status = true;
	}
}

/* Receives until a time, or until done() says so. */
static void receive_until(int64_t end_us, bool (*done)(void))
{
	struct pollfd wait = {.fd = receiver.socket, .events = POLLIN};
	while (done == NULL || !done()) {
		int64_t left_us = end_us - now_us();
		if (left_us <= 0)
			return;
		if (poll(&wait, 1, left_us > 100000 ? 100 : (int)(left_us / 1000 + 1)) <= 0)
			continue;
		char data[2048];
		ssize_t size = recv(receiver.socket, data, sizeof(data), MSG_DONTWAIT);
		if (size > 0)
			take(data, (size_t)size, now_us());
	}
}

static bool ready(void)
{
	return receiver.status && jack_port_connected(player.port) > 0;
}

static bool all_played(void)
{
	return atomic_load_explicit(&player.played, memory_order_acquire) == player.notes;
}

static void open_receiver(void)
{
	int room = 4 << 20;
	struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(here);
	receiver.socket = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (receiver.socket < 0 || bind(receiver.socket, (struct sockaddr *)&here, size) != 0 ||
	    getsockname(receiver.socket, (struct sockaddr *)&here, &size) != 0)
		fail("no socket", strerror(errno));
	setsockopt(receiver.socket, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	receiver.port = ntohs(here.sin_port);
}

/* ---- the daemon ---- */

static pid_t start_daemon(char **arguments, int count)
{
	char **all = calloc((size_t)count + 6, sizeof(*all)), target[40];
	if (all == NULL)
		fail("no memory", "");
	snprintf(target, sizeof(target), "127.0.0.1:%d", receiver.port);
	memcpy(all, arguments, (size_t)count * sizeof(*all));
	char *more[] = {"--osc", target, "--connect", "midibert_bench:keys"};
	memcpy(all + count, more, sizeof(more));
	pid_t child = fork();
	if (child == 0) {
		execv(all[0], all);
		fail(all[0], strerror(errno));
	}
	free(all);
	if (child < 0)
		fail("fork", strerror(errno));
	return child;
}

static double cpu_seconds(pid_t process)
{
	char path[40], text[1000];
	unsigned long user = 0, system = 0;
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)process);
	FILE *file = fopen(path, "r");
	const char *rest = file != NULL && fgets(text, sizeof(text), file) != NULL ? strrchr(text, ')') : NULL;
	if (rest == NULL || sscanf(rest + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
		fail(path, "cannot be read; has the daemon ended?");
	fclose(file);
	return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

static double resident_mib(pid_t process)
{
	char path[40], line[200];
	long kib = 0;
	snprintf(path, sizeof(path), "/proc/%d/status", (int)process);
	FILE *file = fopen(path, "r");
	if (file == NULL)
		fail(path, strerror(errno));
	while (fgets(line, sizeof(line), file) != NULL)
		if (sscanf(line, "VmRSS: %ld", &kib) == 1)
			break;
	fclose(file);
	return (double)kib / 1024;
}

/* ---- the report ---- */

static int compare(const void *a, const void *b)
{
	int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
	return left < right ? -1 : left > right;
}

struct figures {
	int count;
	double p50, p95, p99, most, jitter; /* ms */
};

static struct figures measure(enum answer answer)
{
	static int64_t taken[NOTES_MAX];
	struct figures figures = {0};
	int64_t before = 0, changes = 0;
	for (int note = 0; note < player.notes; note++) {
		if (receiver.answer_us[answer][note] == 0)
			continue;
		int64_t now = receiver.answer_us[answer][note] - player.stamp_us[note];
		if (figures.count > 0)
			changes += now > before ? now - before : before - now;
		before = taken[figures.count++] = now;
	}
	if (figures.count == 0)
		return figures;
	qsort(taken, (size_t)figures.count, sizeof(taken[0]), compare);
	const double shares[] = {0.5, 0.95, 0.99, 1};
	double *out[] = {&figures.p50, &figures.p95, &figures.p99, &figures.most};
	for (size_t i = 0; i < 4; i++)
		*out[i] = (double)taken[(int)(shares[i] * figures.count + 0.999999) - 1] / 1000; /* nearest rank */
	figures.jitter = figures.count > 1 ? (double)changes / 1000 / (figures.count - 1) : 0;
	return figures;
}

/* What else was measured. */
struct run {
	double rate, resting, busy, resident; /* onsets a second; shares of a core; MiB */
	int load;
	bool json;
};

static void print_json(const struct run *run)
{
	printf("{\"rate\": %g, \"chord\": %d, \"load\": %d, \"notes\": %d, \"period_frames\": %d, \"delays_ms\": {",
	       run->rate, player.chord, run->load, player.notes, (int)jack_get_buffer_size(player.client));
	for (int answer = 0; answer < ANSWERS; answer++) {
		struct figures f = measure((enum answer)answer);
		printf("%s\"%s\": {\"count\": %d, \"p50\": %.3f, \"p95\": %.3f, \"p99\": %.3f, \"max\": %.3f, \"jitter\": "
		       "%.3f}",
		       answer ? ", " : "", answer_address[answer], f.count, f.p50, f.p95, f.p99, f.most, f.jitter);
	}
	printf("}, \"finals\": %d, \"dropped\": %d, \"xruns\": %d, \"unexpected\": %ld, \"refused\": %lu, \"resident_mib\": "
	       "%.1f, "
	       "\"cpu_resting\": %.4f, \"cpu_playing\": %.4f}\n",
	       receiver.finals, receiver.dropped, receiver.xruns, receiver.unexpected,
	       (unsigned long)atomic_load(&player.refused), run->resident, run->resting, run->busy);
}

static void print_text(const struct run *run)
{
	printf("%d notes, %g onsets a second of %d, %d busy processes beside, JACK period %d frames at %d Hz\n",
	       player.notes, run->rate, player.chord, run->load, (int)jack_get_buffer_size(player.client),
	       (int)jack_get_sample_rate(player.client));
	printf("%-42s %9s %9s %9s %9s %9s\n", "ms from note-on at the JACK port to", "p50", "p95", "p99", "max", "jitter");
	for (int answer = 0; answer < ANSWERS; answer++) {
		struct figures f = measure((enum answer)answer);
		printf("%-26s first message %9.3f %9.3f %9.3f %9.3f %9.3f  %d of %d\n", answer_address[answer], f.p50, f.p95,
		       f.p99, f.most, f.jitter, f.count, player.notes);
	}
	printf("the daemon's own /midibert/latency         %9.3f %9.3f %9.3f  (last 10 s; period %.2f ms)\n",
	       receiver.published[0], receiver.published[1], receiver.published[2], receiver.published[3]);
	printf("final melody labels %d, dropped %d, xruns %d, unexpected %ld, not taken by JACK %lu\n", receiver.finals,
	       receiver.dropped, receiver.xruns, receiver.unexpected, (unsigned long)atomic_load(&player.refused));
	printf("resident memory %.1f MiB; CPU %.1f %% of one core while nobody plays, %.1f %% while playing\n",
	       run->resident, 100 * run->resting, 100 * run->busy);
}

/* ---- what else the machine does ---- */

static pid_t load_process[LOAD_MAX];

static void start_load(int count)
{
	for (int i = 0; i < count; i++) {
		load_process[i] = fork();
		if (load_process[i] < 0)
			fail("fork", strerror(errno));
		if (load_process[i] == 0) {
			sched_setscheduler(0, SCHED_OTHER, &(struct sched_param){.sched_priority = 0});
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (volatile unsigned long spin = 0;; spin++)
				;
		}
	}
}

static void stop_load(int count)
{
	for (int i = 0; i < count; i++) {
		kill(load_process[i], SIGKILL);
		waitpid(load_process[i], NULL, 0);
	}
}

/* True where every note was answered and the daemon ended cleanly; says so where not. */
static bool was_good(int state)
{
	int answered = measure(ANSWER_NOTE).count, labelled = measure(ANSWER_MELODY).count;
	bool lost = answered != player.notes || labelled != player.notes || receiver.finals != player.notes;
	bool clean = WIFEXITED(state) && WEXITSTATUS(state) == 0;
	if (lost)
		fprintf(stderr, "latency: NOT every note was answered.\n");
	if (!clean)
		fprintf(stderr, "latency: the daemon did NOT end cleanly: wait status %#x.\n", (unsigned)state);
	return !lost && clean;
}

int main(int count, char **argument)
{
	struct run run = {.rate = 8};
	int seconds = 120, idle = 10, chord = 1, i = 1;
	for (; i < count && strcmp(argument[i], "--") != 0; i++) {
		const char *value = i + 1 < count ? argument[i + 1] : "";
		if (strcmp(argument[i], "--json") == 0) {
			run.json = true;
			continue;
		}
		if (strcmp(argument[i], "--seconds") == 0)
			seconds = atoi(value);
		else if (strcmp(argument[i], "--idle") == 0)
			idle = atoi(value);
		else if (strcmp(argument[i], "--rate") == 0)
			run.rate = atof(value);
		else if (strcmp(argument[i], "--chord") == 0)
			chord = atoi(value);
		else if (strcmp(argument[i], "--load") == 0)
			run.load = atoi(value);
		else
			break;
		i++;
	}
	player.chord = chord;
	player.notes = (int)(run.rate * seconds) * chord;
	if (i + 1 >= count || strcmp(argument[i], "--") != 0 || player.notes < 1 || player.notes > NOTES_MAX || idle < 1 ||
	    chord < 1 || chord > CHORD_MAX || run.load < 0 || run.load > LOAD_MAX) {
		fprintf(
		    stderr,
		    "usage: latency [--seconds N] [--rate ONSETS] [--chord NOTES] [--load PROCESSES] [--idle N] [--json] "
		    "-- DAEMON [OPTION]...\n");
		return 2;
	}
	open_receiver();
	player.client = jack_client_open("midibert_bench", JackNoStartServer | JackUseExactName, NULL);
	if (player.client == NULL)
		fail("JACK", "no server, or another client has the name midibert_bench");
	player.port = jack_port_register(player.client, "keys", JACK_DEFAULT_MIDI_TYPE, JackPortIsOutput, 0);
	jack_set_process_callback(player.client, process, NULL);
	player.step = (jack_nframes_t)(jack_get_sample_rate(player.client) / run.rate);
	if (player.port == NULL || jack_activate(player.client) != 0)
		fail("JACK", "no port");

	pid_t daemon = start_daemon(argument + i + 1, count - i - 1);
	receive_until(now_us() + 30000000, ready);
	if (!ready()) {
		kill(daemon, SIGTERM);
		fail("the daemon", "did not answer and connect within 30 s");
	}
	double before = cpu_seconds(daemon);
	receive_until(now_us() + (int64_t)idle * 1000000, NULL);
	run.resting = (cpu_seconds(daemon) - before) / idle;

	/* The receiver's own wait for a core is none of the daemon's; where this is refused it is in the figures. */
	bool prompt = sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){.sched_priority = RECEIVER_PRIORITY}) == 0;
	if (!prompt)
		fprintf(stderr, "latency: no real-time priority for the receiver: %s\n", strerror(errno));
	start_load(run.load);
	int64_t start_us = now_us();
	before = cpu_seconds(daemon);
	atomic_store_explicit(&player.playing, true, memory_order_release);
	receive_until(start_us + ((int64_t)seconds + 10) * 1000000, all_played);
	run.busy = (cpu_seconds(daemon) - before) / ((double)(now_us() - start_us) / 1e6);
	receive_until(now_us() + 2000000, NULL);
	stop_load(run.load);
	run.resident = resident_mib(daemon);
	kill(daemon, SIGTERM);
	receive_until(now_us() + 1500000, NULL); /* labels that the end makes final */
	int state = 0;
	waitpid(daemon, &state, 0);
	(run.json ? print_json : print_text)(&run);
	bool good = was_good(state);
	jack_client_close(player.client);
	return !good;
}
