/* The HTTP thread, see web.h. The one file that includes libwebsockets, which reads, parses and writes; what is answered is
 * decided in guard.c, query.c and page.c. Listening and accepting are our own, so that a network that is not allowed is
 * never read from. Touches no note and no label but to pass them on. */
#define _GNU_SOURCE
#include "web/web.h"

#include "base/clock.h"
#include "base/ring.h"
#include "osc/networks.h"
#include "web/guard.h"
#include "web/listener.h"
#include "web/outbox.h"
#include "web/page.h"
#include "web/qr.h"
#include "web/query.h"

#include <libwebsockets.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RING_MESSAGES 1024
#define HEADER_BYTES 2048
#define FIELD_BYTES 512
#define LOOK_AROUND_US 10000000
#define LAST_WORDS_US 300000
#define PING_SECONDS 20
#define HANG_UP_SECONDS 45

struct parcel { /* osc thread to HTTP thread */
	uint16_t address, size;
	unsigned char datagram[OSC_DATAGRAM_MAX];
};

/* One connection. libwebsockets allocates it, zeroed, and keeps it from HTTP to WebSocket. */
struct session {
	struct session *next; /* of WebSockets */
	struct lws *wsi;
	/* HTTP: what is being sent */
	struct writer answer;
	const unsigned char *body; /* of a file, or of answer */
	size_t left;
	/* WebSocket */
	bool open;
	struct endpoint peer;
	struct outbox outbox;
	uint64_t wanted; /* one bit an address */
	uint64_t sent, told_lost, ring_lost;
};

struct web {
	struct lws_context *context;
	struct lws_vhost *vhost;
	lws_sorted_usec_list_t timer;
	pthread_t thread;
	int listener, port;
	_Atomic bool stop, awake;
	struct ring *ring;
	struct networks networks;
	struct query_host host;
	char name[96], own_name[256], token[GUARD_TOKEN_MAX], shown_host[ENDPOINT_HOST_MAX];
	bool lan;
	void (*say)(const char *line);
	/* HTTP thread only */
	struct values values;
	struct session *sessions;
	int clients;
	struct parcel parcel;
	unsigned char frame[LWS_PRE + OUTBOX_MESSAGE_MAX];
};

/* ---- requests ---- */

static struct web *web_of(struct lws *wsi)
{
	return lws_context_user(lws_get_context(wsi));
}

/* NULL: the header did not come, or is too long to be one of ours. */
static const char *header(struct lws *wsi, enum lws_token_indexes token, char text[FIELD_BYTES])
{
	return lws_hdr_copy(wsi, text, FIELD_BYTES, token) > 0 ? text : NULL;
}

struct query {
	char token[FIELD_BYTES], attribute[FIELD_BYTES];
	bool has_token;
	int attributes;
};

/* "?VALUE&token=..." The attribute's own "=..." is not looked at. */
static void read_query(struct lws *wsi, struct query *query)
{
	char part[FIELD_BYTES];
	memset(query, 0, sizeof *query);
	for (int i = 0; lws_hdr_copy_fragment(wsi, part, sizeof part, WSI_TOKEN_HTTP_URI_ARGS, i) >= 0; i++) {
		if (strncmp(part, "token=", 6) == 0) {
			snprintf(query->token, sizeof query->token, "%s", part + 6);
			query->has_token = true;
		} else if (part[0] != '\0') {
			part[strcspn(part, "=")] = '\0';
			snprintf(query->attribute, sizeof query->attribute, "%s", part);
			query->attributes++;
		}
	}
}

static bool find_peer(struct lws *wsi, struct endpoint *peer)
{
	memset(peer, 0, sizeof *peer);
	peer->size = sizeof peer->address;
	return getpeername(lws_get_socket_fd(wsi), (struct sockaddr *)&peer->address, &peer->size) == 0;
}

static enum guard_verdict judge(struct web *web, struct lws *wsi, const struct query *query)
{
	char host[FIELD_BYTES], origin[FIELD_BYTES];
	struct endpoint peer;
	if (!find_peer(wsi, &peer))
		return GUARD_REFUSED;
	const struct guard_request request = {.peer = &peer,
					      .host = header(wsi, WSI_TOKEN_HOST, host),
					      .origin = header(wsi, WSI_TOKEN_ORIGIN, origin),
					      .token = query->has_token ? query->token : NULL};
	/* A header that is there, but not readable here, must not pass for one that is absent. */
	if (!request.origin && lws_hdr_total_length(wsi, WSI_TOKEN_ORIGIN) > 0)
		return GUARD_REFUSED;
	return guard_judge(&request, web->token, web->own_name);
}

/* ---- answers ---- */

struct head {
	unsigned char bytes[LWS_PRE + HEADER_BYTES];
	unsigned char *at;
};

static int add(struct lws *wsi, struct head *head, const char *name, const char *value)
{
	return lws_add_http_header_by_name(wsi, (const unsigned char *)name, (const unsigned char *)value,
					   (int)strlen(value), &head->at, head->bytes + sizeof head->bytes);
}

/* The page may load and connect to what comes from here, and nothing else. */
static int add_policy(struct lws *wsi, struct head *head)
{
	char host[FIELD_BYTES], policy[FIELD_BYTES + 300];
	const char *own = header(wsi, WSI_TOKEN_HOST, host);
	snprintf(
	    policy, sizeof policy,
	    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self' ws://%s; "
	    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
	    own ? own : "");
	return add(wsi, head, "content-security-policy:", policy) || add(wsi, head, "x-content-type-options:", "nosniff") ||
	       add(wsi, head, "referrer-policy:", "no-referrer") || add(wsi, head, "cache-control:", "no-store") ||
	       add(wsi, head, "cross-origin-resource-policy:", "same-origin");
}

/* Sends the head; the body, if there is one, follows when the socket takes it. Negative: hang up. */
static int answer(struct lws *wsi, struct session *session, unsigned code, const char *type, size_t size)
{
	struct head head = {.at = head.bytes + LWS_PRE};
	unsigned char *end = head.bytes + sizeof head.bytes;
	lws_filepos_t length = code == 204 ? LWS_ILLEGAL_HTTP_CONTENT_LEN : size;
	if (lws_add_http_common_headers(wsi, code, type, length, &head.at, end) || add_policy(wsi, &head) ||
	    lws_finalize_write_http_header(wsi, head.bytes + LWS_PRE, &head.at, end))
		return -1;
	session->left = size;
	if (size > 0)
		return lws_callback_on_writable(wsi) < 0 ? -1 : 0;
	return code == 204 || lws_http_transaction_completed(wsi) ? -1 : 0;
}

static int answer_text(struct lws *wsi, struct session *session, unsigned code, const char *text)
{
	writer_free(&session->answer);
	writer_add(&session->answer, text);
	session->body = (const unsigned char *)session->answer.text;
	return answer(wsi, session, code, "text/plain; charset=utf-8", session->answer.length);
}

static int answer_file(struct lws *wsi, struct session *session, const struct page_file *file)
{
	session->body = file->bytes;
	return answer(wsi, session, 200, file->type, file->size);
}

static int answer_query(struct web *web, struct lws *wsi, struct session *session, const char *path, const char *attribute,
			bool all)
{
	struct query_host host = web->host;
	if (!all)
		host.ws_port = 0;
	writer_free(&session->answer);
	int code = query_answer(all ? &web->values : NULL, &host, path, attribute, &session->answer);
	switch (code) {
	case 200: break;
	case 204: return answer(wsi, session, 204, "application/json", 0);
	case 400: return answer_text(wsi, session, 400, "no such attribute\n");
	case 404: return answer_text(wsi, session, 404, "no such address\n");
	default: return answer_text(wsi, session, 500, "no memory\n");
	}
	session->body = (const unsigned char *)session->answer.text;
	return answer(wsi, session, 200, "application/json", session->answer.length);
}

static int redirect(struct lws *wsi, const char *query)
{
	struct head head = {.at = head.bytes + LWS_PRE};
	char place[FIELD_BYTES + 16];
	snprintf(place, sizeof place, "/page/%s%s", query[0] != '\0' ? "?token=" : "", query);
	if (lws_http_redirect(wsi, 302, (const unsigned char *)place, (int)strlen(place), &head.at,
			      head.bytes + sizeof head.bytes) < 0)
		return -1;
	return lws_http_transaction_completed(wsi) ? -1 : 0;
}

static bool wants_page(struct lws *wsi, const char *path, const struct query *query)
{
	char accept[FIELD_BYTES];
	if (strcmp(path, "/page") == 0 || (query->attributes == 1 && strcmp(query->attribute, "HTML") == 0))
		return true;
	return strcmp(path, "/") == 0 && query->attributes == 0 && header(wsi, WSI_TOKEN_HTTP_ACCEPT, accept) &&
	       strstr(accept, "text/html");
}

static int take_request(struct web *web, struct lws *wsi, struct session *session, const char *path)
{
	struct query query;
	char *uri;
	int length;
	int method = lws_http_get_uri_and_method(wsi, &uri, &length);
	if (method != LWSHUMETH_GET)
		return answer_text(wsi, session, 405, "only GET\n");
	read_query(wsi, &query);
	enum guard_verdict verdict = judge(web, wsi, &query);
	const struct page_file *file = page_find(path);
	if (verdict == GUARD_REFUSED)
		return answer_text(wsi, session, 403,
				   query.has_token
				       ? "Wrong token: open the address that midibertd printed when it started.\n"
				       : "Refused: not asked under a name or address of this computer.\n");
	if (query.attributes > 1)
		return answer_text(wsi, session, 400, "more than one attribute\n");
	if (wants_page(wsi, path, &query)) {
		/* Only a token that was found right is repeated: it has no character that means something in a header. */
		return redirect(wsi, query.has_token ? query.token : "");
	}
	if (file && page_is_entrance(file) && verdict != GUARD_ALL)
		return answer_text(wsi, session, 403,
				   "The page needs its token: open the address that midibertd printed.\n");
	if (file)
		return answer_file(wsi, session, file);
	return answer_query(web, wsi, session, path, query.attributes ? query.attribute : NULL, verdict == GUARD_ALL);
}

/* libwebsockets keeps what the socket does not take, and calls again when it has gone. */
static int write_body(struct lws *wsi, struct session *session)
{
	if (session->left == 0)
		return 0;
	size_t size = session->left;
	int written = lws_write(wsi, (unsigned char *)(uintptr_t)session->body, size, LWS_WRITE_HTTP_FINAL);
	session->left = 0;
	if (written < (int)size)
		return -1;
	return lws_http_transaction_completed(wsi) ? -1 : 0;
}

/* ---- WebSocket ---- */

/* Positive: refused with an answer. */
static int judge_upgrade(struct web *web, struct lws *wsi)
{
	struct query query;
	read_query(wsi, &query);
	bool full = web->clients >= WEB_CLIENTS_MAX;
	if (judge(web, wsi, &query) == GUARD_ALL && !full)
		return 0;
	return lws_return_http_status(wsi, full ? HTTP_STATUS_SERVICE_UNAVAILABLE : HTTP_STATUS_FORBIDDEN, NULL) < 0 ? -1
														     : 1;
}

static int open_session(struct web *web, struct lws *wsi, struct session *session)
{
	writer_free(&session->answer);
	memset(session, 0, sizeof *session);
	if (!find_peer(wsi, &session->peer) || !outbox_open(&session->outbox))
		return -1;
	session->wsi = wsi;
	session->open = true;
	session->ring_lost = ring_dropped(web->ring);
	session->next = web->sessions;
	web->sessions = session;
	web->clients++;
	return 0;
}

static void close_session(struct web *web, struct session *session)
{
	if (!session->open)
		return;
	for (struct session **at = &web->sessions; *at; at = &(*at)->next) {
		if (*at == session) {
			*at = session->next;
			break;
		}
	}
	outbox_close(&session->outbox);
	session->open = false;
	web->clients--;
}

static void take_command(struct lws *wsi, struct session *session, const char *bytes, size_t size)
{
	struct query_command command;
	/* A command is one short message; whatever else comes is not for us. */
	if (!lws_is_first_fragment(wsi) || !lws_is_final_fragment(wsi) || lws_frame_is_binary(wsi) ||
	    query_command_read(bytes, size, &command) != NULL)
		return;
	session->wanted = command.listen ? session->wanted | command.addresses : session->wanted & ~command.addresses;
}

static uint64_t lost(const struct web *web, const struct session *session)
{
	return session->outbox.lost + (ring_dropped(web->ring) - session->ring_lost);
}

static void post(struct session *session, enum osc_address address, const void *datagram, size_t size)
{
	if (!(session->wanted >> address & 1))
		return;
	outbox_push(&session->outbox, datagram, size);
	lws_callback_on_writable(session->wsi);
}

static int send_frame(struct web *web, struct session *session, size_t size)
{
	int written = lws_write(session->wsi, web->frame + LWS_PRE, size, LWS_WRITE_BINARY);
	session->sent += written >= 0;
	return written < (int)size ? -1 : 0;
}

/* What was lost is told behind what was not. */
static int write_frame(struct web *web, struct session *session)
{
	unsigned char *payload = web->frame + LWS_PRE;
	uint64_t now_lost = lost(web, session);
	char text[80];
	size_t size = outbox_pop(&session->outbox, payload);
	if (size == 0 && now_lost != session->told_lost) {
		snprintf(text, sizeof text, "%llu messages were lost on the way to this client",
			 (unsigned long long)(now_lost - session->told_lost));
		session->told_lost = now_lost;
		const union osc_value values[] = {{.s = "dropped"}, {.s = text}};
		if (session->wanted >> OSC_ERROR & 1)
			size = osc_message_encode(OSC_ERROR, values, 2, payload, OUTBOX_MESSAGE_MAX);
	}
	if (size == 0)
		return 0;
	lws_callback_on_writable(session->wsi);
	return send_frame(web, session, size);
}

/* ---- what was sent on OSC ---- */

/* WebSocket clients are receivers like the others. */
static void tell_clients(struct web *web)
{
	unsigned char datagram[OSC_DATAGRAM_MAX];
	char host[ENDPOINT_HOST_MAX];
	for (const struct session *client = web->sessions; client; client = client->next) {
		endpoint_host(&client->peer, host);
		const union osc_value values[] = {{.s = host},
						  {.i = endpoint_port(&client->peer)},
						  {.i = (int32_t)(client->sent & INT32_MAX)},
						  {.i = (int32_t)(lost(web, client) & INT32_MAX)},
						  {.i = 0}};
		size_t size = osc_message_encode(OSC_STATS_RECEIVER, values, 5, datagram, sizeof datagram);
		for (struct session *to = web->sessions; to && size > 0; to = to->next)
			post(to, OSC_STATS_RECEIVER, datagram, size);
	}
}

static void distribute(struct web *web)
{
	atomic_store(&web->awake, false);
	while (ring_pop(web->ring, &web->parcel)) {
		const struct parcel *parcel = &web->parcel;
		enum osc_address address = (enum osc_address)parcel->address;
		values_keep(&web->values, address, parcel->datagram, parcel->size);
		for (struct session *session = web->sessions; session; session = session->next)
			post(session, address, parcel->datagram, parcel->size);
		if (address == OSC_STATS_TOTAL)
			tell_clients(web);
	}
}

void web_take(void *context, enum osc_address address, const void *datagram, size_t size)
{
	struct web *web = context;
	struct parcel parcel = {.address = (uint16_t)address, .size = (uint16_t)size};
	if (size > sizeof parcel.datagram)
		return;
	memcpy(parcel.datagram, datagram, size);
	if (ring_push(web->ring, &parcel) && !atomic_exchange(&web->awake, true))
		lws_cancel_service(web->context);
}

/* ---- the network ---- */

static void accept_all(struct web *web)
{
	struct endpoint peer;
	int fd;
	while ((fd = listener_accept(web->listener, &peer)) >= 0) {
		if (networks_contain(&web->networks, &peer))
			lws_adopt_socket_vhost(web->vhost, fd); /* closes it where there is no room */
		else
			close(fd);
	}
}

/* For those who come from outside: an address that works, as text and as a picture for a phone. */
static void show_way_in(struct web *web)
{
	char host[ENDPOINT_HOST_MAX], place[160], line[256];
	struct writer picture = {0};
	if (!networks_own_host(host) || strcmp(host, web->shown_host) == 0)
		return;
	memcpy(web->shown_host, host, sizeof host);
	bool six = strchr(host, ':') != NULL;
	snprintf(place, sizeof place, "http://%s%s%s:%d/page/?token=%s", six ? "[" : "", host, six ? "]" : "", web->port,
		 web->token);
	snprintf(line, sizeof line, "midibertd: page for other devices: %s", place);
	web->say(line);
	if (qr_draw(place, isatty(STDERR_FILENO), &picture))
		web->say(picture.text);
	writer_free(&picture);
}

static void look_around(lws_sorted_usec_list_t *timer)
{
	struct web *web = lws_container_of(timer, struct web, timer);
	networks_refresh(&web->networks);
	if (web->lan)
		show_way_in(web);
	lws_sul_schedule(web->context, 0, &web->timer, look_around, LOOK_AROUND_US);
}

/* ---- libwebsockets ---- */

static int handle(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t length)
{
	struct session *session = user;
	switch (reason) {
	case LWS_CALLBACK_HTTP: return take_request(web_of(wsi), wsi, session, in);
	case LWS_CALLBACK_HTTP_WRITEABLE: return write_body(wsi, session);
	case LWS_CALLBACK_CLOSED_HTTP:
	case LWS_CALLBACK_HTTP_DROP_PROTOCOL:
		if (session)
			writer_free(&session->answer);
		return 0;
	case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE: return judge_upgrade(web_of(wsi), wsi);
	case LWS_CALLBACK_ESTABLISHED: return open_session(web_of(wsi), wsi, session);
	case LWS_CALLBACK_RECEIVE: take_command(wsi, session, in, length); return 0;
	case LWS_CALLBACK_SERVER_WRITEABLE: return write_frame(web_of(wsi), session);
	case LWS_CALLBACK_CLOSED: close_session(web_of(wsi), session); return 0;
	case LWS_CALLBACK_EVENT_WAIT_CANCELLED: distribute(web_of(wsi)); return 0;
	default: return 0;
	}
}

static int handle_listener(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t length)
{
	(void)user;
	(void)in;
	(void)length;
	if (reason == LWS_CALLBACK_RAW_RX_FILE)
		accept_all(web_of(wsi));
	return 0;
}

static void wake_up(lws_sorted_usec_list_t *timer)
{
	(void)timer;
}

static bool is_backlogged(const struct web *web)
{
	for (const struct session *session = web->sessions; session; session = session->next)
		if (session->outbox.used > 0)
			return true;
	return false;
}

/* What was sent last reaches who reads; nobody else is waited for. */
static void say_goodbye(struct web *web)
{
	int64_t end_us = clock_now_us() + LAST_WORDS_US;
	distribute(web);
	lws_sul_schedule(web->context, 0, &web->timer, wake_up, LAST_WORDS_US);
	while (is_backlogged(web) && clock_now_us() < end_us)
		if (lws_service(web->context, 0) < 0)
			break;
	lws_sul_cancel(&web->timer);
}

static void *run(void *context)
{
	struct web *web = context;
	pthread_setname_np(pthread_self(), "http");
	look_around(&web->timer);
	while (!atomic_load(&web->stop))
		if (lws_service(web->context, 0) < 0)
			return NULL;
	say_goodbye(web);
	return NULL;
}

static enum status open_context(struct web *web, struct error *error)
{
	static const struct lws_protocols protocols[] = {
	    {"http", handle, sizeof(struct session), 1024, 0, NULL, 0},
	    {"listener", handle_listener, 0, 0, 0, NULL, 0},
	    {0},
	};
	static const lws_retry_bo_t pings = {.secs_since_valid_ping = PING_SECONDS,
					     .secs_since_valid_hangup = HANG_UP_SECONDS};
	struct lws_context_creation_info info = {.port = CONTEXT_PORT_NO_LISTEN,
						 .protocols = protocols,
						 .user = web,
						 .server_string = "midibertd",
						 .max_http_header_pool = 16,
						 .max_http_header_data = 2048,
						 .fd_limit_per_thread = WEB_CONNECTIONS_MAX + 2,
						 .timeout_secs = 10,
						 .keepalive_timeout = 10,
						 .retry_and_idle_policy = &pings,
						 .options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS};
	lws_set_log_level(0, NULL);
	web->context = lws_create_context(&info);
	if (!web->context)
		return status_fail(error, STATUS_IO, "libwebsockets does not start");
	web->vhost = lws_create_vhost(web->context, &info);
	const lws_sock_file_fd_type listener = {.filefd = web->listener};
	if (!web->vhost || !lws_adopt_descriptor_vhost(web->vhost, LWS_ADOPT_RAW_FILE_DESC, listener, "listener", NULL))
		return status_fail(error, STATUS_IO, "libwebsockets does not take the HTTP socket");
	return STATUS_OK;
}

enum status web_open(const struct web_options *options, struct web **opened, struct error *error)
{
	*opened = NULL;
	struct web *web = calloc(1, sizeof *web);
	if (!web)
		return status_fail(error, STATUS_NO_MEMORY, "no memory for HTTP");
	web->listener = -1;
	web->lan = options->lan;
	web->say = options->say;
	gethostname(web->own_name, sizeof web->own_name - 1);
	snprintf(web->name, sizeof web->name, "%s", options->name);
	web->ring = ring_new(sizeof(struct parcel), RING_MESSAGES);
	enum status status =
	    web->ring && guard_make_token(web->token)
		? networks_set(&web->networks, options->allow, options->allow_count, options->allow_local, error)
		: status_fail(error, STATUS_NO_MEMORY, "no memory, or no randomness, for HTTP");
	if (status == STATUS_OK)
		status = listener_open(options->http, &web->listener, &web->port, error);
	if (status == STATUS_OK)
		status = open_context(web, error);
	web->host = (struct query_host){web->name, options->osc_port, web->port};
	if (status == STATUS_OK && pthread_create(&web->thread, NULL, run, web) != 0)
		status = status_fail(error, STATUS_IO, "the system gives no more threads");
	if (status != STATUS_OK) {
		atomic_store(&web->stop, true);
		if (web->context)
			lws_context_destroy(web->context);
		else if (web->listener >= 0)
			close(web->listener);
		ring_free(web->ring);
		free(web);
		return status;
	}
	*opened = web;
	return STATUS_OK;
}

void web_close(struct web *web)
{
	if (!web)
		return;
	atomic_store(&web->stop, true);
	lws_cancel_service(web->context);
	pthread_join(web->thread, NULL);
	lws_context_destroy(web->context); /* closes the listener, too */
	ring_free(web->ring);
	free(web);
}

int web_port(const struct web *web)
{
	return web->port;
}
