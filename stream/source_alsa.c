/* The ALSA source: one sequencer client with one port and one queue, read by a thread of its own at FIFO priority where
 * that is granted. The kernel stamps each event for our port with the queue's real time, whoever sends it. Connects by
 * System:Announce; an input is there from its subscription to its end. Speaks MIDI 1.0 and loads no kernel module. */
#define _GNU_SOURCE
#include "stream/source_base.h"

#include "base/clock.h"
#include "base/wake.h"

#include <alsa/asoundlib.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SEQUENCER "/dev/snd/seq"
#define PRIORITY 60	 /* below JACK's and the kernel's threaded interrupts */
#define TICK_MS 1000	 /* how old the offset between the clocks may grow */
#define POOL_EVENTS 2000 /* the most that the kernel gives */
#define BATCH_EVENTS 64	 /* between two wake-ups of the readers */

struct source_alsa {
	struct source source;
	snd_seq_t *seq;
	int port, queue;
	int stop; /* wake.h */
	bool is_running;
	pthread_t thread;
	/* reading thread */
	snd_seq_addr_t senders[INPUTS_MAX]; /* of inputs that are taken */
	int64_t offset_us;		    /* CLOCK_MONOTONIC minus queue time */
	int64_t arrival_us, latest_us;	    /* before and after the last read from the kernel */
};

/* ---- inputs ---- */

static int find_input(const struct source_alsa *alsa, snd_seq_addr_t sender)
{
	for (int i = 0; i < INPUTS_MAX; i++)
		if (alsa->source.slots[i].taken && alsa->senders[i].client == sender.client &&
		    alsa->senders[i].port == sender.port)
			return i;
	return -1;
}

/* A port as connecting needs it. */
struct description {
	char name[SOURCE_NAME_MAX], identity[SOURCE_NAME_MAX];
	char place[SOURCE_PLACE_MAX];
	bool readable, hardware;
};

/* One line about the USB device that a sound card is; empty where there is none. */
static void read_usb(int card, const char *what, char text[64])
{
	char path[96];
	snprintf(path, sizeof path, "/sys/class/sound/card%d/device/../%s", card, what);
	FILE *file = fopen(path, "re");
	if (!file || !fgets(text, 64, file))
		text[0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	if (file)
		fclose(file);
}

/* The USB port that a sound card is plugged into, as the kernel names it ("1-2.4"); empty where there is none. */
static void read_place(int card, char place[SOURCE_PLACE_MAX])
{
	char path[96], link[256];
	snprintf(path, sizeof path, "/sys/class/sound/card%d/device", card);
	ssize_t length = readlink(path, link, sizeof link - 1);
	link[length > 0 ? length : 0] = '\0';
	const char *interface = strrchr(link, '/'); /* .../1-2.4:1.0 */
	snprintf(place, SOURCE_PLACE_MAX, "%.*s", interface ? (int)strcspn(interface + 1, ":") : 0,
		 interface ? interface + 1 : "");
}

/* What stays the same on another USB port, with another client number, and beside a second device of the same name. */
static void identify(int card, struct description *port)
{
	char vendor[64] = "", product[64] = "", serial[64] = "";
	if (card >= 0) {
		read_usb(card, "idVendor", vendor);
		read_usb(card, "idProduct", product);
		read_usb(card, "serial", serial);
	}
	if (vendor[0] == '\0' || product[0] == '\0') {
		memcpy(port->identity, port->name, sizeof port->identity);
		return;
	}
	read_place(card, port->place);
	for (char *sign = serial; *sign; sign++) /* no blank: the name begins behind the first one */
		if (*sign <= ' ' || *sign > '~')
			*sign = '_';
	snprintf(port->identity, sizeof port->identity, "usb:%.8s:%.8s%s%.30s %.72s", vendor, product, serial[0] ? ":" : "",
		 serial, port->name);
}

/* False: it does not exist. */
static bool describe_port(snd_seq_t *seq, snd_seq_addr_t address, struct description *as)
{
	snd_seq_client_info_t *client;
	snd_seq_port_info_t *port;
	snd_seq_client_info_alloca(&client);
	snd_seq_port_info_alloca(&port);
	as->place[0] = '\0';
	if (snd_seq_get_any_client_info(seq, address.client, client) < 0 ||
	    snd_seq_get_any_port_info(seq, address.client, address.port, port) < 0)
		return false;
	const char *port_name = snd_seq_port_info_get_name(port);
	snprintf(as->name, SOURCE_NAME_MAX, "%s:%s", snd_seq_client_info_get_name(client), port_name);
	identify(snd_seq_client_info_get_card(client), as);
	unsigned need = SND_SEQ_PORT_CAP_READ | SND_SEQ_PORT_CAP_SUBS_READ;
	unsigned capability = snd_seq_port_info_get_capability(port);
	as->readable = (capability & need) == need && !(capability & SND_SEQ_PORT_CAP_NO_EXPORT);
	as->hardware = (snd_seq_port_info_get_type(port) & SND_SEQ_PORT_TYPE_HARDWARE) != 0;
	/* The port with all groups of a MIDI 2.0 device: what comes there comes from the ports of its groups, too. */
	if (address.port == 0 && strcmp(port_name, "MIDI 2.0") == 0)
		as->hardware = false;
	return true;
}

/* The input of a sender, announced when it is new, or was silent for too long; -1: none is left. */
static int input_of(struct source_alsa *alsa, snd_seq_addr_t sender, int64_t now_us)
{
	struct description port = {.place = ""};
	int input = find_input(alsa, sender);
	if (input < 0) {
		if (!describe_port(alsa->seq, sender, &port)) {
			snprintf(port.name, sizeof port.name, "%d:%d", sender.client, sender.port);
			memcpy(port.identity, port.name, sizeof port.identity);
		}
		input = source_take_slot(&alsa->source, port.name, port.identity, port.place, port.hardware);
		if (input < 0)
			return -1;
		alsa->senders[input] = sender;
	}
	source_input_present(&alsa->source, input, now_us);
	return input;
}

static void lose_input(struct source_alsa *alsa, int input, int64_t now_us)
{
	source_input_gone(&alsa->source, input, now_us);
	source_give_slot(&alsa->source, input);
}

static bool is_subscribed(struct source_alsa *alsa, snd_seq_addr_t sender)
{
	snd_seq_port_subscribe_t *subscription;
	snd_seq_port_subscribe_alloca(&subscription);
	snd_seq_addr_t own = {(unsigned char)snd_seq_client_id(alsa->seq), (unsigned char)alsa->port};
	snd_seq_port_subscribe_set_sender(subscription, &sender);
	snd_seq_port_subscribe_set_dest(subscription, &own);
	return snd_seq_get_port_subscription(alsa->seq, subscription) == 0;
}

/* The subscription comes back as an event, as those made by hand do; the input is made there. */
static void connect_port(struct source_alsa *alsa, snd_seq_addr_t sender)
{
	struct description port;
	if (sender.client == SND_SEQ_CLIENT_SYSTEM || sender.client == snd_seq_client_id(alsa->seq) ||
	    !describe_port(alsa->seq, sender, &port) || !port.readable ||
	    !source_wants(&alsa->source, port.name, port.identity, port.hardware) || is_subscribed(alsa, sender))
		return;
	snd_seq_connect_from(alsa->seq, alsa->port, sender.client, sender.port);
}

/* At the start, and after lost announcements: inputs that ended are gone, ports that are wanted are connected. */
static void scan_ports(struct source_alsa *alsa, int64_t now_us)
{
	snd_seq_client_info_t *client;
	snd_seq_port_info_t *port;
	struct description as;
	snd_seq_client_info_alloca(&client);
	snd_seq_port_info_alloca(&port);
	for (int i = 0; i < INPUTS_MAX; i++)
		if (alsa->source.slots[i].taken && !describe_port(alsa->seq, alsa->senders[i], &as))
			lose_input(alsa, i, now_us);
	snd_seq_client_info_set_client(client, -1);
	while (snd_seq_query_next_client(alsa->seq, client) == 0) {
		int number = snd_seq_client_info_get_client(client);
		snd_seq_port_info_set_client(port, number);
		snd_seq_port_info_set_port(port, -1);
		while (snd_seq_query_next_port(alsa->seq, port) == 0)
			connect_port(alsa, *snd_seq_port_info_get_addr(port));
	}
}

/* ---- events ---- */

/* A system event: of our own port's subscriptions, or announced by the system. */
static void follow(struct source_alsa *alsa, const snd_seq_event_t *event, int64_t now_us)
{
	snd_seq_addr_t address = event->data.addr, sender = event->data.connect.sender;
	switch (event->type) {
	case SND_SEQ_EVENT_PORT_SUBSCRIBED:
	case SND_SEQ_EVENT_PORT_UNSUBSCRIBED:
		if (event->data.connect.dest.client != snd_seq_client_id(alsa->seq) ||
		    sender.client == SND_SEQ_CLIENT_SYSTEM)
			return;
		if (event->type == SND_SEQ_EVENT_PORT_SUBSCRIBED)
			input_of(alsa, sender, now_us);
		else if (find_input(alsa, sender) >= 0)
			lose_input(alsa, find_input(alsa, sender), now_us);
		return;
	case SND_SEQ_EVENT_PORT_START: connect_port(alsa, address); return;
	case SND_SEQ_EVENT_PORT_CHANGE: connect_port(alsa, address); return;
	case SND_SEQ_EVENT_PORT_EXIT:
		if (find_input(alsa, address) >= 0)
			lose_input(alsa, find_input(alsa, address), now_us);
		return;
	case SND_SEQ_EVENT_CLIENT_EXIT:
		for (int i = 0; i < INPUTS_MAX; i++)
			if (alsa->source.slots[i].taken && alsa->senders[i].client == address.client)
				lose_input(alsa, i, now_us);
		return;
	default: return;
	}
}

/* A value that no data byte can have becomes one that is refused. */
static uint8_t data_byte(long value)
{
	return value >= 0 && value <= 127 ? (uint8_t)value : 0xff;
}

/* False: not a message that anybody here needs. Channels over 15 come out as 0xff in status and are counted. */
static bool to_message(const snd_seq_event_t *event, struct midi_message *message)
{
	unsigned channel = event->type == SND_SEQ_EVENT_CONTROLLER ? event->data.control.channel : event->data.note.channel;
	message->length = 3;
	switch (event->type) {
	case SND_SEQ_EVENT_NOTEON: message->status = 0x90; break;
	case SND_SEQ_EVENT_NOTEOFF: message->status = 0x80; break;
	case SND_SEQ_EVENT_CONTROLLER: message->status = 0xb0; break;
	case SND_SEQ_EVENT_CLOCK: *message = (struct midi_message){.status = 0xf8, .length = 1}; return true;
	case SND_SEQ_EVENT_START: *message = (struct midi_message){.status = 0xfa, .length = 1}; return true;
	case SND_SEQ_EVENT_CONTINUE: *message = (struct midi_message){.status = 0xfb, .length = 1}; return true;
	case SND_SEQ_EVENT_STOP: *message = (struct midi_message){.status = 0xfc, .length = 1}; return true;
	case SND_SEQ_EVENT_SONGPOS:
		message->status = 0xf2;
		message->data[0] = (uint8_t)(event->data.control.value & 127);
		message->data[1] = data_byte(event->data.control.value >> 7);
		return true;
	case SND_SEQ_EVENT_SENSING: *message = (struct midi_message){.status = 0xfe, .length = 1}; return true;
	case SND_SEQ_EVENT_RESET: *message = (struct midi_message){.status = 0xff, .length = 1}; return true;
	default: return false;
	}
	message->data[0] = event->data.note.note;
	message->data[1] = event->data.note.velocity;
	if (event->type == SND_SEQ_EVENT_CONTROLLER) {
		message->data[0] = event->data.control.param > 127 ? 0xff : (uint8_t)event->data.control.param;
		message->data[1] = data_byte(event->data.control.value);
	}
	if (channel > 15)
		message->data[0] = 0xff; /* refused and counted like any value out of range */
	message->status = (uint8_t)(message->status | (channel & 15));
	return true;
}

static void handle(struct source_alsa *alsa, const snd_seq_event_t *event)
{
	int64_t arrival_us = alsa->arrival_us;
	struct midi_message message;
	if (event->type >= SND_SEQ_EVENT_CLIENT_START && event->type <= SND_SEQ_EVENT_PORT_UNSUBSCRIBED) {
		follow(alsa, event, arrival_us);
		return;
	}
	int input = find_input(alsa, event->source);
	if (input >= 0)
		source_heard(&alsa->source, input, arrival_us);
	if (!to_message(event, &message))
		return;
	input = input_of(alsa, event->source, arrival_us);
	if (input < 0)
		return;
	int64_t event_us = arrival_us;
	if ((event->flags & SND_SEQ_TIME_STAMP_MASK) == SND_SEQ_TIME_STAMP_REAL && event->queue == alsa->queue) {
		event_us = (int64_t)event->time.time.tv_sec * 1000000 + event->time.time.tv_nsec / 1000 + alsa->offset_us;
		event_us = event_us < alsa->latest_us ? event_us : alsa->latest_us;
	}
	source_message(&alsa->source, input, &message, event_us, arrival_us);
}

/* The kernel's queue for us overflowed: note-offs and announcements may be among what is lost. */
static void recover(struct source_alsa *alsa, int64_t now_us)
{
	static const struct midi_message reset = {.status = 0xff, .length = 1};
	atomic_fetch_add_explicit(&alsa->source.counters.lost_by_server, 1, memory_order_relaxed);
	for (int i = 0; i < INPUTS_MAX; i++)
		if (alsa->source.slots[i].taken)
			source_message(&alsa->source, i, &reset, now_us, now_us);
	scan_ports(alsa, now_us);
}

/* Reads what is there, a batch at most. False: the sequencer is broken. */
static bool read_events(struct source_alsa *alsa)
{
	for (int i = 0; i < BATCH_EVENTS; i++) {
		snd_seq_event_t *event;
		bool fresh = snd_seq_event_input_pending(alsa->seq, 0) == 0; /* the call reads from the kernel */
		if (fresh)
			alsa->arrival_us = clock_now_us();
		int result = snd_seq_event_input(alsa->seq, &event);
		if (fresh)
			alsa->latest_us = clock_now_us();
		if (result == -EAGAIN)
			return true;
		if (result == -ENOSPC)
			recover(alsa, alsa->arrival_us);
		else if (result >= 0 && event)
			handle(alsa, event);
		else if (result < 0 && result != -EINTR)
			return false;
	}
	return true;
}

/* ---- the thread ---- */

static int64_t read_queue_time(void *context)
{
	struct source_alsa *alsa = context;
	snd_seq_queue_status_t *status;
	snd_seq_queue_status_alloca(&status);
	if (snd_seq_get_queue_status(alsa->seq, alsa->queue, status) < 0)
		return clock_now_us() - alsa->offset_us;
	const snd_seq_real_time_t *time = snd_seq_queue_status_get_real_time(status);
	return (int64_t)time->tv_sec * 1000000 + time->tv_nsec / 1000;
}

static void raise_priority(struct source *source)
{
	struct sched_param priority = {.sched_priority = PRIORITY};
	if (pthread_setschedparam(pthread_self(), SCHED_FIFO, &priority) == 0)
		atomic_store(&source->counters.priority, PRIORITY);
}

static void *read_sequencer(void *context)
{
	struct source_alsa *alsa = context;
	struct pollfd waiting[2] = {{.fd = alsa->stop, .events = POLLIN}};
	int64_t measured_us = clock_now_us();
	bool sensing = false;
	bool good = snd_seq_poll_descriptors(alsa->seq, &waiting[1], 1, POLLIN) == 1;

	raise_priority(&alsa->source);
	alsa->offset_us = source_clock_offset(0, read_queue_time, alsa);
	scan_ports(alsa, measured_us);
	while (good) {
		bool buffered = snd_seq_event_input_pending(alsa->seq, 0) > 0;
		if (poll(waiting, 2, buffered ? 0 : sensing ? SOURCE_TICK_US / 1000 : TICK_MS) < 0 && errno != EINTR)
			break;
		if (waiting[0].revents)
			break;
		if (buffered || waiting[1].revents)
			good = read_events(alsa);
		int64_t now_us = clock_now_us();
		sensing = source_tick(&alsa->source, now_us);
		source_wake(&alsa->source);
		if (now_us - measured_us >= TICK_MS * 1000) {
			alsa->offset_us = source_clock_offset(alsa->offset_us, read_queue_time, alsa);
			measured_us = now_us;
		}
	}
	source_all_gone(&alsa->source, clock_now_us());
	source_wake(&alsa->source);
	return NULL;
}

/* ---- main thread ---- */

static void close_alsa(struct source *source)
{
	struct source_alsa *alsa = (struct source_alsa *)source;
	if (alsa->is_running) {
		wake_post(alsa->stop);
		pthread_join(alsa->thread, NULL);
	}
	if (alsa->seq)
		snd_seq_close(alsa->seq); /* takes port and queue with it */
	if (alsa->stop >= 0)
		close(alsa->stop);
	source_uninit(source);
	free(alsa);
}

static void be_silent(const char *file, int line, const char *function, int error, const char *format, ...)
{
	(void)file, (void)line, (void)function, (void)error, (void)format;
}

static enum status fail(struct error *error, const char *what, int code)
{
	return status_fail(error, STATUS_IO, "ALSA sequencer: %s: %s", what, snd_strerror(code));
}

static enum status open_sequencer(struct source_alsa *alsa, struct error *error)
{
	snd_lib_error_set_handler(be_silent);
	int result = snd_seq_open(&alsa->seq, "default", SND_SEQ_OPEN_DUPLEX, SND_SEQ_NONBLOCK);
	if (result >= 0)
		return STATUS_OK;
	alsa->seq = NULL;
	if (access(SEQUENCER, F_OK) != 0)
		return status_fail(error, STATUS_NOT_FOUND,
				   "no ALSA sequencer: the kernel has no " SEQUENCER
				   "; load its module with `modprobe snd-seq`, or use another --source");
	if (result == -EACCES || result == -EPERM)
		return status_fail(error, STATUS_IO, "may not open " SEQUENCER ": let this user join the group audio");
	return fail(error, SEQUENCER, result);
}

/* Port and queue: the kernel stamps what it delivers here with the queue's real time, which stays 0 until it is started. */
static enum status prepare(struct source_alsa *alsa, const char *name, struct error *error)
{
	snd_seq_port_info_t *port;
	int result = snd_seq_set_client_name(alsa->seq, name);
	if (result < 0 || (result = snd_seq_set_client_pool_input(alsa->seq, POOL_EVENTS)) < 0)
		return fail(error, "client", result);
	alsa->queue = snd_seq_alloc_named_queue(alsa->seq, name);
	if (alsa->queue < 0)
		return fail(error, "queue", alsa->queue);
	if ((result = snd_seq_start_queue(alsa->seq, alsa->queue, NULL)) < 0 ||
	    (result = snd_seq_drain_output(alsa->seq)) < 0)
		return fail(error, "starting the queue", result);
	snd_seq_port_info_alloca(&port);
	snd_seq_port_info_set_name(port, "in");
	snd_seq_port_info_set_capability(port, SND_SEQ_PORT_CAP_WRITE | SND_SEQ_PORT_CAP_SUBS_WRITE);
	snd_seq_port_info_set_type(port, SND_SEQ_PORT_TYPE_MIDI_GENERIC | SND_SEQ_PORT_TYPE_APPLICATION);
	snd_seq_port_info_set_midi_channels(port, 16);
	snd_seq_port_info_set_timestamping(port, 1);
	snd_seq_port_info_set_timestamp_real(port, 1);
	snd_seq_port_info_set_timestamp_queue(port, alsa->queue);
	if ((result = snd_seq_create_port(alsa->seq, port)) < 0)
		return fail(error, "port", result);
	alsa->port = snd_seq_port_info_get_port(port);
	if ((result = snd_seq_connect_from(alsa->seq, alsa->port, SND_SEQ_CLIENT_SYSTEM, SND_SEQ_PORT_SYSTEM_ANNOUNCE)) < 0)
		return fail(error, "System:Announce", result);
	snprintf(alsa->source.description, sizeof alsa->source.description, "alsa:%d", snd_seq_client_id(alsa->seq));
	return STATUS_OK;
}

enum status source_open_alsa(const struct source_options *options, const struct source_output *output,
			     struct source **source, struct error *error)
{
	*source = NULL;
	struct source_alsa *alsa = calloc(1, sizeof *alsa);
	if (!alsa)
		return status_fail(error, STATUS_NO_MEMORY, "no memory for a source");
	enum status status = source_init(&alsa->source, options, output, close_alsa, error);
	if (status != STATUS_OK) {
		free(alsa);
		return status;
	}
	alsa->stop = wake_open();
	status = alsa->stop < 0 ? status_fail(error, STATUS_IO, "ALSA source: no eventfd") : open_sequencer(alsa, error);
	if (status == STATUS_OK)
		status = prepare(alsa, options->client_name ? options->client_name : "midibertd", error);
	if (status == STATUS_OK && pthread_create(&alsa->thread, NULL, read_sequencer, alsa) != 0)
		status = status_fail(error, STATUS_IO, "ALSA source: no thread");
	if (status != STATUS_OK) {
		close_alsa(&alsa->source);
		return status;
	}
	alsa->is_running = true;
	*source = &alsa->source;
	return STATUS_OK;
}
