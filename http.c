/* http.c - reads and serializes HTTP/1.1: heads, bodies, percent-encoding. */
#include "http.h"

#include <string.h>

#define LINE_MAX 4096 /* bytes of a request line with its end */
#define METHOD_MAX 16

/* ---- bytes ---------------------------------------------------------------------------------- */

static bool is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* RFC 9110 5.6.2 */
static bool is_tchar(char c)
{
	return is_alnum(c) || (c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool is_token(struct span s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (!is_tchar(s.p[i]))
			return false;
	}
	return s.n > 0;
}

/* What may stand in a field value, obs-text included (RFC 9110 5.5). */
static bool is_text(char c)
{
	unsigned char u = (unsigned char)c;

	return u == '\t' || (u >= 0x20 && u != 0x7F);
}

/* ---- lines ---------------------------------------------------------------------------------- */

/* Cuts a line off rest; its CR LF is not part of it. Returns 1, 0 when its end is not there, or
 * HTTP_BAD at the first byte that fits in no line: so garbage is refused before a limit is
 * reached. */
static int take_line(struct span *rest, struct span *line)
{
	size_t n = 0;

	while (n < rest->n && is_text(rest->p[n]))
		n++;
	if (n == rest->n)
		return 0;
	if (rest->p[n] != '\r')
		return HTTP_BAD;
	if (n + 1 == rest->n)
		return 0;
	if (rest->p[n + 1] != '\n')
		return HTTP_BAD;
	*line = (struct span){rest->p, n};
	rest->p += n + 2;
	rest->n -= n + 2;
	return 1;
}

/* The same for a request line, after the empty lines before it. */
static int take_request_line(struct span *rest, struct span *line)
{
	int got;

	do {
		struct span window = *rest;

		if (window.n > LINE_MAX)
			window.n = LINE_MAX;
		got = take_line(&window, line);
		if (got == 0 && window.n == LINE_MAX)
			return HTTP_URI_TOO_LONG;
		if (got != 1)
			return got;
		rest->n -= (size_t)(window.p - rest->p);
		rest->p = window.p;
	} while (line->n == 0);
	return 1;
}

/* Cuts the word before the next space off line, and the space; the rest of the line where there
 * is none. */
static struct span take_word(struct span *line)
{
	const char *space = line->n > 0 ? memchr(line->p, ' ', line->n) : NULL;
	struct span word = *line;

	if (space)
		word.n = (size_t)(space - line->p);
	line->p += word.n + (space != NULL);
	line->n -= word.n + (space != NULL);
	return word;
}

/* ---- start lines ---------------------------------------------------------------------------- */

/* HTTP-version (RFC 9112 2.3). */
static int read_version(struct span s, struct http_head *head)
{
	if (s.n != 8 || !span_starts(s, "HTTP/") || s.p[6] != '.')
		return HTTP_BAD;
	if (s.p[5] < '0' || s.p[5] > '9' || s.p[7] < '0' || s.p[7] > '9')
		return HTTP_BAD;
	if (s.p[5] != '1' || s.p[7] > '1')
		return HTTP_VERSION;
	head->minor = s.p[7] - '0';
	return 0;
}

/* origin-form, asterisk-form or absolute-form (RFC 9112 3.2); there is no CONNECT here. */
static bool is_target(struct span s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] <= 0x20 || s.p[i] >= 0x7F)
			return false;
	}
	if (s.n > 7 && span_is_nocase((struct span){s.p, 7}, "http://"))
		return true;
	if (s.n > 8 && span_is_nocase((struct span){s.p, 8}, "https://"))
		return true;
	return span_starts(s, "/") || span_is(s, "*");
}

static int read_request_line(struct span line, struct http_head *head)
{
	head->method = take_word(&line);
	if (!is_token(head->method) || head->method.n > METHOD_MAX)
		return HTTP_BAD;
	head->target = take_word(&line);
	if (!is_target(head->target))
		return HTTP_BAD;
	return read_version(line, head);
}

/* RFC 9112 4. The space before an empty reason is often left out. */
static int read_status_line(struct span line, struct http_head *head)
{
	struct span status;
	uint64_t number;
	int error = read_version(take_word(&line), head);

	if (error)
		return error;
	status = take_word(&line);
	if (status.n != 3 || !text_number(status, 599, &number) || number < 100)
		return HTTP_BAD;
	head->status = (int)number;
	head->reason = line;
	return 0;
}

/* ---- fields --------------------------------------------------------------------------------- */

static int read_field(struct span line, struct http_head *head)
{
	const char *colon = memchr(line.p, ':', line.n);
	struct http_field *field = &head->fields[head->fields_count];

	if (!colon)
		return HTTP_BAD;
	if (head->fields_count == HTTP_FIELDS_MAX)
		return HTTP_TOO_LONG;
	/* a folded line, or a blank before the colon, makes a name that is no token */
	field->name = (struct span){line.p, (size_t)(colon - line.p)};
	if (!is_token(field->name))
		return HTTP_BAD;
	field->value = span_trim((struct span){colon + 1, line.n - field->name.n - 1});
	head->fields_count++;
	return 0;
}

/* Reads fields to the empty line and over it. 1, 0 when more is to come, or an http_error. */
static int read_fields(struct span *rest, struct http_head *head)
{
	struct span line;
	int got, error;

	for (;;) {
		got = take_line(rest, &line);
		if (got != 1 || line.n == 0)
			return got;
		error = read_field(line, head);
		if (error)
			return error;
	}
}

struct span http_field(const struct http_head *head, const char *name)
{
	for (size_t i = 0; i < head->fields_count; i++) {
		if (span_is_nocase(head->fields[i].name, name))
			return head->fields[i].value;
	}
	return (struct span){NULL, 0};
}

size_t http_field_count(const struct http_head *head, const char *name)
{
	size_t count = 0;

	for (size_t i = 0; i < head->fields_count; i++)
		count += span_is_nocase(head->fields[i].name, name);
	return count;
}

/* Whether a field that is a list holds this word (RFC 9110 5.6.1), in any of its lines. */
static bool field_has(const struct http_head *head, const char *name, const char *word)
{
	for (size_t i = 0; i < head->fields_count; i++) {
		struct span rest = head->fields[i].value, item;

		if (!span_is_nocase(head->fields[i].name, name))
			continue;
		while (span_next(&rest, ',', &item)) {
			if (span_is_nocase(item, word))
				return true;
		}
	}
	return false;
}

/* ---- framing -------------------------------------------------------------------------------- */

static int read_framing(struct http_head *head)
{
	size_t codings = http_field_count(head, "Transfer-Encoding");
	size_t lengths = http_field_count(head, "Content-Length");

	head->framing = HTTP_NO_BODY;
	if (lengths > 1 || (lengths > 0 && codings > 0))
		return HTTP_BAD;
	if (codings > 0) {
		if (head->minor == 0) /* RFC 9112 6.1: such framing is faulty */
			return HTTP_BAD;
		if (codings > 1 || !span_is_nocase(http_field(head, "Transfer-Encoding"), "chunked"))
			return HTTP_CODING;
		head->framing = HTTP_CHUNKED;
	}
	if (lengths > 0) {
		if (!text_number(http_field(head, "Content-Length"), INT64_MAX, &head->length))
			return HTTP_BAD;
		head->framing = HTTP_LENGTH;
	}
	return 0;
}

/* RFC 9112 9.3 */
static void read_connection(struct http_head *head)
{
	head->keep_alive = head->minor > 0 || field_has(head, "Connection", "keep-alive");
	if (head->framing == HTTP_UNTIL_CLOSE || field_has(head, "Connection", "close"))
		head->keep_alive = false;
}

/* RFC 9112 6.3 */
static bool has_no_body(int status, bool head_request)
{
	return head_request || status < 200 || status == 204 || status == 304;
}

/* The span in which a head must end. */
static struct span window_of(const char *p, size_t n)
{
	return (struct span){p, n < HTTP_HEAD_MAX ? n : HTTP_HEAD_MAX};
}

/* What a reader that came to no end of the head answers. */
static int unfinished(size_t n)
{
	return n >= HTTP_HEAD_MAX ? HTTP_TOO_LONG : 0;
}

int http_read_request(const char *p, size_t n, struct http_head *head)
{
	struct span rest = window_of(p, n), line;
	int got;

	*head = (struct http_head){0};
	got = take_request_line(&rest, &line);
	if (got != 1)
		return got ? got : unfinished(n);
	got = read_request_line(line, head);
	if (got)
		return got;
	got = read_fields(&rest, head);
	if (got != 1)
		return got ? got : unfinished(n);
	got = read_framing(head);
	if (got)
		return got;
	read_connection(head);
	/* RFC 9110 10.1.1: from an HTTP/1.0 client it means nothing */
	head->expect_continue = head->minor > 0 && field_has(head, "Expect", "100-continue");
	return (int)(rest.p - p);
}

int http_read_response(const char *p, size_t n, bool head_request, struct http_head *head)
{
	struct span rest = window_of(p, n), line;
	int got;

	*head = (struct http_head){0};
	got = take_line(&rest, &line);
	if (got != 1)
		return got ? got : unfinished(n);
	got = read_status_line(line, head);
	if (got)
		return got;
	got = read_fields(&rest, head);
	if (got != 1)
		return got ? got : unfinished(n);
	got = read_framing(head);
	if (got)
		return got;
	if (has_no_body(head->status, head_request))
		head->framing = HTTP_NO_BODY;
	else if (head->framing == HTTP_NO_BODY)
		head->framing = HTTP_UNTIL_CLOSE;
	read_connection(head);
	return (int)(rest.p - p);
}

/* ---- bodies --------------------------------------------------------------------------------- */

/* Where in the chunked coding (RFC 9112 7.1) the next byte stands. */
enum chunk_state {
	CHUNK_START,     /* the first digit of a size */
	CHUNK_SIZE,      /* more digits, or what follows them */
	CHUNK_BLANK,     /* blanks behind the size, which only an extension may follow */
	CHUNK_EXTENSION, /* passed over */
	CHUNK_SIZE_LF,
	CHUNK_DATA,
	CHUNK_DATA_CR,
	CHUNK_DATA_LF,
	CHUNK_TRAILER_START, /* a trailer's line, or the empty one that ends all */
	CHUNK_TRAILER,       /* passed over */
	CHUNK_TRAILER_LF,
	CHUNK_END_LF,
	CHUNK_BAD,
};

void http_body_start(struct http_body *body, const struct http_head *head)
{
	*body = (struct http_body){.framing = head->framing};
	if (head->framing == HTTP_LENGTH)
		body->left = head->length;
	body->done = head->framing == HTTP_NO_BODY || (head->framing == HTTP_LENGTH && !body->left);
}

/* Takes what is there of the bytes still to come. */
static void take_data(struct http_body *body, const char **p, size_t *n, struct span *data)
{
	size_t take = body->left < *n ? (size_t)body->left : *n;

	*data = (struct span){*p, take};
	*p += take;
	*n -= take;
	body->left -= take;
}

static enum chunk_state after_digit(struct http_body *body, char c)
{
	if (body->left > INT64_MAX >> 4)
		return CHUNK_BAD;
	body->left = body->left << 4 | (uint64_t)text_hex_digit(c);
	return CHUNK_SIZE;
}

/* The size's line is over; the last chunk's size is zero. */
static enum chunk_state after_size(struct http_body *body)
{
	body->line = 0;
	return body->left > 0 ? CHUNK_DATA : CHUNK_TRAILER_START;
}

static enum chunk_state after_end(struct http_body *body)
{
	body->done = true;
	return CHUNK_START;
}

static enum chunk_state expect(char c, char wanted, enum chunk_state next)
{
	return c == wanted ? next : CHUNK_BAD;
}

/* A byte of a line of which only the end matters. A bare LF in an extension is a known way to
 * smuggle. */
static enum chunk_state pass_over(char c, enum chunk_state same, enum chunk_state lf)
{
	if (c == '\r')
		return lf;
	return is_text(c) ? same : CHUNK_BAD;
}

static enum chunk_state after_size_digits(char c)
{
	if (c == ' ' || c == '\t')
		return CHUNK_BLANK;
	return c == '\r' ? CHUNK_SIZE_LF : expect(c, ';', CHUNK_EXTENSION);
}

static enum chunk_state next_state(struct http_body *body, char c)
{
	enum chunk_state state = (enum chunk_state)body->state;

	switch (state) {
	case CHUNK_START:
		return text_hex_digit(c) >= 0 ? after_digit(body, c) : CHUNK_BAD;
	case CHUNK_SIZE:
		return text_hex_digit(c) >= 0 ? after_digit(body, c) : after_size_digits(c);
	case CHUNK_BLANK:
		return c == ' ' || c == '\t' ? state : expect(c, ';', CHUNK_EXTENSION);
	case CHUNK_EXTENSION:
		return pass_over(c, state, CHUNK_SIZE_LF);
	case CHUNK_SIZE_LF:
		return c == '\n' ? after_size(body) : CHUNK_BAD;
	case CHUNK_DATA_CR:
		return expect(c, '\r', CHUNK_DATA_LF);
	case CHUNK_DATA_LF:
		return expect(c, '\n', CHUNK_START);
	case CHUNK_TRAILER_START:
		if (c == '\r')
			return CHUNK_END_LF;
		return is_tchar(c) ? CHUNK_TRAILER : CHUNK_BAD;
	case CHUNK_TRAILER:
		return pass_over(c, state, CHUNK_TRAILER_LF);
	case CHUNK_TRAILER_LF:
		return expect(c, '\n', CHUNK_TRAILER_START);
	case CHUNK_END_LF:
		return c == '\n' ? after_end(body) : CHUNK_BAD;
	case CHUNK_DATA:
	case CHUNK_BAD:
		break;
	}
	return CHUNK_BAD;
}

static int feed_chunked(struct http_body *body, const char **p, size_t *n, struct span *data)
{
	while (*n > 0 && !body->done) {
		if (body->state == CHUNK_DATA) {
			take_data(body, p, n, data);
			if (body->left == 0)
				body->state = CHUNK_DATA_CR;
			return 1;
		}
		body->state = (uint8_t)next_state(body, **p);
		if (++body->line > HTTP_HEAD_MAX)
			body->state = CHUNK_BAD;
		if (body->state == CHUNK_BAD)
			return HTTP_BAD;
		++*p;
		--*n;
	}
	return body->state == CHUNK_BAD ? HTTP_BAD : 0;
}

int http_body_feed(struct http_body *body, const char **p, size_t *n, struct span *data)
{
	if (body->done)
		return 0;
	if (body->framing == HTTP_CHUNKED)
		return feed_chunked(body, p, n, data);
	if (*n == 0)
		return 0;
	if (body->framing == HTTP_UNTIL_CLOSE)
		body->left = *n;
	take_data(body, p, n, data);
	body->done = body->framing == HTTP_LENGTH && body->left == 0;
	return 1;
}

int http_body_close(struct http_body *body)
{
	if (body->framing == HTTP_UNTIL_CLOSE)
		body->done = true;
	return body->done ? 0 : HTTP_BAD;
}

/* ---- targets -------------------------------------------------------------------------------- */

int http_decode(struct span s, char *out, size_t cap)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++) {
		int c = (unsigned char)s.p[i];

		if (c == '%') {
			int high = i + 2 < s.n ? text_hex_digit(s.p[i + 1]) : -1;
			int low = i + 2 < s.n ? text_hex_digit(s.p[i + 2]) : -1;

			if (high < 0 || low < 0)
				return HTTP_BAD;
			c = high << 4 | low;
			i += 2;
		}
		if (c == 0 || n == cap)
			return HTTP_BAD;
		out[n++] = (char)c;
	}
	return (int)n;
}

void http_encode(struct buf *out, struct span s)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		/* unreserved (RFC 3986 2.3) */
		if (is_alnum(s.p[i]) || (c != 0 && strchr("-._~", c)))
			buf_add(out, &s.p[i], 1);
		else
			buf_add(out, (char[]){'%', hex[c >> 4], hex[c & 15]}, 3);
	}
}

struct span http_query(struct span query, const char *name)
{
	struct span rest = query, item;

	while (span_next(&rest, '&', &item)) {
		const char *equals = memchr(item.p, '=', item.n);
		size_t n = equals ? (size_t)(equals - item.p) : item.n;

		if (!span_is((struct span){item.p, n}, name))
			continue;
		n += equals != NULL;
		return (struct span){item.p + n, item.n - n};
	}
	return (struct span){NULL, 0};
}

/* RFC 9110 15, RFC 6585: what is answered here. */
const char *http_reason(int status)
{
	static const char reasons[] = "200 OK\0"
				      "202 Accepted\0"
				      "204 No Content\0"
				      "304 Not Modified\0"
				      "400 Bad Request\0"
				      "401 Unauthorized\0"
				      "403 Forbidden\0"
				      "404 Not Found\0"
				      "405 Method Not Allowed\0"
				      "406 Not Acceptable\0"
				      "408 Request Timeout\0"
				      "409 Conflict\0"
				      "411 Length Required\0"
				      "413 Content Too Large\0"
				      "414 URI Too Long\0"
				      "415 Unsupported Media Type\0"
				      "417 Expectation Failed\0"
				      "422 Unprocessable Content\0"
				      "429 Too Many Requests\0"
				      "431 Request Header Fields Too Large\0"
				      "500 Internal Server Error\0"
				      "501 Not Implemented\0"
				      "503 Service Unavailable\0"
				      "505 HTTP Version Not Supported\0";
	uint64_t number;

	for (const char *p = reasons; *p; p += strlen(p) + 1)
		if (text_number((struct span){p, 3}, 999, &number) && (int)number == status)
			return p + 4;
	return "";
}
