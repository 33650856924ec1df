/* server.c - the HTTP/1.1 server of server.h. */
#include "server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "json.h"
#include "log.h"

#define IN_MAX (HTTP_HEAD_MAX + 2 * SERVER_BODY_MAX) /* a request, and what a client sends ahead */

/* ---- clients -------------------------------------------------------------------------------- */

static void end_request(struct server_client *c)
{
	if (!c->request)
		return;
	buf_free(&c->request->body);
	free(c->request->tokens);
	free(c->request->head_bytes);
	free(c->request);
	c->request = NULL;
}

static void release(struct server_client *c)
{
	struct server *s = c->server;

	if (c->gone)
		c->gone(c);
	for (size_t i = 0; i < s->count; i++) {
		if (s->clients[i] == c) {
			s->clients[i] = s->clients[--s->count];
			break;
		}
	}
	loop_cancel(s->loop, &c->timer);
	loop_forget(s->loop, c->stream.fd);
	net_close(&c->stream);
	end_request(c);
	buf_free(&c->in);
	buf_free(&c->out);
	free(c);
}

size_t server_backlog(const struct server_client *c)
{
	return c->out.n - c->sent;
}

static void want(struct server_client *c)
{
	unsigned wants = 0;

	/* While an answer is under way nothing more is read: the client waits, and so does its next request. */
	if ((!c->answering || c->pulse) && !c->ended)
		wants |= LOOP_READ;
	if (server_backlog(c) || c->goes_on || c->closing) /* or it would never be released */
		wants |= LOOP_WRITE;
	loop_wants(c->server->loop, c->stream.fd, wants);
}

static void write_out(struct server_client *c)
{
	while (server_backlog(c)) {
		ssize_t n = net_write(&c->stream, c->out.p + c->sent, server_backlog(c));

		if (n == -EAGAIN)
			return;
		if (n < 0) {
			c->closing = true;
			return;
		}
		c->sent += (size_t)n;
		loop_after(c->server->loop, &c->timer, SERVER_STUCK_MS);
	}
	c->sent = c->out.n = 0;
	if (!c->out.lent)
		buf_free(&c->out);
}

/* ---- who may ask -------------------------------------------------------------------------------------------------------
 */

static bool is_literal(struct span host)
{
	struct net_address a;

	return net_literal(&a, host, 0);
}

static bool is_known_host(const struct settings *s, struct span host)
{
	struct span rest = span_of(s->api_hosts), name;
	char text[256];

	span_copy(host, text, sizeof(text));
	while (span_next(&rest, ',', &name))
		if (span_is_nocase(name, text))
			return true;
	return false;
}

/* A page of somebody else can make a browser send requests here under a name of its own (DNS
 * rebinding); it cannot choose a literal address or a name without a dot. */
static bool is_good_host(const struct settings *s, struct span authority)
{
	struct span host;
	uint16_t port;

	if (!net_split_host(authority, &host, &port))
		return false;
	for (size_t i = 0; i < host.n; i++)
		if (host.p[i] <= ' ' || host.p[i] > '~' || strchr("/@?#\\%", host.p[i]))
			return false;
	return is_literal(host) || !memchr(host.p, '.', host.n) || is_known_host(s, host);
}

static bool is_good_origin(const struct settings *s, struct span origin, struct span authority)
{
	struct span rest, host;
	uint16_t port;

	if (!origin.p)
		return true;
	if (span_starts(origin, "http://"))
		rest = (struct span){origin.p + 7, origin.n - 7};
	else if (span_starts(origin, "https://"))
		rest = (struct span){origin.p + 8, origin.n - 8};
	else
		return false;
	if (span_equal(rest, authority))
		return true;
	return net_split_host(rest, &host, &port) && is_known_host(s, host);
}

/* Takes the same time wherever the first difference stands. */
static bool is_token(const struct server *s, struct span given)
{
	size_t n = strlen(s->token);
	unsigned char differs = given.n != n;

	if (!n)
		return false;
	for (size_t i = 0; i < given.n; i++)
		differs |= (unsigned char)(given.p[i] ^ s->token[i % n]);
	return !differs;
}

static bool brings_token(const struct server *s, const struct http_head *head)
{
	struct span given = http_field(head, "Authorization"), scheme;

	if (given.n < 7)
		return false;
	scheme = (struct span){given.p, 7};
	if (!span_is_nocase(scheme, "Bearer "))
		return false;
	return is_token(s, span_trim((struct span){given.p + 7, given.n - 7}));
}

static bool is_admitted(struct server_client *c, struct server_request *r)
{
	const struct settings *s = c->server->settings;
	struct span host = http_field(&r->head, "Host");

	if (http_field_count(&r->head, "Host") > 1 || (!host.p && r->head.minor)) {
		server_error(c, 400, "The request needs exactly one Host header");
		return false;
	}
	if (r->authority.p) /* it counts in place of Host (RFC 9112 3.2.2) */
		host = r->authority;
	if (host.p && !is_good_host(s, host)) {
		server_error(c, 403,
		    "The name '%.*s' in the Host header is not known here; add it to AUTOHEAL_API_HOSTS if it is yours",
		    (int)(host.n < 128 ? host.n : 128), host.p);
		return false;
	}
	if (!is_good_origin(s, http_field(&r->head, "Origin"), host)) {
		server_error(c, 403,
		    "Requests from other origins are refused; add yours to AUTOHEAL_API_HOSTS");
		return false;
	}
	r->authorized = brings_token(c->server, &r->head);
	r->sees_all = r->authorized || s->reads == READ_OPEN;
	return true;
}

static bool wants_token(struct server_client *c, const char *answer)
{
	server_answer(c, 401, "application/json", "WWW-Authenticate: Bearer\r\n", span_of(answer));
	return false;
}

bool server_may_read(struct server_client *c)
{
	return c->request->authorized || c->server->settings->reads != READ_TOKEN ||
	    wants_token(c, "{\"error\":\"AUTOHEAL_API_READS=token: reading needs the token\"}");
}

bool server_may_write(struct server_client *c, bool always)
{
	const struct server *s = c->server;

	if (c->request->authorized || (s->settings->writes_open && !always))
		return true;
	if (!s->token[0])
		server_error(c, 403,
		    "Changes need a token: set AUTOHEAL_API_TOKEN (or AUTOHEAL_API_TOKEN_FILE) and send it "
		    "as 'Authorization: Bearer TOKEN'");
	else
		wants_token(c,
		    "{\"error\":\"This needs the token: send it as 'Authorization: Bearer TOKEN'\"}");
	return false;
}

/* ---- answers ----------------------------------------------------------------------------- */

static void put_head(struct server_client *c, int status, const char *type, const char *extra)
{
	const char *reason = http_reason(status);

	buf_print(&c->out,
	    "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nX-Content-Type-Options: nosniff\r\n", status,
	    reason, type);
	if (!span_starts(span_of(extra), "ETag:")) /* what has no validator is not to be kept */
		buf_add_text(&c->out, "Cache-Control: no-store\r\n");
	buf_add_text(&c->out, extra);
	if (!c->keep_alive)
		buf_add_text(&c->out, "Connection: close\r\n");
}

/* The answer is complete in the buffer. */
static void answered(struct server_client *c)
{
	c->answering = c->chunked = false;
	c->answered = true;
	c->more = NULL;
	c->gone = NULL;
	c->job = NULL;
	c->pulse = NULL;
	c->since = c->server->loop->now;
	if (c->out.failed)
		c->closing = true;
	if (!c->keep_alive)
		c->ended = true;
	if (!c->busy)
		want(c);
}

void server_answer(
    struct server_client *c, int status, const char *type, const char *extra, struct span body)
{
	put_head(c, status, type, extra);
	if (status != 304)
		buf_print(&c->out, "Content-Length: %zu\r\n", body.n);
	buf_add_text(&c->out, "\r\n");
	if (!c->head_only) {
		if (c->out.max < c->out.n + body.n)
			c->out.max = c->out.n + body.n;
		buf_add_span(&c->out, body);
	}
	answered(c);
}

void server_answer_json(struct server_client *c, int status, const struct buf *body)
{
	if (body->failed) {
		server_error(c, 500, "There is not enough memory for this answer");
		return;
	}
	server_answer(c, status, "application/json", "", (struct span){body->p, body->n});
}

__attribute__((format(printf, 4, 0))) static void put_error(
    struct server_client *c, int status, const char *member, const char *format, va_list args)
{
	char sentence[512];
	struct json_writer w;
	struct buf body;

	text_vprint(sentence, sizeof(sentence), format, args);
	buf_init(&body, 4096);
	json_start(&w, &body);
	json_print(&w, "{ error %s", sentence);
	if (member)
		json_print(&w, "member %s", member);
	json_close(&w, '}');
	server_answer(c, status, "application/json", "", (struct span){body.p, body.n});
	buf_free(&body);
}

void server_error(struct server_client *c, int status, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	put_error(c, status, NULL, format, args);
	va_end(args);
}

void server_error_about(
    struct server_client *c, int status, const char *member, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	put_error(c, status, member, format, args);
	va_end(args);
}

void server_piece(struct server *s, struct buf *piece, size_t max)
{
	buf_lend(piece, s->piece_lent, SERVER_LENT, max);
}

void server_stream_begin(struct server_client *c, int status, const char *type)
{
	c->chunked = c->request->head.minor > 0;
	if (!c->chunked)
		c->keep_alive = false; /* HTTP/1.0 knows the end by the close alone */
	put_head(c, status, type, c->chunked ? "Transfer-Encoding: chunked\r\n" : "");
	buf_add_text(&c->out, "\r\n");
}

void server_stream(struct server_client *c, struct span piece)
{
	if (!piece.n || c->head_only)
		return;
	if (c->chunked)
		buf_print(&c->out, "%zx\r\n", piece.n);
	buf_add_span(&c->out, piece);
	if (c->chunked)
		buf_add_text(&c->out, "\r\n");
	if (c->out.failed)
		c->closing = true;
	if (!c->busy)
		want(c);
}

void server_stream_end(struct server_client *c)
{
	if (c->chunked && !c->head_only)
		buf_add_text(&c->out, "0\r\n\r\n");
	answered(c);
}

void server_break(struct server_client *c)
{
	c->closing = true;
	if (!c->busy)
		want(c);
}

void server_endless(struct server_client *c, const char *pulse)
{
	c->pulse = pulse;
	buf_free(&c->in);
}

void server_go_on(struct server_client *c)
{
	c->goes_on = true;
	want(c);
}

/* ---- requests ---------------------------------------------------------------------------- */

static void refuse(struct server_client *c, int status, const char *sentence)
{
	c->keep_alive = false;
	c->answering = true;
	server_error(c, status, "%s", sentence);
}

static void refuse_head(struct server_client *c, int error)
{
	switch (error) {
	case HTTP_TOO_LONG:
		refuse(c, 431, "The head of the request is longer than 8 KiB");
		return;
	case HTTP_URI_TOO_LONG:
		refuse(c, 414, "The request line is too long");
		return;
	case HTTP_VERSION:
		refuse(c, 505, "Only HTTP/1.0 and HTTP/1.1 are spoken here");
		return;
	case HTTP_CODING:
		refuse(c, 501, "Only the transfer coding 'chunked' is known here");
		return;
	default:
		refuse(c, 400, "This is no HTTP/1.1 request");
	}
}

/* The path, decoded, and the query. An absolute form's scheme and authority are passed over. */
static bool read_target(struct server_request *r)
{
	struct span target = r->head.target;
	const char *mark;
	int n;

	if (span_starts(target, "http://")) {
		const char *slash = memchr(target.p + 7, '/', target.n - 7);

		if (!slash)
			return false;
		r->authority = (struct span){target.p + 7, (size_t)(slash - target.p) - 7};
		target = (struct span){slash, target.n - (size_t)(slash - target.p)};
	}
	mark = memchr(target.p, '?', target.n);
	r->query = (struct span){NULL, 0};
	if (mark) {
		r->query = (struct span){mark + 1, target.n - (size_t)(mark + 1 - target.p)};
		target.n = (size_t)(mark - target.p);
	}
	n = http_decode(target, r->path, sizeof(r->path) - 1);
	if (n < 0)
		return false;
	r->path[n] = 0;
	return true;
}

static void dispatch(struct server_client *c)
{
	struct server_request *r = c->request;

	c->answering = true;
	loop_after(c->server->loop, &c->timer, SERVER_STUCK_MS);
	if (!read_target(r)) {
		server_error(c, 404, "There is nothing at an address that cannot be read");
		return;
	}
	if (is_admitted(c, r))
		c->server->route(c->server->owner, c, r);
}

/* Bytes of its body. */
static size_t body_max(const struct server *s, struct server_request *r)
{
	char call[64];

	if (r->head.framing == HTTP_NO_BODY || !brings_token(s, &r->head) || !read_target(r))
		return SERVER_BODY_MAX;
	text_print(call, sizeof(call), "%.*s %s", JSON_SPAN(r->head.method), r->path);
	for (const char *large = s->large; large && *large; large += strlen(large) + 1)
		if (!strcmp(large, call))
			return SERVER_LARGE_MAX;
	return SERVER_BODY_MAX;
}

static void refuse_body(struct server_client *c)
{
	char sentence[64];

	text_print(sentence, sizeof(sentence), "The request's body is larger than %zu KiB",
	    c->request->body.max / 1024);
	refuse(c, 413, sentence);
}

/* Takes the next request's head off the bytes that came; false while it is not whole, or refused. */
static bool begin_request(struct server_client *c)
{
	struct server_request *r;
	struct http_head head;
	int length = http_read_request(c->in.p, c->in.n, &head);

	if (length < 0)
		refuse_head(c, length);
	if (length <= 0)
		return false;
	r = calloc(1, sizeof(*r));
	c->request = r;
	if (r)
		r->head_bytes = malloc((size_t)length);
	if (!r || !r->head_bytes) {
		c->closing = true;
		return false;
	}
	/* its own copy, so that what comes behind may move */
	memcpy(r->head_bytes, c->in.p, (size_t)length);
	http_read_request(r->head_bytes, (size_t)length, &r->head);
	buf_drop(&c->in, (size_t)length);
	buf_init(&r->body, body_max(c->server, r));
	http_body_start(&r->incoming, &r->head);
	c->answered = false;
	c->keep_alive = r->head.keep_alive;
	c->head_only = span_is(r->head.method, "HEAD");
	if (r->head.framing == HTTP_LENGTH && r->head.length > r->body.max) {
		refuse_body(c);
		return false;
	}
	if (r->head.expect_continue && r->head.framing != HTTP_NO_BODY)
		buf_add_text(&c->out, "HTTP/1.1 100 Continue\r\n\r\n");
	return true;
}

/* Takes the bytes of the body; false while it is not whole, or refused. */
static bool feed_body(struct server_client *c)
{
	struct server_request *r = c->request;
	const char *p = c->in.p;
	size_t n = c->in.n;
	struct span data;
	int got;

	while ((got = http_body_feed(&r->incoming, &p, &n, &data)) > 0)
		buf_add_span(&r->body, data);
	buf_drop(&c->in, c->in.n - n);
	if (got < 0)
		refuse(c, 400, "The chunks of the request's body are malformed");
	else if (r->body.starved)
		refuse(c, 503, "There is no memory left for this request");
	else if (r->body.failed)
		refuse_body(c);
	return got == 0 && !r->body.failed && r->incoming.done;
}

/* Goes through the requests that are there, one after another, as long as the client takes the answers. */
static void advance(struct server_client *c)
{
	while (!c->closing && !c->ended && !c->answering && server_backlog(c) < SERVER_OUT_HIGH) {
		if (c->answered)
			end_request(c);
		c->answered = false;
		if (!c->request && !c->in.n) {
			buf_free(&c->in);
			return;
		}
		if (!c->request && !begin_request(c))
			return;
		if (!feed_body(c))
			return;
		dispatch(c);
	}
}

/* One piece of a long answer a turn: others, and the engine's events above all, are not to wait for a second one. */
static void pump(struct server_client *c)
{
	bool again, room;

	advance(c);
	room = server_backlog(c) < SERVER_OUT_HIGH / 2;
	again = room && !c->closing && c->answering && c->more && c->more(c);
	if (!c->closing && server_backlog(c)) {
		size_t before = server_backlog(c);

		write_out(c);
		again |= !c->answering && server_backlog(c) < before && c->in.n;
		again |= !room && c->answering && c->more; /* it has not been asked yet */
	}
	c->goes_on = again && !c->closing && server_backlog(c) < SERVER_OUT_HIGH / 2;
}

static void read_in(struct server_client *c)
{
	struct server *s = c->server;
	ssize_t got = net_read(&c->stream, s->workspace, s->workspace_size);

	if (got == -EAGAIN)
		return;
	if (got <= 0) {
		c->closing = true;
		return;
	}
	if (c->pulse)
		return;
	if (!c->in.n && !c->request)
		loop_after(s->loop, &c->timer, SERVER_REQUEST_MS);
	buf_add(&c->in, s->workspace, (size_t)got);
	if (c->in.failed)
		c->closing = true;
}

static bool is_idle(const struct server_client *c)
{
	return !c->in.n && !server_backlog(c) && (!c->request || c->answered);
}

static void timed_out(void *owner)
{
	struct server_client *c = owner;

	if (c->answering && !server_backlog(c)) {
		/* the client waits for us, not we for it */
		if (c->pulse)
			server_stream(c, span_of(c->pulse));
		loop_after(c->server->loop, &c->timer, SERVER_STUCK_MS);
		return;
	}
	c->busy = true;
	if (!is_idle(c) && !server_backlog(c)) {
		refuse(c, 408, "The request did not arrive within 10 seconds");
		write_out(c);
	}
	release(c);
}

static void client_ready(void *owner, unsigned what)
{
	struct server_client *c = owner;

	c->busy = true;
	if (!c->out.n)
		buf_lend(&c->out, c->server->out_lent, SERVER_LENT, SERVER_OUT_MAX);
	if (what & LOOP_READ && (!c->answering || c->pulse) && !c->ended)
		read_in(c);
	if (!c->closing)
		pump(c);
	c->busy = false;
	buf_keep(&c->out);
	c->closing |= c->out.failed;
	if (c->ended && !c->answering && !server_backlog(c))
		c->closing = true;
	if (c->closing) {
		release(c);
		return;
	}
	if (is_idle(c) && !c->answering)
		loop_after(c->server->loop, &c->timer, SERVER_IDLE_MS);
	want(c);
}

/* ---- listening --------------------------------------------------------------------------- */

static void refuse_client(int fd)
{
	static const char busy[] =
	    "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nConnection: close\r\n"
	    "Content-Length: 50\r\n\r\n{\"error\":\"Too many clients at once, try it later\"}";

	_Static_assert(sizeof("{\"error\":\"Too many clients at once, try it later\"}") - 1 == 50,
	    "Content-Length");
	if (send(fd, busy, sizeof(busy) - 1, MSG_NOSIGNAL) < 0)
		log_line(LOG_DEBUG, "api", "A client was refused and did not even take the answer");
	close(fd);
}

/* At the limit the client goes that has been idle longest; false when none is idle. */
static bool make_room(struct server *s)
{
	struct server_client *oldest = NULL;

	if (s->count < s->clients_max)
		return true;
	for (size_t i = 0; i < s->count; i++)
		if (is_idle(s->clients[i]) && (!oldest || s->clients[i]->since < oldest->since))
			oldest = s->clients[i];
	if (oldest)
		release(oldest);
	return oldest != NULL;
}

static void take_client(struct server *s, int fd)
{
	struct server_client *c = make_room(s) ? calloc(1, sizeof(*c)) : NULL;

	if (!c) {
		refuse_client(fd);
		return;
	}
	c->server = s;
	c->since = s->loop->now;
	net_adopt(&c->stream, fd);
	buf_init(&c->in, IN_MAX);
	buf_init(&c->out, SERVER_OUT_MAX);
	c->timer = (struct loop_timer){.fire = timed_out, .owner = c};
	if (!loop_watch(s->loop, fd, LOOP_READ, client_ready, c)) {
		net_close(&c->stream);
		free(c);
		return;
	}
	loop_can_wait(s->loop, fd);
	s->clients[s->count++] = c;
	loop_after(s->loop, &c->timer, SERVER_REQUEST_MS);
}

static void listen_for(struct server *s, unsigned wants)
{
	if (s->listener >= 0)
		loop_wants(s->loop, s->listener, wants);
	if (s->local_listener >= 0)
		loop_wants(s->loop, s->local_listener, wants);
}

static void pause_over(void *owner)
{
	listen_for(owner, LOOP_READ);
}

/* Beyond our own budget, the system may be short of descriptors or memory: then a listener stays ready without
 * a client to be had, and would keep the loop awake. */
static bool is_shortage(int error)
{
	return error == -EMFILE || error == -ENFILE || error == -ENOBUFS || error == -ENOMEM;
}

static void accept_all(struct server *s, int listener)
{
	/* a bounded number a turn, so that a flood of clients does not starve the engine's events */
	for (int i = 0; i < 16; i++) {
		int fd = net_accept(listener);

		if (is_shortage(fd)) {
			listen_for(s, 0);
			loop_after(s->loop, &s->pause, SERVER_PAUSE_MS);
		}
		if (fd < 0)
			return;
		take_client(s, fd);
	}
}

static void listener_ready(void *owner, unsigned what)
{
	struct server *s = owner;

	(void)what;
	accept_all(s, s->listener);
}

static void local_ready(void *owner, unsigned what)
{
	struct server *s = owner;

	(void)what;
	accept_all(s, s->local_listener);
}

static void listen_again(void *owner)
{
	struct server *s = owner;

	s->listener = net_listen(&s->address);
	if (s->listener >= 0 && loop_watch(s->loop, s->listener, LOOP_READ, listener_ready, s)) {
		log_line(LOG_INFO, "api", "The API and the page are at %s", s->settings->listen);
		return;
	}
	log_line(LOG_ERROR, "api",
	    "Cannot listen on AUTOHEAL_LISTEN=%s: %s. Healing goes on; it is tried again every %llu s",
	    s->settings->listen, text_error(-s->listener),
	    (unsigned long long)s->settings->interval / 1000);
	loop_after(s->loop, &s->again, s->settings->interval);
}

static void listen_locally(struct server *s)
{
	struct net_address a;

	if (!net_local(&a, span_of(s->local_name)))
		return;
	s->local_listener = net_listen(&a);
	if (s->local_listener >= 0 &&
	    loop_watch(s->loop, s->local_listener, LOOP_READ, local_ready, s))
		return;
	log_line(LOG_WARNING, "api",
	    "The name %s is taken: another autoheal runs in this network namespace. `autoheal health` and `explain` "
	    "reach that one; give this one a name with AUTOHEAL_INSTANCE",
	    s->local_name);
}

void server_start(struct server *s)
{
	s->listener = s->local_listener = -1;
	s->again = (struct loop_timer){.fire = listen_again, .owner = s};
	s->pause = (struct loop_timer){.fire = pause_over, .owner = s};
	if (s->listens)
		listen_again(s);
	listen_locally(s);
}

static void close_listener(struct server *s, int fd)
{
	if (fd < 0)
		return;
	loop_forget(s->loop, fd);
	close(fd);
}

void server_close(struct server *s)
{
	while (s->count)
		release(s->clients[0]);
	loop_cancel(s->loop, &s->again);
	loop_cancel(s->loop, &s->pause);
	close_listener(s, s->listener);
	close_listener(s, s->local_listener);
	if (s->listens && s->listener >= 0 && s->address.to.any.sa_family == AF_UNIX &&
	    s->address.to.local.sun_path[0])
		unlink(s->address.to.local.sun_path);
}

/* ---- settings ---------------------------------------------------------------------------- */

void server_local_name(const struct settings *settings, char out[64])
{
	if (settings->instance[0])
		text_print(out, 64, "@autoheal-%.40s", settings->instance);
	else
		text_print(out, 64, "@autoheal");
}

static bool read_listen(struct server *s, struct span listen)
{
	struct span host;
	uint16_t port;

	if (span_is_nocase(listen, "off"))
		return true;
	s->listens = true;
	if (span_starts(listen, "unix:"))
		return net_local(&s->address, (struct span){listen.p + 5, listen.n - 5});
	if (!net_split_host(listen, &host, &port) || !port)
		return false;
	if (span_is_nocase(host, "localhost"))
		host = span_of("127.0.0.1");
	return net_literal(&s->address, host, port);
}

static int read_token_file(struct server *s, const char *path, char *error, size_t error_size)
{
	char bytes[SERVER_TOKEN_MAX + 2];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, bytes, sizeof(bytes));
	int code = errno;
	struct span token;

	if (fd >= 0)
		close(fd);
	if (n < 0) {
		text_print(error, error_size,
		    "AUTOHEAL_API_TOKEN_FILE is '%s', which cannot be read: %s", path,
		    text_error(code));
		return -1;
	}
	token = span_trim((struct span){bytes, (size_t)n});
	if (!token.n || token.n >= sizeof(s->token)) {
		text_print(error, error_size,
		    "AUTOHEAL_API_TOKEN_FILE is '%s', which must hold a token of 1 to %d bytes",
		    path, SERVER_TOKEN_MAX - 1);
		return -1;
	}
	span_copy(token, s->token, sizeof(s->token));
	return 0;
}

int server_init(struct server *s, struct loop *loop, const struct settings *settings,
    char *workspace, size_t workspace_size, char *error, size_t error_size)
{
	s->loop = loop;
	s->settings = settings;
	s->workspace = workspace;
	s->workspace_size = workspace_size;
	s->clients_max = SERVER_CLIENTS_MAX;
	s->listener = s->local_listener = -1;
	server_local_name(settings, s->local_name);
	if (!read_listen(s, span_trim(span_of(settings->listen)))) {
		text_print(error, error_size,
		    "AUTOHEAL_LISTEN is '%.80s', but must be ADDRESS:PORT such as 127.0.0.1:8080 or [::1]:8080, unix:PATH, "
		    "or off",
		    settings->listen);
		return -1;
	}
	if (settings->api_token_file[0])
		return read_token_file(s, settings->api_token_file, error, error_size);
	if (strlen(settings->api_token) >= sizeof(s->token)) {
		text_print(error, error_size, "AUTOHEAL_API_TOKEN is longer than %d bytes",
		    SERVER_TOKEN_MAX - 1);
		return -1;
	}
	span_copy(span_trim(span_of(settings->api_token)), s->token, sizeof(s->token));
	return 0;
}
