/* http.h - HTTP/1.1 as bytes, both directions, without a descriptor and without allocation.
 * A head (start line and fields) is read whole from the caller's buffer, as spans into it; a body
 * is then fed through in any cuts. RFC 9110 and 9112; what those allow but smugglers love is
 * refused: bare CR or LF, folded fields, blanks before the colon, Content-Length beside
 * Transfer-Encoding, more than one Content-Length, any transfer coding but chunked. */
#ifndef AUTOHEAL_HTTP_H
#define AUTOHEAL_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "buf.h"
#include "text.h"

#define HTTP_HEAD_MAX 8192 /* bytes of a head; a longer one is HTTP_TOO_LONG */
#define HTTP_FIELDS_MAX 48 /* fields of a head; more are HTTP_TOO_LONG */

/* Results below zero of the functions here. */
enum http_error {
	HTTP_BAD = -1,          /* not HTTP, or one of the refused forms (400) */
	HTTP_TOO_LONG = -2,     /* head over a limit (431) */
	HTTP_URI_TOO_LONG = -3, /* no end of the request line within 4,096 bytes (414) */
	HTTP_VERSION = -4,      /* an HTTP other than 1.0 and 1.1 (505) */
	HTTP_CODING = -5,       /* a transfer coding that is not just chunked (501) */
};

struct http_field {
	struct span name, value; /* value trimmed */
};

/* How the end of a body is known. */
enum http_framing {
	HTTP_NO_BODY,
	HTTP_LENGTH, /* `length` bytes */
	HTTP_CHUNKED,
	HTTP_UNTIL_CLOSE, /* responses only */
};

struct http_head {
	struct span method, target; /* requests */
	int status;                 /* responses, 100 to 599 */
	struct span reason;
	int minor;            /* HTTP/1.minor */
	bool keep_alive;      /* what version and Connection say (RFC 9112 9.3) */
	bool expect_continue; /* Expect: 100-continue */
	enum http_framing framing;
	uint64_t length;
	size_t fields_count;
	struct http_field fields[HTTP_FIELDS_MAX];
};

/* Reads the head of a request at the start of p. Returns its length with the empty line, 0 while it is not
 * complete, or an http_error. Empty lines before it are passed over and counted in (RFC 9112 2.2). */
int http_read_request(const char *p, size_t n, struct http_head *head);
/* The same for a response. An informational one (1xx) is returned as any other: the caller drops it
 * and reads on. head_request tells that the request was HEAD, whose answer has no body. */
int http_read_response(const char *p, size_t n, bool head_request, struct http_head *head);
/* The value of the first field of this name, or a span with p == NULL. */
struct span http_field(const struct http_head *head, const char *name);
/* How many fields have this name (two Hosts are a 400). */
size_t http_field_count(const struct http_head *head, const char *name);

/* A body on its way. */
struct http_body {
	enum http_framing framing;
	uint8_t state; /* of the chunked coding */
	bool done;
	uint32_t line; /* bytes of the chunk-size line or trailers so far, at most HTTP_HEAD_MAX */
	uint64_t left; /* bytes of this body or chunk still to come */
};

void http_body_start(struct http_body *body, const struct http_head *head);
/* Takes bytes from *p, *n (both moved on) until it has a run of body bytes, which *data then points
 * at, inside the caller's bytes; or all is taken. Returns 1 with data, 0 when more input is needed
 * or the body is done (body->done), HTTP_BAD when the chunks are malformed. After done nothing more
 * is taken: what is left in *p belongs to the next message. */
int http_body_feed(struct http_body *body, const char **p, size_t *n, struct span *data);
/* The connection ended: 0 when the body may end here (HTTP_UNTIL_CLOSE, or done), else HTTP_BAD. */
int http_body_close(struct http_body *body);

/* Percent-decodes s into out; '+' stays a plus. Returns the bytes written (no terminator), or
 * HTTP_BAD on a malformed escape, an encoded zero byte, or no room. */
int http_decode(struct span s, char *out, size_t cap);
/* Adds s percent-encoded: all bytes but RFC 3986 unreserved ones. */
void http_encode(struct buf *out, struct span s);
/* The raw value of a parameter in the query (the part behind '?'), p == NULL when absent. The first one counts. */
struct span http_query(struct span query, const char *name);
/* The standard reason phrase of a status that autoheal answers with, "" for any other. */
const char *http_reason(int status);

#endif
