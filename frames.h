/* frames.h - PURE: the stream in which an engine sends a log, or the output of a command: standard output and standard
 * error in one, each piece in a frame. */
#ifndef AUTOHEAL_FRAMES_H
#define AUTOHEAL_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text.h"

/* Takes the frames apart (Docker API, "Stream format"): 8 bytes, of which the first is 0 to 2, three are 0
 * and four the length, before each piece. What does not look like that is a terminal's and has none. */
struct frames {
	char head[8];
	uint8_t have; /* of the next head */
	bool raw;
	uint32_t left; /* of the piece */
};

/* Takes bytes from *p, *n (both moved on) up to the end of the next piece of text; false when all is taken. */
bool frames_next(struct frames *f, const char **p, size_t *n, struct span *text);

#endif
