/* A QR code in letters, for a terminal. A build without libqrencode draws none. */
#ifndef MIDIBERTD_WEB_QR_H
#define MIDIBERTD_WEB_QR_H

#include "web/writer.h"

/* Two rows of it a line, light on dark, in the terminal's own colours or (colours) in black and white. False: there is none.
 */
bool qr_draw(const char *text, bool colours, struct writer *writer);

#endif
