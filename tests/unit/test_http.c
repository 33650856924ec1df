/* test_http.c - what http.h promises: heads at every cut and limit, framing that cannot be smuggled
 * through, bodies in any pieces, percent-encoding. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "http.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* ---- helpers --------------------------------------------------------------------------------- */

/* A copy of exactly n bytes on the heap, so that the sanitizer sees a read beyond them. The last
 * one is kept until the next call: heads point into it. */
static char *exactly(const char *p, size_t n)
{
	static char *last;

	free(last);
	last = malloc(n ? n : 1);
	assert_non_null(last);
	memcpy(last, p, n);
	return last;
}

static int request_bytes(const char *p, size_t n, struct http_head *head)
{
	return http_read_request(exactly(p, n), n, head);
}

static int response_bytes(const char *p, size_t n, struct http_head *head)
{
	return http_read_response(exactly(p, n), n, false, head);
}

static int request(const char *text, struct http_head *head)
{
	return request_bytes(text, strlen(text), head);
}

static int response(const char *text, struct http_head *head)
{
	return response_bytes(text, strlen(text), head);
}

static void assert_span(struct span s, const char *expected)
{
	if (!s.p || !span_is(s, expected))
		fail_msg("got %.*s, expected %s", (int)s.n, s.p ? s.p : "", expected);
}

/* A request with these lines behind its first. */
static int with_fields(const char *lines, struct http_head *head)
{
	char text[1024];

	snprintf(text, sizeof text, "POST / HTTP/1.1\r\n%s\r\n", lines);
	return request(text, head);
}

static int answer_with_fields(const char *lines, struct http_head *head)
{
	char text[1024];

	snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\n%s\r\n", lines);
	return response(text, head);
}

/* ---- heads ----------------------------------------------------------------------------------- */

static const char plain_request[] = "\r\nPOST /v1/heal?dry=1 HTTP/1.1\r\n"
				    "Host: autoheal:8080\r\n"
				    "Content-Length:  12 \t\r\n"
				    "X-Empty:\r\n"
				    "X-Text: caf\xC3\xA9\tand more\r\n"
				    "expect: 100-Continue\r\n"
				    "\r\n";

static void test_a_request_is_read(void **state)
{
	struct http_head head;

	(void)state;
	assert_int_equal(request(plain_request, &head), sizeof plain_request - 1);
	assert_span(head.method, "POST");
	assert_span(head.target, "/v1/heal?dry=1");
	assert_int_equal(head.minor, 1);
	assert_int_equal(head.fields_count, 5);
	assert_span(http_field(&head, "hOST"), "autoheal:8080");
	assert_span(http_field(&head, "X-Empty"), "");
	assert_span(http_field(&head, "X-Text"), "caf\xC3\xA9\tand more");
	assert_null(http_field(&head, "X-Other").p);
	assert_int_equal(head.framing, HTTP_LENGTH);
	assert_int_equal(head.length, 12);
	assert_true(head.keep_alive);
	assert_true(head.expect_continue);
}

static void test_a_response_is_read(void **state)
{
	static const char text[] = "HTTP/1.1 404 Not Found at all\r\nContent-Type: application/json\r\n"
				   "Transfer-Encoding: chunked\r\n\r\nrest";
	struct http_head head;

	(void)state;
	assert_int_equal(response(text, &head), sizeof text - 1 - 4);
	assert_int_equal(head.status, 404);
	assert_span(head.reason, "Not Found at all");
	assert_int_equal(head.framing, HTTP_CHUNKED);
	assert_true(head.keep_alive);
}

static void test_no_cut_head_is_taken_or_refused(void **state)
{
	static const char answer[] = "HTTP/1.0 200 OK\r\nA: b\r\nContent-Length: 3\r\n\r\n";
	struct http_head head;

	(void)state;
	for (size_t n = 0; n < sizeof plain_request - 1; n++)
		assert_int_equal(request_bytes(plain_request, n, &head), 0);
	for (size_t n = 0; n < sizeof answer - 1; n++)
		assert_int_equal(response_bytes(answer, n, &head), 0);
	assert_int_equal(response(answer, &head), sizeof answer - 1);
}

static void test_what_follows_a_head_does_not_matter(void **state)
{
	static const char two[] = "GET / HTTP/1.1\r\n\r\n\x01\n\xFFGET";
	struct http_head head;

	(void)state;
	assert_int_equal(request_bytes(two, sizeof two - 1, &head), 18);
}

static const struct {
	const char *line;
	int result; /* 0: taken */
} request_lines[] = {
    {"GET / HTTP/1.1", 0},
    {"GET / HTTP/1.0", 0},
    {"OPTIONS * HTTP/1.1", 0},
    {"GET http://h/p?q HTTP/1.1", 0},
    {"GET HTTPS://h/ HTTP/1.1", 0},
    {"ABCDEFGHIJKLMNOP / HTTP/1.1", 0},
    {"M!#$%&'*+-.^_`|~ / HTTP/1.1", 0},
    {"ABCDEFGHIJKLMNOPQ / HTTP/1.1", HTTP_BAD},
    {" GET / HTTP/1.1", HTTP_BAD},
    {"G(T / HTTP/1.1", HTTP_BAD},
    {"G\xC3\xA9T / HTTP/1.1", HTTP_BAD},
    {"GET  / HTTP/1.1", HTTP_BAD},
    {"GET\t/ HTTP/1.1", HTTP_BAD},
    {"GET /  HTTP/1.1", HTTP_BAD},
    {"GET / HTTP/1.1 ", HTTP_BAD},
    {"GET /a b HTTP/1.1", HTTP_BAD},
    {"GET /\xC3\xA9 HTTP/1.1", HTTP_BAD},
    {"GET /\t HTTP/1.1", HTTP_BAD},
    {"GET /\x7F HTTP/1.1", HTTP_BAD},
    {"GET  HTTP/1.1", HTTP_BAD},
    {"GET x HTTP/1.1", HTTP_BAD},
    {"GET *x HTTP/1.1", HTTP_BAD},
    {"GET ftp://h/ HTTP/1.1", HTTP_BAD},
    {"GET http:// HTTP/1.1", HTTP_BAD},
    {"CONNECT h:443 HTTP/1.1", HTTP_BAD},
    {"GET /", HTTP_BAD},
    {"GET", HTTP_BAD},
    {"GET / http/1.1", HTTP_BAD},
    {"GET / HTTP/1", HTTP_BAD},
    {"GET / HTTP/1.1x", HTTP_BAD},
    {"GET / HTTP/11", HTTP_BAD},
    {"GET / HTTP/x.1", HTTP_BAD},
    {"GET / HTTP/1.x", HTTP_BAD},
    {"GET / XTTP/1.1", HTTP_BAD},
    {"GET / HTTP/2.0", HTTP_VERSION},
    {"PRI * HTTP/2.0", HTTP_VERSION},
    {"GET / HTTP/0.9", HTTP_VERSION},
    {"GET / HTTP/1.2", HTTP_VERSION},
};

static void test_request_lines(void **state)
{
	struct http_head head;
	char text[256];

	(void)state;
	for (size_t i = 0; i < COUNT(request_lines); i++) {
		int n = snprintf(text, sizeof text, "%s\r\nHost: h\r\n\r\n", request_lines[i].line);
		int got = request(text, &head);

		if (got != (request_lines[i].result ? request_lines[i].result : n))
			fail_msg("%s: %d", request_lines[i].line, got);
	}
}

static void test_status_lines(void **state)
{
	static const struct {
		const char *line;
		int status; /* or the error */
		const char *reason;
	} lines[] = {
	    {"HTTP/1.1 200 OK", 200, "OK"},
	    {"HTTP/1.1 200 ", 200, ""},
	    {"HTTP/1.1 200", 200, ""},
	    {"HTTP/1.0 599 \xC3\xA9", 599, "\xC3\xA9"},
	    {"HTTP/1.1 100 Continue", 100, "Continue"},
	    {"HTTP/1.1 099 x", HTTP_BAD, ""},
	    {"HTTP/1.1 600 x", HTTP_BAD, ""},
	    {"HTTP/1.1 20 OK", HTTP_BAD, ""},
	    {"HTTP/1.1 2000 OK", HTTP_BAD, ""},
	    {"HTTP/1.1 +20 OK", HTTP_BAD, ""},
	    {"HTTP/1.1  200 OK", HTTP_BAD, ""},
	    {"HTTP/1.1", HTTP_BAD, ""},
	    {"", HTTP_BAD, ""},
	    {"ICY 200 OK", HTTP_BAD, ""},
	    {" HTTP/1.1 200 OK", HTTP_BAD, ""},
	    {"HTTP/2.0 200 OK", HTTP_VERSION, ""},
	};
	struct http_head head;
	char text[256];

	(void)state;
	for (size_t i = 0; i < COUNT(lines); i++) {
		int n = snprintf(text, sizeof text, "%s\r\n\r\n", lines[i].line);
		int got = response(text, &head);

		if (got != (lines[i].status > 0 ? n : lines[i].status))
			fail_msg("%s: %d", lines[i].line, got);
		if (got > 0) {
			assert_int_equal(head.status, lines[i].status);
			assert_true(span_is(head.reason, lines[i].reason));
		}
	}
}

static void test_field_lines(void **state)
{
	static const struct {
		const char *lines;
		bool good;
	} fields[] = {
	    {"A: b\r\n", true},
	    {"a!#$%&'*+-.^_`|~9:b\r\n", true},
	    {"A: \xFF\x80\r\n", true},
	    {"A: b:c\r\n", true},
	    {"A : b\r\n", false},
	    {"A\t: b\r\n", false},
	    {" A: b\r\n", false},
	    {"A: b\r\n c\r\n", false},
	    {"A: b\r\n\tc\r\n", false},
	    {": b\r\n", false},
	    {"A\r\n", false},
	    {"A b: c\r\n", false},
	    {"A(: c\r\n", false},
	    {"\xC3\xA9: c\r\n", false},
	    {"A: b\n", false},
	    {"A: b\nC: d\r\n", false},
	    {"A: b\rC: d\r\n", false},
	    {"A: b\r\r\n", false},
	    {"A: \x01\r\n", false},
	    {"A: \x7F\r\n", false},
	    {"A: b\r\n\n", false},
	};
	struct http_head head;

	(void)state;
	for (size_t i = 0; i < COUNT(fields); i++) {
		if ((with_fields(fields[i].lines, &head) > 0) != fields[i].good)
			fail_msg("request with %s", fields[i].lines);
		if ((answer_with_fields(fields[i].lines, &head) > 0) != fields[i].good)
			fail_msg("response with %s", fields[i].lines);
	}
	assert_int_equal(request_bytes("GET / HTTP/1.1\r\nA: \0\r\n\r\n", 24, &head), HTTP_BAD);
}

static void test_bare_line_ends_are_refused(void **state)
{
	struct http_head head;

	(void)state;
	assert_int_equal(request("GET / HTTP/1.1\n\n", &head), HTTP_BAD);
	assert_int_equal(request("\nGET / HTTP/1.1\r\n\r\n", &head), HTTP_BAD);
	assert_int_equal(request("\r\rGET / HTTP/1.1\r\n\r\n", &head), HTTP_BAD);
	assert_int_equal(response("HTTP/1.1 200 OK\nA: b\n\n", &head), HTTP_BAD);
	assert_int_equal(response("HTTP/1.1 200 OK\r\nA: b\r\n\n", &head), HTTP_BAD);
}

static void test_garbage_is_refused_at_its_first_byte(void **state)
{
	struct http_head head;

	(void)state;
	assert_int_equal(request_bytes("\x16\x03\x01", 3, &head), HTTP_BAD); /* TLS */
	assert_int_equal(request_bytes("GET /\0", 6, &head), HTTP_BAD);
	assert_int_equal(response_bytes("\x15\x03", 2, &head), HTTP_BAD);
}

static void test_a_field_is_counted_in_any_case(void **state)
{
	struct http_head head;

	(void)state;
	assert_true(with_fields("Host: a\r\nhost: b\r\nHosts: c\r\n", &head) > 0);
	assert_int_equal(http_field_count(&head, "HOST"), 2);
	assert_int_equal(http_field_count(&head, "Other"), 0);
	assert_span(http_field(&head, "Host"), "a");
}

/* ---- limits ---------------------------------------------------------------------------------- */

/* A head of exactly n bytes whose last field is as long as it takes. */
static char *head_of(const char *first_line, size_t n)
{
	size_t line = strlen(first_line);
	char *text = malloc(n + 1);

	assert_non_null(text);
	memset(text, 'x', n);
	memcpy(text, first_line, line);
	memcpy(text + line, "A: ", 3);
	memcpy(text + n - 4, "\r\n\r\n", 5);
	return text;
}

static void test_a_head_has_a_limit(void **state)
{
	char *longest = head_of("GET / HTTP/1.1\r\n", HTTP_HEAD_MAX);
	char *longer = head_of("GET / HTTP/1.1\r\n", HTTP_HEAD_MAX + 1);
	char *answer = head_of("HTTP/1.1 200 OK\r\n", HTTP_HEAD_MAX);
	char *long_answer = head_of("HTTP/1.1 200 OK\r\n", HTTP_HEAD_MAX + 1);
	struct http_head head;

	(void)state;
	assert_int_equal(request(longest, &head), HTTP_HEAD_MAX);
	assert_int_equal(request_bytes(longer, HTTP_HEAD_MAX - 1, &head), 0);
	assert_int_equal(request_bytes(longer, HTTP_HEAD_MAX, &head), HTTP_TOO_LONG);
	assert_int_equal(request(longer, &head), HTTP_TOO_LONG);
	assert_int_equal(response(answer, &head), HTTP_HEAD_MAX);
	assert_int_equal(response_bytes(long_answer, HTTP_HEAD_MAX - 1, &head), 0);
	assert_int_equal(response(long_answer, &head), HTTP_TOO_LONG);
	free(longest);
	free(longer);
	free(answer);
	free(long_answer);
}

static void test_a_request_line_has_a_limit(void **state)
{
	static const size_t lengths[] = {4096, 4097}; /* with its end */
	struct http_head head;
	char text[5000];

	(void)state;
	for (size_t i = 0; i < COUNT(lengths); i++) {
		memset(text, 'x', sizeof text);
		memcpy(text, "GET /", 5);
		memcpy(text + lengths[i] - 11, " HTTP/1.1\r\n\r\n", 13);
		assert_int_equal(request_bytes(text, 4095, &head), 0);
		assert_int_equal(request_bytes(text, lengths[i] + 2, &head),
		    i == 0 ? (int)lengths[i] + 2 : HTTP_URI_TOO_LONG);
	}
	memset(text, 'G', sizeof text);
	assert_int_equal(request_bytes(text, 4096, &head), HTTP_URI_TOO_LONG);
}

static void test_empty_lines_before_a_request_have_a_limit(void **state)
{
	struct http_head head;
	char text[HTTP_HEAD_MAX + 100];

	(void)state;
	for (size_t i = 0; i < sizeof text; i += 2)
		memcpy(text + i, "\r\n", 2);
	assert_int_equal(request_bytes(text, HTTP_HEAD_MAX - 2, &head), 0);
	assert_int_equal(request_bytes(text, HTTP_HEAD_MAX, &head), HTTP_TOO_LONG);
	memcpy(text + HTTP_HEAD_MAX - 18, "GET / HTTP/1.1\r\n\r\n", 18);
	assert_int_equal(request_bytes(text, sizeof text, &head), HTTP_HEAD_MAX);
	assert_int_equal(response_bytes(text, 2, &head), HTTP_BAD);
}

static void test_fields_have_a_limit(void **state)
{
	struct http_head head;
	char lines[1024] = "";

	(void)state;
	for (int i = 0; i < HTTP_FIELDS_MAX; i++)
		strcat(lines, "A: b\r\n");
	assert_true(with_fields(lines, &head) > 0);
	assert_int_equal(head.fields_count, HTTP_FIELDS_MAX);
	strcat(lines, "A: b\r\n");
	assert_int_equal(with_fields(lines, &head), HTTP_TOO_LONG);
	assert_int_equal(answer_with_fields(lines, &head), HTTP_TOO_LONG);
}

/* ---- framing --------------------------------------------------------------------------------- */

static const struct {
	const char *lines;
	int framing; /* or the error */
	uint64_t length;
} framings[] = {
    {"Content-Length: 0\r\n", HTTP_LENGTH, 0},
    {"content-length:5\r\n", HTTP_LENGTH, 5},
    {"Content-Length: 9223372036854775807\r\n", HTTP_LENGTH, INT64_MAX},
    {"Transfer-Encoding: chunked\r\n", HTTP_CHUNKED, 0},
    {"transfer-encoding: CHUNKED \r\n", HTTP_CHUNKED, 0},
    {"Content-Length: 9223372036854775808\r\n", HTTP_BAD, 0},
    {"Content-Length: 99999999999999999999\r\n", HTTP_BAD, 0},
    {"Content-Length: 5, 5\r\n", HTTP_BAD, 0},
    {"Content-Length: 5 5\r\n", HTTP_BAD, 0},
    {"Content-Length: -5\r\n", HTTP_BAD, 0},
    {"Content-Length: +5\r\n", HTTP_BAD, 0},
    {"Content-Length: 0x5\r\n", HTTP_BAD, 0},
    {"Content-Length: 5.0\r\n", HTTP_BAD, 0},
    {"Content-Length: \xB2\r\n", HTTP_BAD, 0},
    {"Content-Length:\r\n", HTTP_BAD, 0},
    {"Content-Length: 5\r\nContent-Length: 6\r\n", HTTP_BAD, 0},
    {"Content-Length: 5\r\ncontent-length: 5\r\n", HTTP_BAD, 0},
    {"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", HTTP_BAD, 0},
    {"Transfer-Encoding: chunked\r\nContent-Length: 0\r\n", HTTP_BAD, 0},
    {"Transfer-Encoding: gzip, chunked\r\n", HTTP_CODING, 0},
    {"Transfer-Encoding: gzip\r\n", HTTP_CODING, 0},
    {"Transfer-Encoding: identity\r\n", HTTP_CODING, 0},
    {"Transfer-Encoding: xchunked\r\n", HTTP_CODING, 0},
    {"Transfer-Encoding: chunked, chunked\r\n", HTTP_CODING, 0},
    {"Transfer-Encoding: \"chunked\"\r\n", HTTP_CODING, 0},
    {"Transfer-Encoding: chunked;q=1\r\n", HTTP_CODING, 0},
    {"Transfer-Encoding:\r\n", HTTP_CODING, 0},
    {"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", HTTP_CODING, 0},
    {"Transfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n", HTTP_CODING, 0},
};

static void check_framing(size_t i, int got, const struct http_head *head)
{
	if (framings[i].framing < 0 ? got != framings[i].framing : got <= 0)
		fail_msg("%s: %d", framings[i].lines, got);
	if (got > 0) {
		assert_int_equal(head->framing, framings[i].framing);
		assert_true(head->length == framings[i].length);
	}
}

static void test_framing_leaves_no_doubt(void **state)
{
	struct http_head head;

	(void)state;
	for (size_t i = 0; i < COUNT(framings); i++) {
		check_framing(i, with_fields(framings[i].lines, &head), &head);
		check_framing(i, answer_with_fields(framings[i].lines, &head), &head);
	}
	assert_int_equal(
	    request("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", &head), HTTP_BAD);
}

static void test_without_a_length(void **state)
{
	struct http_head head;

	(void)state;
	assert_true(with_fields("", &head) > 0);
	assert_int_equal(head.framing, HTTP_NO_BODY);
	assert_true(head.keep_alive);
	assert_true(answer_with_fields("", &head) > 0);
	assert_int_equal(head.framing, HTTP_UNTIL_CLOSE);
	assert_false(head.keep_alive);
}

static void test_some_answers_have_no_body(void **state)
{
	static const char *const lines[] = {
	    "100 Continue", "101 UPGRADED", "204 No Content", "304 x"};
	struct http_head head;
	char text[256];

	(void)state;
	for (size_t i = 0; i < COUNT(lines); i++) {
		snprintf(text, sizeof text, "HTTP/1.1 %s\r\nContent-Length: 5\r\n\r\n", lines[i]);
		assert_true(response(text, &head) > 0);
		assert_int_equal(head.framing, HTTP_NO_BODY);
	}
	strcpy(text, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
	assert_true(http_read_response(text, strlen(text), true, &head) > 0);
	assert_int_equal(head.framing, HTTP_NO_BODY);
	assert_true(head.keep_alive);
}

static void test_connection(void **state)
{
	static const struct {
		int minor;
		const char *lines;
		bool keep_alive;
	} cases[] = {
	    {1, "", true},
	    {1, "Connection: close\r\n", false},
	    {1, "connection: Upgrade, CLOSE\r\n", false},
	    {1, "Connection: upgrade\r\nConnection: close\r\n", false},
	    {1, "Connection: closed\r\n", true},
	    {1, "Connection: keep-alive, close\r\n", false},
	    {1, "Connection: keep-alive\r\n", true},
	    {0, "", false},
	    {0, "Connection: Keep-Alive\r\n", true},
	    {0, "Connection: close, keep-alive\r\n", false},
	};
	struct http_head head;
	char text[256];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		snprintf(
		    text, sizeof text, "GET / HTTP/1.%d\r\n%s\r\n", cases[i].minor, cases[i].lines);
		assert_true(request(text, &head) > 0);
		if (head.keep_alive != cases[i].keep_alive)
			fail_msg("HTTP/1.%d %s", cases[i].minor, cases[i].lines);
	}
}

static void test_only_a_1_1_client_expects_continue(void **state)
{
	struct http_head head;

	(void)state;
	assert_true(with_fields("Expect: other\r\n", &head) > 0);
	assert_false(head.expect_continue);
	assert_true(request("POST / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n", &head) > 0);
	assert_false(head.expect_continue);
}

/* ---- bodies ---------------------------------------------------------------------------------- */

static struct http_body body_of(enum http_framing framing, uint64_t length)
{
	struct http_head head = {.framing = framing, .length = length};
	struct http_body body;

	http_body_start(&body, &head);
	return body;
}

/* Feeds one piece as a caller does. Returns the last answer; *taken counts bytes taken. */
static int feed(struct http_body *body, const char *p, size_t n, struct buf *out, size_t *taken)
{
	char *piece = malloc(n ? n : 1);
	const char *at = piece;
	struct span data;
	int got;

	assert_non_null(piece);
	memcpy(piece, p, n);
	while ((got = http_body_feed(body, &at, &n, &data)) == 1) {
		assert_true(data.n > 0);
		assert_ptr_equal(data.p + data.n, at);
		buf_add_span(out, data);
	}
	*taken += (size_t)(at - piece);
	free(piece);
	return got;
}

/* The body in text, cut in three; returns what feeding ended with. */
static int feed_cut(enum http_framing framing, struct span text, size_t a, size_t b,
    struct buf *out, struct http_body *body, size_t *taken)
{
	int got;

	*body = body_of(framing, 10);
	*taken = 0;
	out->n = 0;
	got = feed(body, text.p, a, out, taken);
	if (got == 0 && !body->done)
		got = feed(body, text.p + a, b - a, out, taken);
	if (got == 0 && !body->done)
		got = feed(body, text.p + b, text.n - b, out, taken);
	return got;
}

static const struct {
	enum http_framing framing;
	const char *text, *body;
	int result; /* of the last feed */
	bool done;
	size_t behind; /* bytes left to the next message, or from the wrong one on */
} bodies[] = {
    {HTTP_NO_BODY, "HTTP/1.1", "", 0, true, 8},
    {HTTP_LENGTH, "0123456789GET", "0123456789", 0, true, 3},
    {HTTP_LENGTH, "012345678", "012345678", 0, false, 0},
    {HTTP_UNTIL_CLOSE, "any\r\n", "any\r\n", 0, false, 0},
    {HTTP_CHUNKED, "0\r\n\r\nGET", "", 0, true, 3},
    {HTTP_CHUNKED, "3\r\nabc\r\n0\r\n\r\n", "abc", 0, true, 0},
    {HTTP_CHUNKED, "3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\nHTTP", "abc0123456789", 0, true, 4},
    {HTTP_CHUNKED, "003\r\n\r\n\n\r\n00\r\n\r\n", "\r\n\n", 0, true, 0},
    {HTTP_CHUNKED, "1;a=b;c=\"d\t;\xFF\"\r\nx\r\n1 \t;y\r\nz\r\n0;last\r\n\r\n", "xz", 0, true, 0},
    {HTTP_CHUNKED, "1\r\nx\r\n0\r\nA: b\r\nC: \xFF d\r\n\r\nGET", "x", 0, true, 3},
    {HTTP_CHUNKED, "3\r\nab", "ab", 0, false, 0},
    {HTTP_CHUNKED, "3\r\nabc\r\n0\r\n", "abc", 0, false, 0},
    {HTTP_CHUNKED, "3\r\nabcd", "abc", HTTP_BAD, false, 1},
    {HTTP_CHUNKED, "3\r\nabc\n0\r\n", "abc", HTTP_BAD, false, 4},
    {HTTP_CHUNKED, "3\r\nabc\rx", "abc", HTTP_BAD, false, 1},
    {HTTP_CHUNKED, "3\nabc", "", HTTP_BAD, false, 4},
    {HTTP_CHUNKED, "3\rabc", "", HTTP_BAD, false, 3},
    {HTTP_CHUNKED, "\r\n", "", HTTP_BAD, false, 2},
    {HTTP_CHUNKED, " 3\r\n", "", HTTP_BAD, false, 4},
    {HTTP_CHUNKED, "3 \r\nabc", "", HTTP_BAD, false, 5},
    {HTTP_CHUNKED, "3 4\r\n", "", HTTP_BAD, false, 3},
    {HTTP_CHUNKED, "-1\r\n", "", HTTP_BAD, false, 4},
    {HTTP_CHUNKED, "+1\r\n", "", HTTP_BAD, false, 4},
    {HTTP_CHUNKED, "0x3\r\n", "", HTTP_BAD, false, 4},
    {HTTP_CHUNKED, ";a\r\n", "", HTTP_BAD, false, 4},
    {HTTP_CHUNKED, "g\r\n", "", HTTP_BAD, false, 3},
    {HTTP_CHUNKED, "3;a\nabc\r\n", "", HTTP_BAD, false, 6},
    {HTTP_CHUNKED, "3;a\rabc\r\n", "", HTTP_BAD, false, 5},
    {HTTP_CHUNKED, "3;\x01\r\nabc\r\n", "", HTTP_BAD, false, 8},
    {HTTP_CHUNKED, "8000000000000000\r\n", "", HTTP_BAD, false, 3},
    {HTTP_CHUNKED, "10000000000000001\r\nx", "", HTTP_BAD, false, 4},
    {HTTP_CHUNKED, "0\r\nA: b\n\r\n", "", HTTP_BAD, false, 3},
    {HTTP_CHUNKED, "0\r\n A: b\r\n\r\n", "", HTTP_BAD, false, 9},
    {HTTP_CHUNKED, "0\r\n\n", "", HTTP_BAD, false, 1},
    {HTTP_CHUNKED, "0\r\n\rx", "", HTTP_BAD, false, 1},
};

static void test_bodies_come_the_same_at_any_cut(void **state)
{
	struct http_body body;
	struct buf out;
	size_t taken;

	(void)state;
	buf_init(&out, 4096);
	for (size_t i = 0; i < COUNT(bodies); i++) {
		struct span text = span_of(bodies[i].text);

		for (size_t a = 0; a <= text.n; a++) {
			for (size_t b = a; b <= text.n; b++) {
				int got = feed_cut(
				    bodies[i].framing, text, a, b, &out, &body, &taken);

				if (got != bodies[i].result || body.done != bodies[i].done ||
				    !span_is((struct span){out.p, out.n}, bodies[i].body))
					fail_msg("%s at %zu, %zu: %d, %.*s", text.p, a, b, got,
					    (int)out.n, out.p ? out.p : "");
				if (taken != text.n - bodies[i].behind)
					fail_msg("%s: %zu left", text.p, text.n - taken);
			}
		}
	}
	buf_free(&out);
}

static void test_a_malformed_body_stays_malformed(void **state)
{
	struct http_body body = body_of(HTTP_CHUNKED, 0);
	const char *bad = "x", *good = "3\r\nabc\r\n0\r\n\r\n";
	size_t n = 1, m = strlen(good);
	struct span data;

	(void)state;
	assert_int_equal(http_body_feed(&body, &bad, &n, &data), HTTP_BAD);
	assert_int_equal(http_body_feed(&body, &good, &m, &data), HTTP_BAD);
	m = 0;
	assert_int_equal(http_body_feed(&body, &good, &m, &data), HTTP_BAD);
	assert_int_equal(http_body_close(&body), HTTP_BAD);
}

static void test_the_largest_chunk(void **state)
{
	struct http_body body = body_of(HTTP_CHUNKED, 0);
	const char *p = "7fffffffFFFFFFFF\r\nxy";
	size_t n = strlen(p);
	struct span data;

	(void)state;
	assert_int_equal(http_body_feed(&body, &p, &n, &data), 1);
	assert_span(data, "xy");
	assert_true(body.left == (uint64_t)INT64_MAX - 2);
}

static void test_a_length_of_zero_is_done_at_once(void **state)
{
	struct http_body body = body_of(HTTP_LENGTH, 0);

	(void)state;
	assert_true(body.done);
	assert_int_equal(http_body_close(&body), 0);
}

static void test_sizes_extensions_and_trailers_have_a_limit(void **state)
{
	static const struct {
		const char *begin;
		char fill;
	} floods[] = {{"", '0'}, {"1;", 'x'}, {"1", ' '}, {"0\r\nA: ", 'x'}};

	(void)state;
	for (size_t i = 0; i < COUNT(floods); i++) {
		struct http_body body = body_of(HTTP_CHUNKED, 0);
		const char *p = floods[i].begin;
		size_t n = strlen(p), fed = 0;
		struct span data;
		int got = http_body_feed(&body, &p, &n, &data);

		for (; got == 0 && fed < 2 * HTTP_HEAD_MAX; fed++) {
			p = &floods[i].fill;
			n = 1;
			got = http_body_feed(&body, &p, &n, &data);
		}
		assert_int_equal(got, HTTP_BAD);
		assert_in_range(fed, HTTP_HEAD_MAX - 16, HTTP_HEAD_MAX + 16);
	}
}

static void test_short_trailers_have_a_limit_together(void **state)
{
	struct http_body body = body_of(HTTP_CHUNKED, 0);
	const char *p = "0\r\n";
	size_t n = 3, lines = 0;
	struct span data;
	int got = http_body_feed(&body, &p, &n, &data);

	(void)state;
	for (; got == 0 && lines < HTTP_HEAD_MAX; lines++) {
		p = "A:b\r\n";
		n = 5;
		got = http_body_feed(&body, &p, &n, &data);
	}
	assert_int_equal(got, HTTP_BAD);
	assert_in_range(lines, HTTP_HEAD_MAX / 5 - 1, HTTP_HEAD_MAX / 5 + 1);
}

static void test_many_chunks_have_none(void **state)
{
	struct http_body body = body_of(HTTP_CHUNKED, 0);
	struct buf out;
	size_t taken = 0;

	(void)state;
	buf_init(&out, 100000);
	for (int i = 0; i < 20000; i++)
		assert_int_equal(feed(&body, "1;e\r\nx\r\n", 8, &out, &taken), 0);
	assert_int_equal(feed(&body, "0\r\n\r\n", 5, &out, &taken), 0);
	assert_true(body.done);
	assert_int_equal(out.n, 20000);
	buf_free(&out);
}

static void test_where_a_body_may_end_with_the_connection(void **state)
{
	static const struct {
		enum http_framing framing;
		const char *text;
		int result;
	} ends[] = {
	    {HTTP_NO_BODY, "", 0},
	    {HTTP_UNTIL_CLOSE, "", 0},
	    {HTTP_UNTIL_CLOSE, "abc", 0},
	    {HTTP_LENGTH, "0123456789", 0},
	    {HTTP_LENGTH, "012345678", HTTP_BAD},
	    {HTTP_CHUNKED, "", HTTP_BAD},
	    {HTTP_CHUNKED, "1\r\nx\r\n", HTTP_BAD},
	    {HTTP_CHUNKED, "1\r\nx\r\n0\r\n", HTTP_BAD},
	    {HTTP_CHUNKED, "1\r\nx\r\n0\r\n\r\n", 0},
	};
	struct http_body body;
	struct buf out;
	size_t taken;

	(void)state;
	buf_init(&out, 100);
	for (size_t i = 0; i < COUNT(ends); i++) {
		feed_cut(ends[i].framing, span_of(ends[i].text), 0, 0, &out, &body, &taken);
		assert_int_equal(http_body_close(&body), ends[i].result);
	}
	buf_free(&out);
}

/* ---- targets --------------------------------------------------------------------------------- */

static void test_decoding(void **state)
{
	static const struct {
		const char *text, *decoded; /* NULL: refused */
	} cases[] = {
	    {"", ""},
	    {"a+b", "a+b"},
	    {"%41%7a%2F%2f", "Az//"},
	    {"%C3%A9", "\xC3\xA9"},
	    {"12345678", "12345678"},
	    {"123456789", NULL},
	    {"12345678%41", NULL},
	    {"%", NULL},
	    {"%4", NULL},
	    {"a%4", NULL},
	    {"%4G", NULL},
	    {"%G4", NULL},
	    {"%%41", NULL},
	    {"%+1", NULL},
	    {"a%00", NULL},
	};
	char out[8];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		size_t n = strlen(cases[i].text);
		struct span s = {exactly(cases[i].text, n), n};
		int got = http_decode(s, out, sizeof out);

		if (!cases[i].decoded) {
			assert_int_equal(got, HTTP_BAD);
			continue;
		}
		assert_int_equal(got, strlen(cases[i].decoded));
		assert_memory_equal(out, cases[i].decoded, (size_t)got);
	}
	assert_int_equal(http_decode((struct span){"a\0b", 3}, out, sizeof out), HTTP_BAD);
}

static void test_encoding(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 4096);
	http_encode(&out, span_of("aZ09-._~ /?%+\xC3\xA9{\"}"));
	http_encode(&out, (struct span){"\0", 1});
	assert_true(
	    span_is((struct span){out.p, out.n}, "aZ09-._~%20%2F%3F%25%2B%C3%A9%7B%22%7D%00"));
	buf_free(&out);
}

static void test_what_is_encoded_decodes(void **state)
{
	char all[255], back[255];
	struct buf out;

	(void)state;
	for (int i = 0; i < 255; i++)
		all[i] = (char)(i + 1);
	buf_init(&out, 4096);
	http_encode(&out, (struct span){all, sizeof all});
	assert_int_equal(http_decode((struct span){out.p, out.n}, back, sizeof back), 255);
	assert_memory_equal(all, back, sizeof all);
	buf_free(&out);
}

static void test_query_parameters(void **state)
{
	static const struct {
		const char *query, *name, *value; /* NULL: absent */
	} cases[] = {
	    {"a=1&b=2", "a", "1"},
	    {"a=1&b=2", "b", "2"},
	    {"a=1&b=2", "c", NULL},
	    {"a=1&a=2", "a", "1"},
	    {"aa=1&a=2", "a", "2"},
	    {"a", "a", ""},
	    {"a=", "a", ""},
	    {"x&a&y", "a", ""},
	    {"a=b=c", "a", "b=c"},
	    {"a=%26+", "a", "%26+"},
	    {"&&a=1&", "a", "1"},
	    {"b=a", "a", NULL},
	    {"", "a", NULL},
	    {"&", "a", NULL},
	    {"=1", "a", NULL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		size_t n = strlen(cases[i].query);
		struct span value = http_query(
		    (struct span){exactly(cases[i].query, n), n}, cases[i].name);

		if (cases[i].value)
			assert_span(value, cases[i].value);
		else
			assert_null(value.p);
	}
	assert_null(http_query((struct span){NULL, 0}, "a").p);
}

static void test_reasons(void **state)
{
	(void)state;
	assert_string_equal(http_reason(200), "OK");
	assert_string_equal(http_reason(404), "Not Found");
	assert_string_equal(http_reason(431), "Request Header Fields Too Large");
	assert_string_equal(http_reason(299), "");
	assert_string_equal(http_reason(-1), "");
}

/* ---- damage ---------------------------------------------------------------------------------- */

/* A small generator, the same in each run. */
static uint32_t next_random(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

static void assert_inside(struct span s, const char *p, int n)
{
	assert_true(s.n == 0 || (s.p >= p && s.p + s.n <= p + n));
}

static void test_damaged_heads_are_refused_or_stay_inside(void **state)
{
	static const char bytes[] = "\r\n :,;\t/0\x7F\xFFxC";
	uint32_t seed = 2463534242u;
	struct http_head head;

	(void)state;
	for (int round = 0; round < 100000; round++) {
		size_t n = sizeof plain_request - 1;
		char *text = exactly(plain_request, n);
		int got;

		for (uint32_t k = 1 + next_random(&seed) % 3; k > 0; k--)
			text[next_random(&seed) % n] = bytes[next_random(&seed) % sizeof bytes];
		got = http_read_request(text, n, &head);
		assert_true(got <= (int)n && got >= HTTP_CODING);
		if (got <= 0)
			continue;
		assert_memory_equal(text + got - 4, "\r\n\r\n", 4);
		assert_inside(head.method, text, got);
		assert_inside(head.target, text, got);
		for (size_t i = 0; i < head.fields_count; i++) {
			assert_inside(head.fields[i].name, text, got);
			assert_inside(head.fields[i].value, text, got);
			assert_null(memchr(head.fields[i].value.p, '\n', head.fields[i].value.n));
		}
	}
}

static void test_no_damage_makes_a_cut_head_differ(void **state)
{
	static const char bytes[] = "\r\n :,;\t/0\x7F\xFFxC";
	uint32_t seed = 88172645u;
	struct http_head head;

	(void)state;
	for (int round = 0; round < 500; round++) {
		char text[sizeof plain_request];
		size_t n = sizeof text - 1;
		int whole, got = 0;

		memcpy(text, plain_request, sizeof text);
		text[next_random(&seed) % n] = bytes[next_random(&seed) % sizeof bytes];
		whole = request_bytes(text, n, &head);
		for (size_t cut = 0; cut <= n && got == 0; cut++)
			got = request_bytes(text, cut, &head);
		assert_int_equal(got, whole);
	}
	exactly("", 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_request_is_read),
	    cmocka_unit_test(test_a_response_is_read),
	    cmocka_unit_test(test_no_cut_head_is_taken_or_refused),
	    cmocka_unit_test(test_what_follows_a_head_does_not_matter),
	    cmocka_unit_test(test_request_lines),
	    cmocka_unit_test(test_status_lines),
	    cmocka_unit_test(test_field_lines),
	    cmocka_unit_test(test_bare_line_ends_are_refused),
	    cmocka_unit_test(test_garbage_is_refused_at_its_first_byte),
	    cmocka_unit_test(test_a_field_is_counted_in_any_case),
	    cmocka_unit_test(test_a_head_has_a_limit),
	    cmocka_unit_test(test_a_request_line_has_a_limit),
	    cmocka_unit_test(test_empty_lines_before_a_request_have_a_limit),
	    cmocka_unit_test(test_fields_have_a_limit),
	    cmocka_unit_test(test_framing_leaves_no_doubt),
	    cmocka_unit_test(test_without_a_length),
	    cmocka_unit_test(test_some_answers_have_no_body),
	    cmocka_unit_test(test_connection),
	    cmocka_unit_test(test_only_a_1_1_client_expects_continue),
	    cmocka_unit_test(test_bodies_come_the_same_at_any_cut),
	    cmocka_unit_test(test_a_malformed_body_stays_malformed),
	    cmocka_unit_test(test_the_largest_chunk),
	    cmocka_unit_test(test_a_length_of_zero_is_done_at_once),
	    cmocka_unit_test(test_sizes_extensions_and_trailers_have_a_limit),
	    cmocka_unit_test(test_short_trailers_have_a_limit_together),
	    cmocka_unit_test(test_many_chunks_have_none),
	    cmocka_unit_test(test_where_a_body_may_end_with_the_connection),
	    cmocka_unit_test(test_decoding),
	    cmocka_unit_test(test_encoding),
	    cmocka_unit_test(test_what_is_encoded_decodes),
	    cmocka_unit_test(test_query_parameters),
	    cmocka_unit_test(test_reasons),
	    cmocka_unit_test(test_damaged_heads_are_refused_or_stay_inside),
	    cmocka_unit_test(test_no_damage_makes_a_cut_head_differ),
	};

	return cmocka_run_group_tests_name("http", tests, NULL, NULL);
}
