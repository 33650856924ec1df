/* buf.h - a growing run of bytes with a ceiling. A write that does not fit, or for which there is no
 * memory, sets `failed` and changes nothing more: writers write on, and the owner looks once at the end. */
#ifndef AUTOHEAL_BUF_H
#define AUTOHEAL_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include "text.h"

struct buf {
	char *p;    /* owned by the buf; NULL while empty */
	size_t n;   /* bytes written */
	size_t cap; /* bytes allocated */
	size_t max; /* never grows beyond this */
	bool failed;
	bool starved; /* it failed for want of memory, not of room */
	bool lent;    /* the memory is somebody else's */
};

/* An empty buf which may grow to max bytes. Allocates nothing yet. */
void buf_init(struct buf *b, size_t max);
/* The same over memory of the caller's, which must outlive it or a buf_keep: no allocation as long as size bytes are
 * enough. */
void buf_lend(struct buf *b, char *memory, size_t size, size_t max);
/* Moves what stands in lent memory to the buf's own. */
void buf_keep(struct buf *b);
/* Gives the memory back; the buf is empty and usable again. */
void buf_free(struct buf *b);
/* Makes room for n more bytes and returns where they go, or NULL (failed is set then). The caller
 * adds what it wrote to b->n. */
char *buf_room(struct buf *b, size_t n);
void buf_add(struct buf *b, const void *bytes, size_t n);
void buf_add_text(struct buf *b, const char *s);
void buf_add_span(struct buf *b, struct span s);
void buf_print(struct buf *b, const char *format, ...) TEXT_PRINTS(2, 3);
void buf_vprint(struct buf *b, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));
/* Drops the first n bytes. */
void buf_drop(struct buf *b, size_t n);

#endif
