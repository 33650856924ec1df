/* frames.c - frames come in, text goes out; of frames.h. */
#include "frames.h"

#include <string.h>

/* Whether the bytes of the head so far can be those of a frame. */
static bool is_head(const struct frames *f)
{
	static const char zeros[3] = {0};
	size_t n = f->have > 4 ? 3 : f->have - 1u;

	return (unsigned char)f->head[0] <= 2 && !memcmp(f->head + 1, zeros, n);
}

static uint32_t length_in(const char head[8])
{
	uint32_t length = 0;

	for (int i = 4; i < 8; i++)
		length = length << 8 | (unsigned char)head[i];
	return length;
}

bool frames_next(struct frames *f, const char **p, size_t *n, struct span *text)
{
	while (*n && !f->raw && !f->left) {
		f->head[f->have++] = *(*p)++;
		--*n;
		if (!is_head(f)) {
			f->raw = true;
			*text = (struct span){f->head, f->have};
			return true;
		}
		if (f->have == sizeof(f->head)) {
			f->left = length_in(f->head);
			f->have = 0;
		}
	}
	*text = (struct span){*p, f->raw || *n < f->left ? *n : f->left};
	*p += text->n;
	*n -= text->n;
	f->left -= f->raw ? 0 : (uint32_t)text->n;
	return text->n > 0;
}
