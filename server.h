/* server.h - the HTTP/1.1 server under the API: clients, requests, answers, and who may ask (Host,
 * Origin, token). It knows no route. Everything is bounded and nothing waits: a slow client slows
 * down itself. */
#ifndef AUTOHEAL_SERVER_H
#define AUTOHEAL_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "budget.h"
#include "buf.h"
#include "config.h"
#include "http.h"
#include "loop.h"
#include "net.h"

#define SERVER_CLIENTS_MAX \
	BUDGET_CLIENTS_MAX /* at the limit the oldest idle one goes; where none is idle the new one gets 503 */
#define SERVER_BODY_MAX 65536 /* bytes of a request's body (413) */
#define SERVER_LARGE_MAX \
	(2 * 1024 * 1024) /* of one that brings the token, to where `large` says so */
#define SERVER_LENT \
	16384 /* bytes that are at hand for what is written in one turn, so that most answers need no allocation */
#define SERVER_OUT_HIGH \
	65536 /* bytes that wait for a client before its answer's source is paused */
#define SERVER_OUT_MAX \
	(512 * 1024) /* and at most, where one piece is large; a whole answer comes on top */
#define SERVER_REQUEST_MS 10000 /* for a whole request to arrive (408) */
#define SERVER_IDLE_MS 75000    /* a kept-alive connection without a request */
#define SERVER_STUCK_MS 25000   /* a client that takes nothing of its answer */
#define SERVER_PULSE_MS \
	SERVER_STUCK_MS /* so long an answer without end is silent: proxies cut after 30 s and more */
#define SERVER_PIECE \
	6144 /* bytes of a long answer that are made in one turn; the next one, which comes at once, goes on */
#define SERVER_TOKEN_MAX 256
#define SERVER_PAUSE_MS \
	1000 /* before the next client where the system has no descriptor or memory for it */

struct server;

struct server_request {
	struct http_head head; /* its spans point into head_bytes */
	char *head_bytes;
	struct http_body incoming;
	struct buf body;
	void *tokens;   /* of the body, where it has many; free() */
	char path[512]; /* percent-decoded, without the query */
	struct span query;
	struct span authority; /* of an absolute target; p == NULL without one */
	bool authorized;       /* it brought the token */
	bool sees_all;         /* nothing is masked for it */
	/* the route function's own: */
	struct span name; /* what stands in the path where the route has a star */
	int wish;         /* which of a handler's calls it is */
};

struct server_client {
	struct server *server;
	struct net_stream stream;
	struct loop_timer timer;
	uint64_t since; /* of the last request's end: who is idle longest */
	struct buf in, out;
	size_t sent;
	struct server_request *request; /* the one being read or answered; NULL while idle */
	bool answering;                 /* the request is whole and its answer has not ended */
	bool answered;                  /* the answer to `request` has ended */
	bool goes_on;                   /* there is more to do though the client has taken all */
	bool keep_alive, chunked, head_only, closing, busy, ended;
	/* an answer that takes its time. more: there is room again; says whether it wrote
	 * something. gone: the client left before the end. Both are cleared when the answer ends.
	 */
	bool (*more)(struct server_client *c);
	void (*gone)(struct server_client *c);
	void *job;
	const char *pulse; /* of an answer without end: what it sends when it was silent for a while */
};

struct server {
	struct loop *loop;
	const struct settings *settings;
	void (*route)(void *owner, struct server_client *c, struct server_request *r);
	/* "PUT /path", each ended by a zero: what takes bodies of SERVER_LARGE_MAX from those with the token */
	const char *large;
	void *owner;
	_Alignas(4096) char out_lent[SERVER_LENT];   /* of the client whose turn it is */
	_Alignas(4096) char piece_lent[SERVER_LENT]; /* of server_piece */
	char *workspace; /* CALL_READ_SIZE bytes that one read may use */
	size_t workspace_size;
	struct net_address address;
	bool listens; /* AUTOHEAL_LISTEN is not off */
	int listener, local_listener;
	struct loop_timer again, pause;
	char token[SERVER_TOKEN_MAX];
	char local_name[64];       /* "@autoheal", "@autoheal-NAME" */
	size_t count, clients_max; /* as many as there are descriptors for */
	struct server_client *clients[SERVER_CLIENTS_MAX];
};

/* Reads AUTOHEAL_LISTEN, the token and its file. 0, or -1 with a sentence in error. */
int server_init(struct server *s, struct loop *loop, const struct settings *settings,
    char *workspace, size_t workspace_size, char *error, size_t error_size);
/* Begins to listen; an address in use is an error in the log and tried again. */
void server_start(struct server *s);
void server_close(struct server *s);
/* The name of the abstract socket of this instance. */
void server_local_name(const struct settings *settings, char out[64]);

/* ---- answering: exactly one of these for each request, in order -------------------------- */

/* A whole answer; its size is bounded by who makes it. extra: further header lines with their line ends, or "". */
void server_answer(
    struct server_client *c, int status, const char *type, const char *extra, struct span body);
void server_answer_json(struct server_client *c, int status, const struct buf *body);
/* {"error":"…"} */
void server_error(struct server_client *c, int status, const char *format, ...) TEXT_PRINTS(3, 4);
/* The same with the member of the request's body that is at fault. */
void server_error_about(struct server_client *c, int status, const char *member, const char *format,
    ...) TEXT_PRINTS(4, 5);
/* For one piece of an answer: memory that is good until the next one is begun. max: bytes at most, beyond SERVER_LENT of
 * its own. buf_free it. */
void server_piece(struct server *s, struct buf *piece, size_t max);
/* An answer in pieces. */
void server_stream_begin(struct server_client *c, int status, const char *type);
void server_stream(struct server_client *c, struct span piece);
void server_stream_end(struct server_client *c);
/* It cannot be ended well: the connection is closed in the next turn, so that nobody takes it for whole. */
void server_break(struct server_client *c);
/* The answer that was begun has no end: it says `pulse` where it was silent for SERVER_PULSE_MS, so that neither a proxy
 * nor a client that is gone stays unheard; what the client sends meanwhile is passed over. It is never idle. */
void server_endless(struct server_client *c, const char *pulse);
/* more() has something to write again: it is called in the next turn. */
void server_go_on(struct server_client *c);
/* Bytes that wait for the client. */
size_t server_backlog(const struct server_client *c);
/* Whether a request may read, where AUTOHEAL_API_READS=token; or change something, with `always` even where writes are
 * open. Answers it where not. */
bool server_may_read(struct server_client *c);
bool server_may_write(struct server_client *c, bool always);

#endif
