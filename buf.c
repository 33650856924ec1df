/* buf.c - the growing run of bytes of buf.h. */
#include "buf.h"

#include <stdlib.h>
#include <string.h>

#define BUF_FIRST 512 /* bytes of the first allocation */

void buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){.max = max};
}

void buf_lend(struct buf *b, char *memory, size_t size, size_t max)
{
	*b = (struct buf){.p = memory, .cap = size, .max = max, .lent = true};
}

void buf_free(struct buf *b)
{
	if (!b->lent)
		free(b->p);
	buf_init(b, b->max);
}

static size_t grown(size_t cap, size_t need, size_t max)
{
	size_t size = cap ? cap : BUF_FIRST;

	while (size < need)
		size *= 2;
	return size < max ? size : max;
}

/* Gives it size bytes of its own. */
static bool resize(struct buf *b, size_t size)
{
	char *p = realloc(b->lent ? NULL : b->p, size);

	if (!p) {
		b->failed = b->starved = true;
		return false;
	}
	if (b->lent)
		memcpy(p, b->p, b->n);
	b->lent = false;
	b->p = p;
	b->cap = size;
	return true;
}

void buf_keep(struct buf *b)
{
	if (!b->lent)
		return;
	if (b->n && resize(b, b->n))
		return;
	b->failed = b->n > 0;
	b->p = NULL;
	b->n = b->cap = 0;
	b->lent = false;
}

char *buf_room(struct buf *b, size_t n)
{
	if (b->failed || n > b->max || b->n > b->max - n) {
		b->failed = true;
		return NULL;
	}
	if (b->n + n > b->cap && !resize(b, grown(b->cap, b->n + n, b->max)))
		return NULL;
	return b->p + b->n;
}

void buf_add(struct buf *b, const void *bytes, size_t n)
{
	char *to;

	if (!n)
		return;
	to = buf_room(b, n);
	if (!to)
		return;
	memcpy(to, bytes, n);
	b->n += n;
}

void buf_add_text(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void buf_add_span(struct buf *b, struct span s)
{
	buf_add(b, s.p, s.n);
}

void buf_vprint(struct buf *b, const char *format, va_list args)
{
	va_list again;
	char *to, none;
	int n;

	va_copy(again, args);
	n = text_vprint(&none, 1, format, again);
	va_end(again);
	if (n < 0) {
		b->failed = true;
		return;
	}
	to = buf_room(b, (size_t)n);
	if (!to)
		return;
	text_vput(to, (size_t)n, format, args);
	b->n += (size_t)n;
}

void buf_print(struct buf *b, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	buf_vprint(b, format, args);
	va_end(args);
}

void buf_drop(struct buf *b, size_t n)
{
	if (n >= b->n) {
		b->n = 0;
		return;
	}
	memmove(b->p, b->p + n, b->n - n);
	b->n -= n;
}
