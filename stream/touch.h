/* The velocity curve of one keyboard: what it sends, translated to the scale of dynamic levels (pp below 32 ... ff from 96
 * on), so that the same touch has the same number on any keyboard. Measured by `midibert calibrate`, used by the daemon and
 * by reports (docs/CALIBRATION.md). Set-up threads but for touch_velocity; allocates nothing that stays. */
#ifndef MIDIBERTD_STREAM_TOUCH_H
#define MIDIBERTD_STREAM_TOUCH_H

#include "base/prediction.h"
#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

#define TOUCH_DEVICE_MAX 128
#define TOUCH_RANGE_MIN 20 /* between the softest and the loudest level: a keyboard that sends less cannot be calibrated */

struct touch {
	char device[TOUCH_DEVICE_MAX]; /* name of the input that it belongs to */
	uint8_t velocity[128];	       /* by velocity sent; [0] is 0, the others 1-127 and never falling */
};

/* Any thread; real-time safe. NULL: as it is. */
static inline uint8_t touch_velocity(const struct touch *touch, uint8_t sent)
{
	return touch ? touch->velocity[sent & 127] : sent;
}

/* The same for a velocity with seven further bits (controller 88): between two velocities a curve is straight. */
static inline void touch_translate(const struct touch *touch, uint8_t *velocity, uint8_t *fine)
{
	if (!touch)
		return;
	int low = touch->velocity[*velocity & 127], high = *velocity < 127 ? touch->velocity[*velocity + 1] : low;
	int both = low * 128 + (high - low) * (*fine & 127);
	*velocity = (uint8_t)(both / 128);
	*fine = (uint8_t)(both % 128);
}

/* The middle of each level: what notes played at it are translated to. */
int touch_reference(enum dynamic level);

/* From the velocity sent at each level (a median over notes). Levels that came out in the wrong order are averaged.
 * STATUS_BAD_DATA: the levels are less than TOUCH_RANGE_MIN apart. */
enum status touch_fit(const double sent[DYNAMICS], struct touch *touch, struct error *error);

/* Untrusted bytes. *error names file, line and reason. */
enum status touch_read(const char *path, struct touch *touch, struct error *error);
/* Whole or not at all: written beside its place, then renamed. sent: what touch_fit was given, for people who read it. */
enum status touch_write(const char *path, const struct touch *touch, const double sent[DYNAMICS], struct error *error);

/* Where the curve of a device belongs: $XDG_CONFIG_HOME/midibert/NAME.curve (~/.config). STATUS_NOT_FOUND: no home. */
enum status touch_place(const char *device, char *path, size_t size, struct error *error);
/* Reads the curve that is kept for a device. STATUS_NOT_FOUND: there is none. */
enum status touch_find(const char *device, struct touch *touch, char *path, size_t size, struct error *error);

#endif
