/* See keyboards.h. Main and osc threads; a curve never changes once it is in use. */
#include "daemon/keyboards.h"

#include <stdio.h>
#include <string.h>

enum status keyboards_open(const char *curve, struct keyboards *keyboards, struct error *error)
{
	keyboards->search = strcmp(curve, "auto") == 0;
	if (keyboards->search || strcmp(curve, "none") == 0)
		return STATUS_OK;
	enum status status = touch_read(curve, &keyboards->fixed, error);
	for (int i = 0; status == STATUS_OK && i < INPUTS_MAX; i++)
		atomic_store(&keyboards->touch[i], &keyboards->fixed);
	return status;
}

void keyboards_appear(struct keyboards *keyboards, int input, const char *identity, const char *name)
{
	char path[4096] = "";
	struct error error;
	if (!keyboards->search || input < 0 || input >= INPUTS_MAX || atomic_load(&keyboards->touch[input]))
		return;
	enum status status = touch_find(identity, &keyboards->found[input], path, sizeof path, &error);
	if (status == STATUS_NOT_FOUND && strcmp(identity, name) != 0)
		status = touch_find(name, &keyboards->found[input], path, sizeof path, &error);
	if (status == STATUS_OK) {
		fprintf(stderr, "midibertd: input %d, %s: velocity curve %s\n", input, name, path);
		atomic_store_explicit(&keyboards->touch[input], &keyboards->found[input], memory_order_release);
	} else if (status != STATUS_NOT_FOUND) {
		fprintf(stderr, "midibertd: input %d, %s: no velocity curve: %s\n", input, name, error.text);
	}
}
