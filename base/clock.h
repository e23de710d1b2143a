/* The one monotonic time of the program, in microseconds. Any thread; real-time safe (a vDSO read). */
#ifndef MIDIBERTD_BASE_CLOCK_H
#define MIDIBERTD_BASE_CLOCK_H

#include <stdint.h>

int64_t clock_now_us(void); /* CLOCK_MONOTONIC */

#endif
