/* Configuration files are untrusted bytes: whatever they hold, reading ends, in bounds, and a refusal has a text. */
#include "daemon/config.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct options options;
	struct error error = {STATUS_OK, ""};
	if (options_init(&options, &error) != STATUS_OK)
		abort();
	enum status status = config_parse((const char *)data, size, "fuzz", &options, 1, &error);
	if ((status == STATUS_OK) != (error.text[0] == '\0'))
		abort();
	if (status == STATUS_OK)
		options_check(&options, &error);
	options_free(&options);
	return 0;
}
