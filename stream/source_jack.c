/* The JACK source. Three threads: libjack's process thread runs the cycles and pushes; a helper thread opens the client,
 * connects ports, watches the server and tries to come back; a closing thread, for jack_client_close can hang. Between
 * jack_cycle_wait and jack_cycle_signal nothing allocates, locks or makes a system call (tests/support/cycle_guard.c
 * proves it); readers are woken after the signal. Never starts a server. Also runs on PipeWire's libjack. */
#define _GNU_SOURCE
#include "stream/source_base.h"

#include "base/clock.h"
#include "base/wake.h"

#include <jack/jack.h>
#include <jack/midiport.h>
#include <jack/thread.h>
#include <jack/transport.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define RETRY_US 500000	     /* between two tries to reach a server */
#define ROUND_US 1000000     /* the helper's round: clock offset, ports */
#define TICK_US 200000	     /* and between two looks at the count of cycles */
#define STILL_TICKS_MAX 4    /* looks without a cycle: the server hangs */
#define FIRST_TRY_US 3000000 /* how long opening waits for the first try */
#define CONNECT_US 3000000
#define CLOSE_CLIENT_US 500000
#define CLOSE_US 800000
#define AHEAD_MAX_US 20000 /* after xruns JACK's clock runs ahead for a while; no further than this is believed */
#define BUSY_SPIN_US 100
#define BUSY_SPINS_MAX 1000
#define TRANSPORT_EVERY_US 100000 /* the transport is told so often while it rolls evenly, */
#define TRANSPORT_OFF_US 1000	  /* and at once when it is so far from where it was to be */
#define PORT_NAME_MAX 512
#define APPEARED_MAX 1024
#define HAND_PORT "midi_in"

/* An input as the helper sees it. */
struct lane {
	char name[PORT_NAME_MAX];     /* full name of the port we listen to; empty: unused; HAND_PORT: whatever is there */
	char identity[PORT_NAME_MAX]; /* by which it is known when it returns under another name */
	bool here;		      /* connected */
	int64_t connecting_us; /* until then our own connection may not be in the graph yet, which changes between cycles */
	bool left_alone;       /* somebody disconnected it by hand; so until a port of that name appears anew */
};

/* One life of a JACK client. May outlive its owner when jack_client_close hangs, so that libjack's threads touch the owner
 * only between begin_work and end_work. */
struct connection {
	struct source_jack *owner;
	jack_client_t *client;
	jack_port_t *hand_port;
	jack_nframes_t rate;
	int wake; /* the helper's, a duplicate */
	/* process thread and helper; all sequentially consistent: see begin_work */
	_Atomic bool live, busy;
	_Atomic(jack_port_t *) ports[INPUTS_MAX];
	_Atomic uint32_t presence[INPUTS_MAX]; /* odd: present; each coming or going adds one */
	_Atomic bool early[INPUTS_MAX];	       /* a cycle has announced it by itself */
	_Atomic int64_t offset_us;	       /* CLOCK_MONOTONIC minus JACK's time */
	_Atomic uint32_t cycles;
	_Atomic uint64_t xruns;
	_Atomic bool lost;		    /* the server has gone */
	struct ring *appeared;		    /* of jack_port_id_t: from libjack's notifications to the helper */
	uint32_t presence_seen[INPUTS_MAX]; /* process thread, as the next */
	int64_t newest_us;		    /* of all events so far: none is earlier than the one before it */
	struct event transport;		    /* last told */
	struct lane lanes[INPUTS_MAX];	    /* helper */
	int closed;			    /* wake.h: the closing thread is through */
	_Atomic int close_state;	    /* 0, then whoever comes second of CLOSED and ABANDONED frees */
};
enum { CLOSED = 1, ABANDONED };

struct source_jack {
	struct source source;
	char *client_name, *server;
	int wake;   /* to the helper */
	int opened; /* from the helper: the first try is over */
	int done;   /* from the helper: it has ended */
	pthread_t helper;
	_Atomic bool stop, first_try_worked;
	pthread_mutex_t lock; /* helper and main thread only: the two below */
	struct connection *connection;
	bool ended; /* the main thread has ended the notes, because the helper hangs */
};

/* ---- the cycle: process thread ---- */

/* What the process thread may touch of the source, it may touch between these two while they say so. The other side sets
 * live to false and waits until busy is false: from then on the pushing is its own. */
static bool begin_work(struct connection *connection)
{
	atomic_store(&connection->busy, true);
	return atomic_load(&connection->live);
}

static void end_work(struct connection *connection)
{
	atomic_store(&connection->busy, false);
}

/* An event list of one port, being merged with the others by frame. */
struct cursor {
	void *buffer;
	uint32_t next, count;
	jack_midi_event_t event;
	int input;
};

static bool advance(struct cursor *cursor)
{
	while (cursor->next < cursor->count)
		if (jack_midi_event_get(&cursor->event, cursor->buffer, cursor->next++) == 0)
			return true;
	return false;
}

static void announce(struct connection *connection, int64_t now_us)
{
	for (int input = 0; input < INPUTS_MAX; input++) {
		uint32_t presence = atomic_load(&connection->presence[input]);
		if (presence == connection->presence_seen[input])
			continue;
		if (presence - connection->presence_seen[input] > 1 || presence % 2 == 0)
			source_input_gone(&connection->owner->source, input, now_us);
		if (presence % 2 == 1)
			source_input_present(&connection->owner->source, input, now_us);
		connection->presence_seen[input] = presence;
	}
}

/* Where the transport is at the cycle's first frame. jack_transport_query reads shared memory, no more. */
static struct event ask_transport(const struct connection *connection, int64_t start_us, int64_t arrival_us)
{
	jack_position_t position;
	jack_transport_state_t state = jack_transport_query(connection->client, &position);
	struct event event = {.event_us = start_us, .arrival_us = arrival_us, .position = -1, .kind = EVENT_TRANSPORT};

	event.channel = state == JackTransportRolling;
	if (!(position.valid & JackPositionBBT) || !(position.beats_per_minute > 1 && position.beats_per_minute < 10000) ||
	    !(position.beats_per_bar >= 1 && position.beats_per_bar < 128) || !(position.beat_type >= 1) ||
	    position.beat_type > 64 || !(position.ticks_per_beat > 0) || position.beat < 1)
		return event;
	double beat_quarters = 4.0 / (double)position.beat_type;
	double beats = position.beat - 1 + (double)position.tick / position.ticks_per_beat;
	/* JACK's tempo counts beats of the signature, and the place may be that of an earlier frame of the cycle. */
	double us = 60e6 / position.beats_per_minute / beat_quarters;
	if (position.valid & JackBBTFrameOffset)
		beats -= (double)position.bbt_offset * 1e6 / (double)connection->rate / (us * beat_quarters);
	event.note_id = position.bar > 0 ? position.bar - 1 : 0;
	event.position = (int64_t)((beats > 0 ? beats : 0) * beat_quarters * EVENT_TRANSPORT_QUARTER + 0.5);
	event.duration_us = (int64_t)(us + 0.5);
	event.pitch = (uint8_t)position.beats_per_bar;
	event.velocity = (uint8_t)position.beat_type;
	return event;
}

/* Tells the transport when something about it has changed that does not follow from what was told. */
static void tell_transport(struct connection *connection, int64_t start_us, int64_t arrival_us)
{
	struct source *source = &connection->owner->source;
	const struct event *told = &connection->transport;
	struct event now = ask_transport(connection, start_us, arrival_us);
	bool same = now.channel == told->channel && now.duration_us == told->duration_us && now.pitch == told->pitch &&
		    now.velocity == told->velocity && (now.position < 0) == (told->position < 0);
	if (same && (!now.channel || now.position < 0))
		return;
	if (same && now.event_us - told->event_us < TRANSPORT_EVERY_US) {
		int64_t bar = (int64_t)now.pitch * EVENT_TRANSPORT_QUARTER * 4 / now.velocity;
		int64_t went = (now.event_us - told->event_us) * EVENT_TRANSPORT_QUARTER / now.duration_us;
		int64_t off = told->position + went - now.position - (now.note_id - told->note_id) * bar;
		int64_t most = (int64_t)TRANSPORT_OFF_US * EVENT_TRANSPORT_QUARTER / now.duration_us;
		if (off < most && off > -most)
			return;
	}
	if (source_push(source, &now, held_count(source->held) + SOURCE_RESERVE))
		connection->transport = now;
}

static void run_cycle(struct connection *connection, jack_nframes_t frames, int64_t arrival_us)
{
	struct source *source = &connection->owner->source;
	jack_nframes_t cycle_frame;
	jack_time_t cycle_time, next_time;
	float period;
	int64_t offset_us = atomic_load(&connection->offset_us);
	struct cursor cursors[INPUTS_MAX];
	int open = 0;

	/* Asked once: a cycle that runs late must not have its stamps on two sides of the next one's beginning. */
	bool timed = jack_get_cycle_times(connection->client, &cycle_frame, &cycle_time, &next_time, &period) == 0 &&
		     cycle_time > 0 && next_time > cycle_time;
	int64_t start_us = timed ? (int64_t)cycle_time + offset_us : arrival_us;
	if (start_us > arrival_us + AHEAD_MAX_US)
		start_us = arrival_us;
	announce(connection, arrival_us);
	tell_transport(connection, start_us, arrival_us);
	int32_t period_us = (int32_t)((uint64_t)frames * 1000000 / connection->rate);
	atomic_store_explicit(&source->counters.period_us, period_us, memory_order_relaxed);
	for (int input = 0; input < INPUTS_MAX; input++) {
		jack_port_t *port = atomic_load(&connection->ports[input]);
		void *buffer = port ? jack_port_get_buffer(port, frames) : NULL;
		if (!buffer)
			continue;
		struct cursor cursor = {.buffer = buffer, .count = jack_midi_get_event_count(buffer), .input = input};
		uint32_t lost = jack_midi_get_lost_event_count(buffer);
		if (lost > 0)
			atomic_fetch_add_explicit(&source->counters.lost_by_server, lost, memory_order_relaxed);
		if (advance(&cursor))
			cursors[open++] = cursor;
	}
	while (open > 0) {
		struct cursor *first = &cursors[0];
		for (int i = 1; i < open; i++)
			if (cursors[i].event.time < first->event.time)
				first = &cursors[i];
		if (!source->slots[first->input].present) {
			/* Played before the helper has seen the connection. */
			atomic_store(&connection->early[first->input], true);
			source_input_present(source, first->input, arrival_us);
		}
		int64_t event_us = start_us;
		if (timed)
			event_us += (int64_t)(first->event.time * (next_time - cycle_time) / frames);
		if (event_us < connection->newest_us)
			event_us = connection->newest_us;
		connection->newest_us = event_us;
		source_bytes(source, first->input, first->event.buffer, first->event.size, event_us, arrival_us);
		if (!advance(first))
			*first = cursors[--open];
	}
	source_tick(source, arrival_us);
}

static void *process(void *context)
{
	struct connection *connection = context;
	for (;;) {
		jack_nframes_t frames = jack_cycle_wait(connection->client);
		int64_t arrival_us = clock_now_us();
		bool working = begin_work(connection);
		if (working)
			run_cycle(connection, frames, arrival_us);
		atomic_fetch_add(&connection->cycles, 1);
		jack_cycle_signal(connection->client, 0);
		if (working)
			source_wake(&connection->owner->source);
		end_work(connection);
	}
	return NULL;
}

/* ---- libjack's notifications ---- */

static void on_shutdown(void *context)
{
	struct connection *connection = context;
	atomic_store(&connection->lost, true);
	wake_post(connection->wake);
}

static void on_port(jack_port_id_t port, int registered, void *context)
{
	struct connection *connection = context;
	if (registered)
		ring_push(connection->appeared, &port);
	wake_post(connection->wake);
}

static void on_connect(jack_port_id_t from, jack_port_id_t to, int connected, void *context)
{
	(void)from, (void)to, (void)connected;
	wake_post(((struct connection *)context)->wake);
}

static int on_xrun(void *context)
{
	atomic_fetch_add(&((struct connection *)context)->xruns, 1);
	return 0;
}

static void be_silent(const char *text)
{
	(void)text;
}

static int64_t read_jack_time(void *context)
{
	(void)context;
	return (int64_t)jack_get_time();
}

/* ---- connecting: helper thread ---- */

static void set_present(struct connection *connection, int input, bool present)
{
	struct lane *lane = &connection->lanes[input];
	if (lane->here != present)
		atomic_fetch_add(&connection->presence[input], 1);
	else if (!present && atomic_exchange(&connection->early[input], false))
		atomic_fetch_add(&connection->presence[input], 2); /* came and went between two looks */
	if (present)
		atomic_store(&connection->early[input], false);
	lane->here = present;
}

/* What of a port's name lasts. a2jmidid writes the ALSA client's number into it, which changes; jackd numbers those of
 * its devices in order of appearance, and the device's name is their alias. */
static void identify(const jack_port_t *port, const char *name, char identity[PORT_NAME_MAX])
{
	const char *number = strncmp(name, "a2j:", 4) == 0 ? strstr(name, " [") : NULL;
	const char *after = number ? strstr(number, "] (") : NULL;
	if (after && strspn(number + 2, "0123456789") == (size_t)(after - number) - 2)
		snprintf(identity, PORT_NAME_MAX, "%.*s%s", (int)(number - name), name, after + 1);
	else
		snprintf(identity, PORT_NAME_MAX, "%s", name);
	if (!(jack_port_flags(port) & JackPortIsPhysical))
		return;
	char first[PORT_NAME_MAX] = "", second[PORT_NAME_MAX] = "";
	char *const aliases[2] = {first, second};
	if (jack_port_name_size() <= PORT_NAME_MAX && jack_port_get_aliases(port, aliases) > 0)
		snprintf(identity, PORT_NAME_MAX, "%s", first);
}

/* The lane of a port, made when it is seen for the first time; -1: there is no room or no port for it. */
static int lane_of(struct source_jack *jack, struct connection *connection, const char *name, const char *identity,
		   bool hardware)
{
	char own_name[16];
	for (int i = 0; i < INPUTS_MAX; i++) {
		struct lane *lane = &connection->lanes[i];
		if (lane->name[0] == '\0' || strcmp(lane->identity, identity) != 0)
			continue;
		if (strcmp(lane->name, name) == 0)
			return i;
		if (lane->here) /* a second device of the same kind */
			continue;
		snprintf(lane->name, PORT_NAME_MAX, "%s", name);
		lane->left_alone = false;
		return i;
	}
	int input = source_take_slot(&jack->source, identity, identity, "", hardware);
	if (input < 0)
		return -1;
	snprintf(own_name, sizeof own_name, "in_%d", input + 1);
	jack_port_t *port = strcmp(name, HAND_PORT) == 0 ? connection->hand_port
							 : jack_port_register(connection->client, own_name,
									      JACK_DEFAULT_MIDI_TYPE, JackPortIsInput, 0);
	if (!port) {
		source_give_slot(&jack->source, input);
		return -1;
	}
	snprintf(connection->lanes[input].name, PORT_NAME_MAX, "%s", name);
	snprintf(connection->lanes[input].identity, PORT_NAME_MAX, "%s", identity);
	atomic_store(&connection->ports[input], port);
	return input;
}

static void connect_port(struct source_jack *jack, struct connection *connection, const char *name)
{
	char identity[PORT_NAME_MAX];
	const jack_port_t *port = jack_port_by_name(connection->client, name);
	if (!port || jack_port_is_mine(connection->client, port) || strlen(name) >= PORT_NAME_MAX)
		return;
	/* The kernel's loop-back is hardware to PipeWire; what is sent there comes back, so only a --connect takes it. */
	bool hardware = (jack_port_flags(port) & JackPortIsPhysical) && !strcasestr(name, "through");
	identify(port, name, identity);
	if (!source_wants(&jack->source, name, identity, hardware))
		return;
	int input = lane_of(jack, connection, name, identity, hardware);
	if (input < 0 || connection->lanes[input].here || connection->lanes[input].left_alone)
		return;
	const char *own_name = jack_port_name(atomic_load(&connection->ports[input]));
	int result = jack_connect(connection->client, name, own_name);
	connection->lanes[input].connecting_us = clock_now_us() + CONNECT_US;
	set_present(connection, input, result == 0 || jack_port_connected_to(atomic_load(&connection->ports[input]), name));
}

static bool has_name(const char *const *names, const char *name)
{
	for (; *names; names++)
		if (strcmp(*names, name) == 0)
			return true;
	return false;
}

/* A port that appears is a new one, even if it was disconnected by hand, or vanished unseen, when it was there before. */
static void welcome_ports(struct connection *connection)
{
	jack_port_id_t id;
	while (ring_pop(connection->appeared, &id)) {
		const jack_port_t *port = jack_port_by_id(connection->client, id);
		const char *name = port ? jack_port_name(port) : NULL;
		for (int i = 0; name && i < INPUTS_MAX; i++)
			if (strcmp(connection->lanes[i].name, name) == 0)
				connection->lanes[i].left_alone = false;
	}
}

/* Makes inputs agree with the ports that are there. Looks at the whole state, so that no notification can be missed. */
static void scan_ports(struct source_jack *jack, struct connection *connection)
{
	static const char *const none[] = {NULL};
	const char **found = jack_get_ports(connection->client, NULL, JACK_DEFAULT_MIDI_TYPE, JackPortIsOutput);
	const char *const *names = found ? found : none;
	int64_t now_us = clock_now_us();

	for (int i = 0; i < INPUTS_MAX; i++) {
		struct lane *lane = &connection->lanes[i];
		if (lane->name[0] == '\0' || strcmp(lane->name, HAND_PORT) == 0)
			continue;
		bool exists = has_name(names, lane->name);
		bool connected = exists && jack_port_connected_to(atomic_load(&connection->ports[i]), lane->name);
		if (connected)
			lane->connecting_us = 0;
		if (exists && lane->here && now_us < lane->connecting_us)
			continue;
		lane->left_alone = exists && !connected && (lane->here || lane->left_alone);
		set_present(connection, i, connected);
	}
	welcome_ports(connection); /* after the look at what is connected: it undoes what that took for a hand */
	bool by_hand = jack_port_connected(connection->hand_port) > 0;
	int hand = by_hand ? lane_of(jack, connection, HAND_PORT, HAND_PORT, false) : -1;
	for (int i = 0; i < INPUTS_MAX; i++)
		if (i == hand || strcmp(connection->lanes[i].name, HAND_PORT) == 0)
			set_present(connection, i, by_hand);
	for (; *names; names++)
		connect_port(jack, connection, *names);
	if (found)
		jack_free(found);
}

/* ---- life and death of a connection: helper thread ---- */

static void free_connection(struct connection *connection)
{
	close(connection->wake);
	close(connection->closed);
	ring_free(connection->appeared);
	free(connection);
}

static void *close_client(void *context)
{
	struct connection *connection = context;
	jack_client_close(connection->client);
	wake_post(connection->closed);
	if (atomic_exchange(&connection->close_state, CLOSED) == ABANDONED)
		free_connection(connection);
	return NULL;
}

/* The connection is gone for the caller, even if libjack never gives it back. */
static void close_connection(struct connection *connection)
{
	pthread_t thread;
	if (!connection->client) {
		free_connection(connection);
		return;
	}
	if (pthread_create(&thread, NULL, close_client, connection) != 0)
		return; /* without a thread to spare, leave it to the end of the process rather than hang */
	pthread_detach(thread);
	wake_wait(connection->closed, CLOSE_CLIENT_US);
	if (atomic_exchange(&connection->close_state, ABANDONED) == CLOSED)
		free_connection(connection);
}

static struct connection *open_connection(struct source_jack *jack)
{
	struct connection *connection = calloc(1, sizeof *connection);
	if (!connection)
		return NULL;
	connection->owner = jack;
	connection->wake = dup(jack->wake);
	connection->closed = wake_open();
	connection->appeared = ring_new(sizeof(jack_port_id_t), APPEARED_MAX);
	connection->transport.position = -1;
	jack_options_t options = JackNoStartServer | (jack->server ? JackServerName : JackNullOption);
	jack_status_t status;
	if (connection->wake < 0 || connection->closed < 0 || !connection->appeared ||
	    !(connection->client = jack_client_open(jack->client_name, options, &status, jack->server))) {
		close_connection(connection);
		return NULL;
	}
	jack_client_t *client = connection->client;
	connection->rate = jack_get_sample_rate(client);
	jack_on_shutdown(client, on_shutdown, connection);
	connection->hand_port = jack_port_register(client, HAND_PORT, JACK_DEFAULT_MIDI_TYPE, JackPortIsInput, 0);
	atomic_store(&connection->offset_us, source_clock_offset(0, read_jack_time, NULL));
	bool good = connection->hand_port && connection->rate > 0 &&
		    jack_set_process_thread(client, process, connection) == 0 &&
		    jack_set_xrun_callback(client, on_xrun, connection) == 0 &&
		    jack_set_port_registration_callback(client, on_port, connection) == 0 &&
		    jack_set_port_connect_callback(client, on_connect, connection) == 0;
	pthread_mutex_lock(&jack->lock);
	good = good && !jack->ended;
	if (good) {
		jack->connection = connection;
		atomic_store(&connection->live, true);
	}
	pthread_mutex_unlock(&jack->lock);
	if (good && jack_activate(client) == 0) {
		int priority = jack_is_realtime(client) ? jack_client_real_time_priority(client) : 0;
		atomic_store(&jack->source.counters.priority, priority > 0 ? priority : 0);
		return connection;
	}
	pthread_mutex_lock(&jack->lock);
	jack->connection = NULL;
	pthread_mutex_unlock(&jack->lock);
	close_connection(connection);
	return NULL;
}

/* With the lock. Takes the pushing from the process thread, ends all notes and says so. */
static void end_inputs(struct source_jack *jack)
{
	const struct timespec pause = {.tv_nsec = BUSY_SPIN_US * 1000L};
	struct connection *connection = jack->connection;
	if (jack->ended)
		return;
	if (connection) {
		atomic_store(&connection->live, false);
		for (int i = 0; i < BUSY_SPINS_MAX && atomic_load(&connection->busy); i++)
			nanosleep(&pause, NULL);
	}
	source_all_gone(&jack->source, clock_now_us());
	source_wake(&jack->source);
	jack->connection = NULL;
}

/* Returns when the server is lost or the source is to stop. */
static void watch(struct source_jack *jack, struct connection *connection)
{
	uint32_t cycles = 0;
	int still_ticks = 0;
	int64_t tick_us = 0, round_us = 0;
	bool changed = true;
	while (!atomic_load(&jack->stop) && !atomic_load(&connection->lost) && still_ticks < STILL_TICKS_MAX) {
		int64_t now_us = clock_now_us();
		if (now_us - tick_us >= TICK_US) {
			uint32_t now_cycles = atomic_load(&connection->cycles);
			/* A look that comes late says that the machine is busy, not that the server hangs. */
			bool late = now_us - tick_us >= 2 * TICK_US;
			still_ticks = now_cycles != cycles ? 0 : still_ticks + !late;
			cycles = now_cycles;
			tick_us = now_us;
		}
		if (now_us - round_us >= ROUND_US) {
			round_us = now_us;
			changed = true;
			int64_t offset_us = atomic_load(&connection->offset_us);
			atomic_store(&connection->offset_us, source_clock_offset(offset_us, read_jack_time, NULL));
		}
		atomic_fetch_add(&jack->source.counters.xruns, atomic_exchange(&connection->xruns, 0));
		if (still_ticks == 0 && changed)
			scan_ports(jack, connection);
		changed = wake_wait(jack->wake, TICK_US) || (changed && still_ticks > 0);
	}
}

/* Both sides of a loss are told at once, even where no input goes with it. */
static void tell_waiting(struct source_jack *jack, bool waiting)
{
	atomic_store(&jack->source.counters.waiting, waiting);
	if (!atomic_load(&jack->stop)) /* then nobody may be there any more */
		wake_post(jack->source.output.osc_wake);
}

static void *help(void *context)
{
	struct source_jack *jack = context;
	for (bool first = true; !atomic_load(&jack->stop); first = false) {
		struct connection *connection = open_connection(jack);
		if (first) {
			atomic_store(&jack->first_try_worked, connection != NULL);
			wake_post(jack->opened);
		}
		if (connection) {
			tell_waiting(jack, false);
			watch(jack, connection);
			tell_waiting(jack, true);
			pthread_mutex_lock(&jack->lock);
			end_inputs(jack);
			pthread_mutex_unlock(&jack->lock);
			for (int i = 0; i < INPUTS_MAX; i++)
				source_give_slot(&jack->source, i);
			close_connection(connection);
		}
		int64_t again_us = clock_now_us() + RETRY_US;
		while (!atomic_load(&jack->stop) && clock_now_us() < again_us)
			wake_wait(jack->wake, again_us - clock_now_us());
	}
	wake_post(jack->done);
	return NULL;
}

/* ---- main thread ---- */

/* wake_wait that a signal does not cut short. */
static bool wait_for(int wake, int64_t timeout_us)
{
	int64_t end_us = clock_now_us() + timeout_us;
	for (int64_t left_us = timeout_us; left_us > 0; left_us = end_us - clock_now_us())
		if (wake_wait(wake, left_us))
			return true;
	return false;
}

static void free_source(struct source_jack *jack)
{
	if (jack->wake >= 0)
		close(jack->wake);
	if (jack->opened >= 0)
		close(jack->opened);
	if (jack->done >= 0)
		close(jack->done);
	pthread_mutex_destroy(&jack->lock);
	source_uninit(&jack->source);
	free(jack->client_name);
	free(jack->server);
	free(jack);
}

static void close_jack(struct source *source)
{
	struct source_jack *jack = (struct source_jack *)source;
	atomic_store(&jack->stop, true);
	wake_post(jack->wake);
	if (wait_for(jack->done, CLOSE_US)) {
		pthread_join(jack->helper, NULL);
		free_source(jack);
		return;
	}
	/* The helper hangs inside libjack. The notes end here, and what the helper may still read is left to it for good. */
	pthread_mutex_lock(&jack->lock);
	end_inputs(jack);
	jack->ended = true;
	pthread_mutex_unlock(&jack->lock);
	pthread_detach(jack->helper);
}

enum status source_open_jack(const struct source_options *options, const struct source_output *output,
			     struct source **source, struct error *error)
{
	*source = NULL;
	struct source_jack *jack = calloc(1, sizeof *jack);
	if (!jack)
		return status_fail(error, STATUS_NO_MEMORY, "no memory for a source");
	enum status status = source_init(&jack->source, options, output, close_jack, error);
	if (status != STATUS_OK) {
		free(jack);
		return status;
	}
	pthread_mutex_init(&jack->lock, NULL);
	jack->client_name = strdup(options->client_name ? options->client_name : "midibertd");
	jack->server = options->jack_server ? strdup(options->jack_server) : NULL;
	jack->wake = wake_open();
	jack->opened = wake_open();
	jack->done = wake_open();
	const char *server = options->jack_server ? options->jack_server : "default";
	snprintf(jack->source.description, sizeof jack->source.description, "jack:%s", server);
	jack_set_error_function(be_silent);
	jack_set_info_function(be_silent);
	if (!jack->client_name || (options->jack_server && !jack->server) || jack->wake < 0 || jack->opened < 0 ||
	    jack->done < 0 || pthread_create(&jack->helper, NULL, help, jack) != 0) {
		free_source(jack);
		return status_fail(error, STATUS_IO, "JACK source: no memory, descriptor or thread");
	}
	wait_for(jack->opened, FIRST_TRY_US);
	if (options->server_required && !atomic_load(&jack->first_try_worked)) {
		close_jack(&jack->source);
		return status_fail(
		    error, STATUS_NOT_FOUND,
		    "no JACK server \"%s\" answers: start jackd, or PipeWire and run this program with pw-jack", server);
	}
	*source = &jack->source;
	return STATUS_OK;
}
