/* The loader thread, see loader.h. It may allocate, read and wait, at low priority; the engine thread only copies for it and
 * changes a pointer. Decides nothing about labels. */
#define _GNU_SOURCE
#include "daemon/loader.h"

#include "base/clock.h"
#include "base/wake.h"
#include "daemon/realtime.h"

#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#define NICENESS 10
#define ROUNDS 20  /* a player who is faster than the network relives is not waited for */
#define NEWS_FEW 8 /* notes that the change itself may leave to the next inference */

/* False: cancelled before the engine thread did it. */
static bool hand_over(struct loader *loader, struct engine_history *history, struct engine *engine,
		      enum handover_answer *answer)
{
	struct shared *shared = loader->shared;
	const struct handover handover = {history, engine};
	atomic_store_explicit(&shared->handover_answer, HANDOVER_NONE, memory_order_relaxed);
	ring_push(shared->handovers, &handover); /* the one before was taken */
	wake_post(shared->engine_wake);
	while ((*answer = (enum handover_answer)atomic_load_explicit(&shared->handover_answer, memory_order_acquire)) ==
		   HANDOVER_NONE &&
	       !atomic_load(&loader->cancel))
		wake_wait(shared->loader_wake, -1);
	return *answer != HANDOVER_NONE;
}

/* Until the engine in use is the one beside. */
static enum status change_over(struct loader *loader, struct engine_history *history)
{
	enum handover_answer answer;
	for (int round = 0; round < ROUNDS; round++) {
		if (!hand_over(loader, history, NULL, &answer))
			return status_fail(&loader->error, STATUS_INTERRUPTED, "the daemon ends");
		if (engine_relive(loader->beside.engine, history) > NEWS_FEW && round + 1 < ROUNDS)
			continue;
		if (!hand_over(loader, NULL, loader->beside.engine, &answer))
			return status_fail(&loader->error, STATUS_INTERRUPTED, "the daemon ends");
		if (answer == HANDOVER_DONE)
			return STATUS_OK;
	}
	return status_fail(&loader->error, STATUS_FULL,
			   "notes come faster than these weights can take them up; not changed");
}

static enum status load(struct loader *loader)
{
	const struct engine *used = loader->setup->engine;
	enum status status =
	    setup_open_beside(loader->options, loader->command.path, loader->setup, &loader->beside, &loader->error);
	if (status != STATUS_OK)
		return status;
	loader->model = loader->beside.model;
	loader->window = loader->beside.window;
	struct engine_history *history = engine_history_new(used);
	if (history)
		status = change_over(loader, history);
	else
		status = status_fail(&loader->error, STATUS_NO_MEMORY, "no memory for another model");
	engine_history_free(history);
	if (status != STATUS_OK) {
		setup_close(&loader->beside);
		return status;
	}
	setup_exchange(loader->setup, &loader->beside);
	/* The osc thread still names labels by the model before, until it is told. */
	while (!atomic_load_explicit(&loader->told, memory_order_acquire) && !atomic_load(&loader->cancel))
		wake_wait(loader->shared->loader_wake, -1);
	setup_close(&loader->beside);
	return STATUS_OK;
}

static void *run(void *context)
{
	struct loader *loader = context;
	char text[256];
	pthread_setname_np(pthread_self(), "loader");
	realtime_drop_priority(); /* that of the osc thread, which began this one */
	setpriority(PRIO_PROCESS, (id_t)gettid(), NICENESS);
	realtime_flush_denormals();
	loader->status = load(loader);
	if (loader->status == STATUS_OK)
		realtime_lock_memory(text, sizeof text); /* as far as at the start */
	atomic_store_explicit(&loader->state, LOADER_DONE, memory_order_release);
	wake_post(loader->shared->osc_wake);
	return NULL;
}

static bool start(struct loader *loader, const struct osc_command *command)
{
	loader->command = *command;
	atomic_store(&loader->told, false);
	atomic_store(&loader->state, LOADER_WORKS);
	if (pthread_create(&loader->thread, NULL, run, loader) == 0)
		return true;
	atomic_store(&loader->state, LOADER_IDLE);
	return false;
}

bool loader_start(struct loader *loader, const struct osc_command *command)
{
	if (atomic_load_explicit(&loader->state, memory_order_acquire) == LOADER_IDLE)
		return start(loader, command);
	if (loader->waits)
		return false;
	loader->next = *command;
	loader->waits = true;
	return true;
}

void loader_tell(struct loader *loader, struct osc_server *server)
{
	struct error error;
	/* Its labels have been checked: this is for the log. */
	if (setup_tell_model(loader->model, loader->window, server, &error) != STATUS_OK)
		fprintf(stderr, "midibertd: %s\n", error.text);
	atomic_store_explicit(&loader->told, true, memory_order_release);
	wake_post(loader->shared->loader_wake);
}

void loader_answer(struct loader *loader, struct osc_server *server, int64_t now_us)
{
	if (atomic_load_explicit(&loader->state, memory_order_acquire) != LOADER_DONE)
		return;
	pthread_join(loader->thread, NULL);
	if (loader->status == STATUS_OK) {
		fprintf(stderr, "midibertd: weights %s, window %d notes, %.2f ms a note\n", loader->command.path,
			loader->setup->window, (double)loader->setup->note_us / 1000);
		osc_server_answer_model(server, &loader->command);
	} else {
		fprintf(stderr, "midibertd: weights not changed: %s\n", loader->error.text);
		char text[sizeof loader->error.text + 32];
		snprintf(text, sizeof text, "/midibert/model/load: %s", loader->error.text);
		osc_server_answer_error(server, &loader->command, "model", text, now_us);
	}
	atomic_store_explicit(&loader->state, LOADER_IDLE, memory_order_release);
	if (loader->waits && !start(loader, &loader->next))
		osc_server_answer_error(server, &loader->next, "busy", "/midibert/model/load: the system gives no thread",
					now_us);
	loader->waits = false;
}

void loader_close(struct loader *loader)
{
	if (atomic_load_explicit(&loader->state, memory_order_acquire) == LOADER_IDLE)
		return;
	atomic_store(&loader->cancel, true);
	wake_post(loader->shared->loader_wake);
	pthread_join(loader->thread, NULL);
	atomic_store(&loader->state, LOADER_IDLE);
}
