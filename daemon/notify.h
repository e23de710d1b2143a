/* What the service manager is told: ready, alive, stopping. Main thread. Without a service manager every call does nothing.
 */
#ifndef MIDIBERTD_DAEMON_NOTIFY_H
#define MIDIBERTD_DAEMON_NOTIFY_H

#include <stdint.h>

void notify_ready(const char *status);
void notify_status(const char *status);
void notify_alive(void);
void notify_stopping(void);

/* How often notify_alive has to be called at least; 0: never. */
int64_t notify_watchdog_us(void);

#endif
