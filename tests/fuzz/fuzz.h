/* fuzz.h - what the fuzz targets share: cutting an input into parts, and a promise that is broken. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must hold whatever the input. On stdout: what the program logs on stderr is not looked at. */
#define PROMISE(holds) \
	do { \
		if (!(holds)) { \
			printf("%s:%d: not so: %s\n", __FILE__, __LINE__, #holds); \
			fflush(stdout); \
			abort(); \
		} \
	} while (0)

static inline struct span fuzz_span(const uint8_t *data, size_t size)
{
	return (struct span){(const char *)data, size};
}

/* The first byte of the rest, 0 at its end. */
static inline uint8_t fuzz_byte(struct span *rest)
{
	uint8_t byte = rest->n ? (uint8_t)rest->p[0] : 0;

	if (rest->n) {
		rest->p++;
		rest->n--;
	}
	return byte;
}

/* The part up to the next byte of zero, which is cut off with it. */
static inline struct span fuzz_part(struct span *rest)
{
	const char *zero = rest->n ? memchr(rest->p, 0, rest->n) : NULL;
	struct span part = {rest->p, zero ? (size_t)(zero - rest->p) : rest->n};
	size_t used = part.n + (zero != NULL);

	rest->p += used;
	rest->n -= used;
	return part;
}

/* A copy of exactly its bytes, so that a read beyond them is seen; with a zero behind where one is asked for. */
static inline char *fuzz_copy(struct span s, bool terminated)
{
	char *copy = malloc(s.n + terminated + !s.n);

	PROMISE(copy);
	if (s.n)
		memcpy(copy, s.p, s.n);
	if (terminated)
		copy[s.n] = 0;
	return copy;
}

static inline void fuzz_is_json(const struct buf *b)
{
	size_t at;

	PROMISE(b->failed || json_valid((struct span){b->p, b->n}, &at));
}

#endif
