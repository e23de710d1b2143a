/* A library to preload under a JACK client that uses jack_cycle_wait and jack_cycle_signal: between the two, in the process
 * thread, an allocation, a mutex or any system call ends the process with status 86 and says what it was. System calls
 * are caught by the kernel's syscall user dispatch, so that calls which libraries make themselves count, too.
 * CYCLE_GUARD_BREAK=malloc|mutex|syscall does the forbidden thing itself, to show that the guard sees it. At exit it prints
 * how many cycles it has watched. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CAUGHT 86
#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH 59
#endif
enum { ALLOW, BLOCK };

static __thread volatile char selector; /* what the kernel looks at: BLOCK inside a cycle */
static __thread int prepared;
static _Atomic unsigned long cycles;
static int (*real_lock)(pthread_mutex_t *);
static const char *sabotage;
static void *volatile kept; /* so that no compiler takes the sabotage away */

static void die(const char *what, long number)
{
	char text[128];
	selector = ALLOW;
	int length = snprintf(text, sizeof text, "cycle_guard: %s %ld inside a cycle\n", what, number);
	if (write(STDERR_FILENO, text, (size_t)length) < 0)
		_exit(CAUGHT + 1);
	_exit(CAUGHT);
}

static void on_sigsys(int signal_number, siginfo_t *info, void *context)
{
	(void)signal_number, (void)context;
	die("system call", info->si_syscall);
}

static void *real(const char *name)
{
	void *function = dlsym(RTLD_NEXT, name);
	if (!function) {
		fprintf(stderr, "cycle_guard: no %s\n", name);
		_exit(CAUGHT + 1);
	}
	return function;
}

static __attribute__((constructor)) void set_up(void)
{
	*(void **)&real_lock = real("pthread_mutex_lock");
	sabotage = getenv("CYCLE_GUARD_BREAK");
}

static __attribute__((destructor)) void report(void)
{
	fprintf(stderr, "cycle_guard: %lu cycles watched\n", atomic_load(&cycles));
}

/* ---- the cycle ---- */

uint32_t jack_cycle_wait(void *client);
uint32_t jack_cycle_wait(void *client)
{
	static uint32_t (*wait)(void *);
	if (!wait)
		*(void **)&wait = real("jack_cycle_wait");
	uint32_t frames = wait(client);
	if (!prepared) {
		struct sigaction action = {.sa_sigaction = on_sigsys, .sa_flags = SA_SIGINFO};
		prepared = 1;
		if (sigaction(SIGSYS, &action, NULL) != 0 ||
		    prctl(PR_SET_SYSCALL_USER_DISPATCH, 1, 0L, 0L, &selector) != 0) {
			fprintf(stderr, "cycle_guard: this kernel has no syscall user dispatch: %s\n", strerror(errno));
			_exit(CAUGHT + 1);
		}
	}
	atomic_fetch_add(&cycles, 1);
	selector = BLOCK;
	if (sabotage && strcmp(sabotage, "malloc") == 0)
		kept = malloc(10);
	if (sabotage && strcmp(sabotage, "mutex") == 0) {
		static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
		pthread_mutex_lock(&mutex);
	}
	if (sabotage && strcmp(sabotage, "syscall") == 0)
		getppid();
	return frames;
}

void jack_cycle_signal(void *client, int status);
void jack_cycle_signal(void *client, int status)
{
	static void (*post)(void *, int);
	selector = ALLOW;
	if (!post)
		*(void **)&post = real("jack_cycle_signal");
	post(client, status);
}

/* ---- what a cycle may not do ---- */

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t),
    *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

static inline void forbid(const char *what)
{
	if (selector == BLOCK)
		die(what, 0);
}

void *malloc(size_t size)
{
	forbid("malloc");
	return __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	forbid("calloc");
	return __libc_calloc(n, size);
}

void *realloc(void *pointer, size_t size)
{
	forbid("realloc");
	return __libc_realloc(pointer, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
	forbid("aligned_alloc");
	return __libc_memalign(alignment, size);
}

void free(void *pointer)
{
	forbid("free");
	__libc_free(pointer);
}

int pthread_mutex_lock(pthread_mutex_t *mutex)
{
	forbid("pthread_mutex_lock");
	if (!real_lock) /* a library's constructor came before ours */
		*(void **)&real_lock = real("pthread_mutex_lock");
	return real_lock(mutex);
}
