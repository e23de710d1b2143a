/* Draws with libqrencode, see qr.h. The one file that includes it. Allocates; any thread. */
#include "web/qr.h"

#include <qrencode.h>

#define QUIET 2 /* light modules around it */

static bool is_light(const QRcode *code, int x, int y)
{
	bool outside = x < 0 || y < 0 || x >= code->width || y >= code->width;
	return outside || !(code->data[y * code->width + x] & 1);
}

bool qr_draw(const char *text, bool colours, struct writer *writer)
{
	static const char *const block[2][2] = {{" ", "\u2584"}, {"\u2580", "\u2588"}}; /* [upper][lower] */
	QRcode *code = QRcode_encodeString(text, 0, QR_ECLEVEL_L, QR_MODE_8, 1);
	if (!code)
		return false;
	for (int y = -QUIET; y < code->width + QUIET; y += 2) {
		writer_add(writer, colours ? "\033[40;97m" : "");
		for (int x = -QUIET; x < code->width + QUIET; x++)
			writer_add(writer,
				   block[is_light(code, x, y)][y + 1 < code->width + QUIET && is_light(code, x, y + 1)]);
		writer_add(writer, colours ? "\033[0m\n" : "\n");
	}
	QRcode_free(code);
	return !writer->failed;
}
