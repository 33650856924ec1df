/* fuzz_http.c - heads and bodies of HTTP in both directions. The first byte says how the rest is read and cut. A body comes
 * out the same however it was cut. */
#include "fuzz.h"
#include "http.h"

/* The body as it comes out when it is fed in pieces; returns whether it was well-formed so far. */
static bool feed(
    const struct http_head *head, struct span in, size_t piece, struct buf *out, bool *done)
{
	struct http_body body;
	struct span data;

	http_body_start(&body, head);
	while (in.n && !body.done) {
		size_t n = in.n < piece ? in.n : piece;
		char *copy = fuzz_copy((struct span){in.p, n}, false);
		const char *p = copy;
		size_t left = n;
		int got;

		while ((got = http_body_feed(&body, &p, &left, &data)) > 0) {
			PROMISE(data.n && data.p >= copy && data.p + data.n <= copy + n);
			buf_add_span(out, data);
		}
		PROMISE(got == HTTP_BAD || !left || body.done);
		free(copy);
		if (got < 0)
			return false;
		in.p += n - left;
		in.n -= n - left;
		if (!n)
			break;
	}
	*done = body.done;
	return true;
}

static void body_is_the_same_in_any_cuts(const struct http_head *head, struct span in, size_t piece)
{
	struct buf whole, cut;
	bool done[2] = {false, false};
	bool good[2];

	buf_init(&whole, 1 << 20);
	buf_init(&cut, 1 << 20);
	good[0] = feed(head, in, SIZE_MAX, &whole, &done[0]);
	good[1] = feed(head, in, piece, &cut, &done[1]);
	PROMISE(good[0] == good[1]);
	PROMISE(!good[0] ||
	    (done[0] == done[1] && whole.n == cut.n &&
		(!whole.n || !memcmp(whole.p, cut.p, whole.n))));
	buf_free(&whole);
	buf_free(&cut);
}

static void texts(struct span s)
{
	char out[256], again[256];
	struct buf encoded;
	int n = http_decode(s, out, sizeof(out)), m;

	PROMISE(n == HTTP_BAD || (n >= 0 && (size_t)n <= sizeof(out)));
	http_query(s, "limit");
	if (n < 0)
		return;
	buf_init(&encoded, 4096);
	http_encode(&encoded, (struct span){out, (size_t)n});
	m = http_decode((struct span){encoded.p, encoded.n}, again, sizeof(again));
	PROMISE(m == n && !memcmp(out, again, (size_t)n));
	buf_free(&encoded);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest = fuzz_span(data, size);
	uint8_t how = fuzz_byte(&rest);
	char *copy = fuzz_copy(rest, false);
	static struct http_head head;
	int length = how & 1 ? http_read_request(copy, rest.n, &head)
			     : http_read_response(copy, rest.n, how & 2, &head);

	PROMISE(length <= (int)rest.n && length >= HTTP_CODING);
	if (length > 0) {
		struct span body = {copy + length, rest.n - (size_t)length};

		PROMISE(head.fields_count <= HTTP_FIELDS_MAX && length <= HTTP_HEAD_MAX + 4096);
		for (size_t i = 0; i < head.fields_count; i++) {
			PROMISE(head.fields[i].name.n && head.fields[i].name.p >= copy);
			PROMISE(!memchr(head.fields[i].name.p, ':', head.fields[i].name.n));
			PROMISE(!head.fields[i].value.n ||
			    !memchr(head.fields[i].value.p, '\n', head.fields[i].value.n));
		}
		http_field(&head, "Host");
		http_field_count(&head, "Content-Length");
		body_is_the_same_in_any_cuts(&head, body, 1 + how / 4 % 16);
	}
	texts(rest);
	free(copy);
	return 0;
}
