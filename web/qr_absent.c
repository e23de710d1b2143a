/* Stands for qr.c in a build without libqrencode. */
#include "web/qr.h"

bool qr_draw(const char *text, bool colours, struct writer *writer)
{
	(void)text;
	(void)colours;
	(void)writer;
	return false;
}
