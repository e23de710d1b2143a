/* The page of `midibert monitor`: what is known, put on a screen of any size. Main thread; no state of its own. */
#ifndef MIDIBERTD_TOOLS_MONITOR_PAGE_H
#define MIDIBERTD_TOOLS_MONITOR_PAGE_H

#include "tools/monitor_link.h"
#include "tools/monitor_screen.h"
#include "tools/monitor_state.h"

/* Clears the screen and fills it; monitor_screen_show is the caller's. control: where the daemon is, for the reader. */
void monitor_page_draw(struct monitor_screen *screen, const struct monitor_state *state, const struct monitor_link *link,
		       const char *control);

#endif
