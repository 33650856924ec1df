/* call.c - one request to an engine, of call.h. */
#include "call.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void release(struct call *call)
{
	loop_cancel(call->loop, &call->deadline);
	if (call->stream.fd >= 0) {
		loop_forget(call->loop, call->stream.fd);
		net_close(&call->stream);
	}
	buf_free(&call->out);
	buf_free(&call->head);
	json_split_free(&call->split);
	free(call);
}

void call_close(struct call *call)
{
	call->closing = true;
	if (!call->busy)
		release(call);
}

static void finish(struct call *call, enum call_end end)
{
	if (call->closing || call->end != CALL_RUNNING)
		return;
	call->end = end;
	loop_cancel(call->loop, &call->deadline);
	call->handler->done(call);
	call->closing = true;
}

static void explain(struct call *call, const char *words)
{
	if (!call->words[0])
		span_copy(span_of(words), call->words, sizeof(call->words));
}

/* The connection ended early or broke. */
static void broke(struct call *call, int error)
{
	call->error = error;
	if (error)
		explain(call, net_words(&call->stream, error));
	else
		explain(call, "the connection was closed before the answer was complete");
	/* A request of which a part left is as good as sent: nobody knows what the engine saw. */
	finish(call, call->sent ? CALL_LOST : CALL_UNSENT);
}

static void nonsense(struct call *call, const char *words)
{
	explain(call, words);
	finish(call, CALL_NONSENSE);
}

static void late(void *owner)
{
	struct call *call = owner;

	call->busy = true;
	if (call->stream.connecting) {
		broke(call, ETIMEDOUT);
	} else {
		explain(call, "no answer in time");
		finish(call, CALL_LATE);
	}
	release(call);
}

/* Until the connection stands it has CALL_CONNECT_MS, then what is left of the call's own time. */
static void set_deadline(struct call *call)
{
	uint64_t end = call->started + call->timeout;

	if (call->stream.connecting && (!call->timeout || call->timeout > CALL_CONNECT_MS))
		loop_after(call->loop, &call->deadline, CALL_CONNECT_MS);
	else if (call->timeout)
		loop_after(
		    call->loop, &call->deadline, end > call->loop->now ? end - call->loop->now : 0);
	else
		loop_cancel(call->loop, &call->deadline);
}

static void want(struct call *call)
{
	unsigned wants = call->paused ? 0 : LOOP_READ;

	if (call->stream.connecting || call->sent < call->out.n || !call->out.n)
		wants |= LOOP_WRITE;
	loop_wants(call->loop, call->stream.fd, net_wants(&call->stream, wants));
}

/* Writes what the connection takes: 0, or -errno. */
static int write_out(struct call *call)
{
	while (call->sent < call->out.n) {
		ssize_t n = net_write(
		    &call->stream, call->out.p + call->sent, call->out.n - call->sent);

		if (n == -EAGAIN)
			return 0;
		if (n < 0)
			return (int)n;
		call->sent += (size_t)n;
	}
	return 0;
}

static const char no_memory[] = "there is no memory left for the answer";

/* ---- the answer -------------------------------------------------------------------------- */

static void learn_from_head(struct call *call, const struct http_head *head)
{
	struct span server = http_field(head, "Server");
	uint64_t seconds;

	call->status = head->status;
	call->podman = http_field(head, "Libpod-Api-Version").p != NULL ||
	    span_starts(server, "Libpod");
	span_copy(http_field(head, "Api-Version"), call->api_version, sizeof(call->api_version));
	if (text_number(http_field(head, "Retry-After"), UINT32_MAX, &seconds))
		call->retry_after = (uint32_t)seconds;
	if (!text_read_http_date(http_field(head, "Date"), &call->date))
		call->date = 0;
}

/* Takes head bytes; true when the head is whole and *p, *n stand at the body. */
static bool take_head(struct call *call, const char **p, size_t *n)
{
	struct http_head head;
	size_t before = call->head.n;
	int length;

	buf_add(&call->head, *p, *n);
	if (call->head.failed) {
		nonsense(call,
		    call->head.starved ? no_memory : "the head of the answer is too long for HTTP");
		return false;
	}
	length = http_read_response(call->head.p, call->head.n, call->head_request, &head);
	if (length < 0) {
		nonsense(call, "what answers there does not speak HTTP/1.1");
		return false;
	}
	if (!length) {
		*n = 0;
		return false;
	}
	*p += (size_t)length - before;
	*n -= (size_t)length - before;
	if (head.status < 200) {
		call->head.n = 0; /* an informational answer: the real one follows */
		return *n > 0 && take_head(call, p, n);
	}
	learn_from_head(call, &head);
	http_body_start(&call->body, &head);
	call->head_done = true;
	buf_free(&call->head);
	if (call->handler->head)
		call->handler->head(call);
	return !call->closing;
}

/* The words of an error: the engine's {"message":"..."}, or the beginning of whatever a proxy says. */
static void take_error(struct call *call, struct span value)
{
	struct json j;

	if (!json_parse(&j, value, call->workspace->tokens, JSON_TOKENS_MAX) &&
	    json_text(&j, json_get(&j, 0, "message"), call->words, sizeof(call->words)))
		return;
	if (span_starts(span_trim(value), "<"))
		explain(call, "it sent an HTML page, as proxies do");
	else if (!call->words[0])
		span_copy(span_trim(value), call->words, sizeof(call->words));
}

/* The same of JSON_NONE: the beginning of the body was kept as the words. */
static void take_whole_error(struct call *call)
{
	char body[CALL_WORDS_MAX];
	size_t n = span_copy(span_of(call->words), body, sizeof(body));

	call->words[0] = 0;
	take_error(call, (struct span){body, n});
}

static void take_value(struct call *call, struct span value)
{
	struct json j;

	call->values++;
	if (!call_succeeded(call)) {
		take_error(call, value);
		return;
	}
	if (!call->handler->value)
		return;
	if (json_parse(&j, value, call->workspace->tokens, JSON_TOKENS_MAX)) {
		call->split.skipped++;
		return;
	}
	call->handler->value(call, &j);
}

static void take_body(struct call *call, struct span data)
{
	struct span value;
	int got;

	if (call->split.mode == JSON_NONE) {
		size_t n = strlen(call->words);

		if (!call_succeeded(call))
			span_copy(data, call->words + n, sizeof(call->words) - n);
		else if (call->handler->value)
			call->handler->value(call, &(struct json){.p = data.p, .n = data.n});
		return;
	}
	if (call->split.bad) {
		if (!call_succeeded(call))
			take_error(call, data);
		return;
	}
	while (data.n && !call->closing) {
		const char *from = data.p;

		got = json_split(&call->split, &data.p, &data.n, &value);
		if (got > 0) {
			take_value(call, value);
			continue;
		}
		if (got == 0)
			return;
		if (!call_succeeded(call))
			take_error(call,
			    (struct span){from, data.n + (size_t)(data.p - from)}); /* HTML of a proxy */
		else
			nonsense(call, "the answer is not JSON");
		return;
	}
}

static void body_done(struct call *call)
{
	if (call->split.mode == JSON_NONE) {
		if (call->words[0])
			take_whole_error(call);
		finish(call, CALL_ANSWERED);
		return;
	}
	if (call_succeeded(call) && call->status != 304 && !json_split_complete(&call->split)) {
		nonsense(call, "the answer ends in the middle of its JSON");
		return;
	}
	if (call->split.starved && call->split.mode == JSON_ARRAY) {
		nonsense(call, no_memory); /* what it does not name would count as gone */
		return;
	}
	if (call_succeeded(call) && call->split.mode == JSON_ARRAY &&
	    !json_split_is_array(&call->split)) {
		nonsense(call, "the answer is no list");
		return;
	}
	finish(call, CALL_ANSWERED);
}

static void take(struct call *call, const char *p, size_t n)
{
	struct span data;
	int got = 0;

	if (!call->head_done && !take_head(call, &p, &n))
		return;
	while (!call->closing && !call->body.done) {
		got = http_body_feed(&call->body, &p, &n, &data);
		if (got <= 0)
			break;
		take_body(call, data);
	}
	if (call->closing)
		return;
	if (got < 0)
		nonsense(call, "the chunks of the answer are malformed");
	else if (call->body.done)
		body_done(call);
}

static void ended(struct call *call)
{
	if (call->head_done && !http_body_close(&call->body)) {
		body_done(call);
		return;
	}
	broke(call, 0);
}

static void read_in(struct call *call)
{
	ssize_t n = net_read(&call->stream, call->workspace->bytes, call->read_size);

	if (n == -EAGAIN)
		return;
	/* A flood of events is worth larger reads; a list is read in small ones however long it is. */
	if ((size_t)n == call->read_size && call->split.mode == JSON_STREAM)
		call->read_size = CALL_READ_SIZE;
	if (n > 0)
		take(call, call->workspace->bytes, (size_t)n);
	else if (n == 0)
		ended(call);
	else
		broke(call, (int)-n);
	if (!call->closing && call->handler->batch)
		call->handler->batch(call);
}

/* One step of connecting: 0 when the connection stands, -EAGAIN, or an error. */
static int connect_on(struct loop *loop, struct net_stream *stream, enum loop_urgency urgency)
{
	if (stream->transport->heavy && !loop_may_compute(loop, urgency))
		return -EAGAIN;
	return net_connect(stream);
}

static void ready(void *owner, unsigned what)
{
	struct call *call = owner;
	int error;

	call->busy = true;
	if (call->stream.connecting) {
		error = connect_on(call->loop, &call->stream, call->urgency);
		if (error && error != -EAGAIN)
			broke(call, -error);
		else if (!error)
			set_deadline(call);
	}
	if (!call->stream.connecting && !call->out.n)
		finish(call, CALL_ANSWERED);
	if (!call->closing && !call->stream.connecting && call->sent < call->out.n) {
		error = write_out(call);
		if (error)
			broke(call, -error);
	}
	if (!call->closing && !call->stream.connecting && !call->paused &&
	    (what & LOOP_READ || net_pending(&call->stream)))
		read_in(call);
	call->busy = false;
	if (call->closing)
		release(call);
	else
		want(call);
}

/* ---- connections -------------------------------------------------------------------------- */

/* 0 when it stands, -EAGAIN while it is being made, or an error with the stream closed. */
static int open_stream(struct net_stream *stream, const struct call_place *place, int64_t wall)
{
	int result = place->tls ? tls_open(stream, &place->address, place->tls, place->name, wall)
				: net_open(stream, &place->address);

	if (stream->fd >= 0 && place->patience_ms)
		net_keep_alive(stream, place->patience_ms);
	return result;
}

bool call_spare_is_open(const struct call_spare *spare)
{
	return spare->loop && spare->stream.fd >= 0;
}

void call_spare_close(struct call_spare *spare)
{
	if (!call_spare_is_open(spare))
		return;
	loop_cancel(spare->loop, &spare->deadline);
	loop_forget(spare->loop, spare->stream.fd);
	net_close(&spare->stream);
}

static void spare_broke(void *owner)
{
	struct call_spare *spare = owner;

	call_spare_close(spare);
	spare->broken(spare->owner);
}

/* Whether the other side of a spare connection has hung up, be it that the loop has not come to it in this turn.
 * Nothing was asked, so what is there to read is the end, or a proxy's farewell. */
static bool has_hung_up(struct net_stream *stream)
{
	char byte;

	return !stream->connecting && net_read(stream, &byte, 1) != -EAGAIN;
}

static void spare_ready(void *owner, unsigned what)
{
	struct call_spare *spare = owner;
	struct net_stream *stream = &spare->stream;
	int result = stream->connecting ? connect_on(spare->loop, stream, LOOP_CAN_WAIT) : 0;

	if (!result && !stream->connecting) {
		loop_cancel(spare->loop, &spare->deadline);
		if ((what & LOOP_READ || net_pending(stream)) && has_hung_up(stream))
			result = -ECONNRESET;
	}
	if (result && result != -EAGAIN)
		spare_broke(spare);
	else
		loop_wants(spare->loop, stream->fd,
		    net_wants(stream, LOOP_READ | (stream->connecting ? LOOP_WRITE : 0)));
}

bool call_spare_open(struct call_spare *spare, struct loop *loop, const struct call_place *place,
    void (*broken)(void *owner), void *owner)
{
	int result;

	*spare = (struct call_spare){
	    .loop = loop, .stream = {.fd = -1}, .since = loop->now, .broken = broken, .owner = owner};
	spare->deadline = (struct loop_timer){.fire = spare_broke, .owner = spare};
	result = open_stream(&spare->stream, place, loop->wall);
	if (result && result != -EAGAIN)
		return false;
	if (!loop_watch(loop, spare->stream.fd, LOOP_WRITE, spare_ready, spare)) {
		net_close(&spare->stream);
		return false;
	}
	loop_after(loop, &spare->deadline, CALL_CONNECT_MS);
	return true;
}

/* Makes the spare's connection the call's own, be it still in its handshake; false when there is none that lives. */
static bool take_spare(struct call *call, struct call_spare *spare)
{
	if (!spare || !call_spare_is_open(spare))
		return false;
	if (has_hung_up(&spare->stream)) {
		call_spare_close(spare);
		return false;
	}
	loop_cancel(spare->loop, &spare->deadline);
	call->stream = spare->stream;
	spare->stream = (struct net_stream){.fd = -1};
	return true;
}

/* Writes at once where the connection stands: 0, -EAGAIN while it is being made, or an error. */
static int begin_on(struct call *call, int result)
{
	return result ? result : write_out(call);
}

static int begin(struct call *call, struct call_spare *spare, const struct call_place *place)
{
	int result = -ECONNRESET;

	if (call->out.failed)
		return -ENOMEM;
	if (take_spare(call, spare)) {
		result = begin_on(call, call->stream.connecting ? -EAGAIN : 0);
		if (result && result != -EAGAIN && !call->sent) {
			/* it broke just now, and nothing has left on it */
			loop_forget(call->loop, call->stream.fd);
			net_close(&call->stream);
		}
	}
	if (call->stream.fd < 0)
		result = begin_on(call, open_stream(&call->stream, place, call->loop->wall));
	if (result && result != -EAGAIN)
		return result;
	if (!loop_watch(call->loop, call->stream.fd, LOOP_WRITE, ready, call))
		return -EMFILE;
	if (call->split.mode == JSON_ARRAY) /* a list: an event that comes amid it goes first */
		loop_can_wait(call->loop, call->stream.fd);
	return 0;
}

struct call *call_send(struct loop *loop, struct call_workspace *workspace,
    const struct call_place *place, struct call_spare *spare, struct buf *request,
    enum loop_urgency urgency, enum json_split_mode mode, uint64_t timeout_ms,
    const struct call_handler *handler, void *owner, int *error)
{
	struct call *call = calloc(1, sizeof(*call));
	int result;

	*error = -ENOMEM;
	if (!call) {
		buf_free(request);
		return NULL;
	}
	*call = (struct call){.handler = handler,
	    .owner = owner,
	    .loop = loop,
	    .workspace = workspace,
	    .timeout = timeout_ms,
	    .started = loop->now,
	    .read_size = CALL_READ_FIRST,
	    .head_request = span_starts((struct span){request->p, request->n}, "HEAD "),
	    .urgency = urgency,
	    .out = *request,
	    .stream = {.fd = -1}};
	*request = (struct buf){0};
	call->deadline = (struct loop_timer){.fire = late, .owner = call};
	buf_init(&call->head, HTTP_HEAD_MAX + CALL_READ_SIZE);
	json_split_init(&call->split, mode);
	result = begin(call, spare, place);
	if (result) {
		*error = result;
		release(call);
		return NULL;
	}
	want(call);
	if (timeout_ms || call->stream.connecting)
		set_deadline(call);
	return call;
}

struct call *call_start(struct loop *loop, struct call_workspace *workspace,
    const struct call_place *place, struct call_spare *spare, const char *method, const char *path,
    enum json_split_mode mode, uint64_t timeout_ms, const struct call_handler *handler, void *owner,
    int *error)
{
	bool post = !strcmp(method, "POST");
	struct buf request;

	buf_init(&request, CALL_REQUEST_MAX);
	buf_print(&request,
	    "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: autoheal/" AUTOHEAL_VERSION "\r\n", method,
	    path, place->host);
	if (place->body)
		buf_print(&request, "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
		    strlen(place->body), place->body);
	else
		buf_add_text(&request, post ? "Content-Length: 0\r\n\r\n" : "\r\n");
	return call_send(loop, workspace, place, spare, &request,
	    post && !place->body ? LOOP_URGENT : LOOP_USUAL, mode, timeout_ms, handler, owner, error);
}

void call_pause(struct call *call, bool pause)
{
	call->paused = pause;
	if (!call->busy)
		want(call);
}

bool call_succeeded(const struct call *call)
{
	return (call->status >= 200 && call->status < 300) || call->status == 304;
}
